"""What the operator's page says of a brand at a glance: how long the oldest request waits, who left
when and how, campaigns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.core.model import Brand, Source
from app.core.tally import CampaignTally, TallyKind, Tick, campaigns, day_of
from app.usecases.backlog import Measure
from app.usecases.ports import Clock, Tallies

DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day (days since 1970-01-01 UTC): who left and who came back, by the label of the
    source.
    """

    day: int
    left: Mapping[str, int]
    back: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandOverview:
    """The last DAYS days of a brand, today the last; and how many left by their own request in as
    many days before.
    """

    days: Sequence[Day]
    campaigns: Sequence[CampaignTally]
    asked_before: int

    @property
    def asked(self) -> int:
        """Return how many left by their own request: imports, which may be many and old, are
        none.
        """
        return sum(
            count
            for day in self.days
            for source, count in day.left.items()
            if source != Source.IMPORT.label
        )

    @property
    def today(self) -> int:
        """Return how many have asked to leave today."""
        return sum(
            count for source, count in self.days[-1].left.items() if source != Source.IMPORT.label
        )

    def totals(self) -> list[tuple[Source, int, int]]:
        """Return of each source by which anybody came or went: how many left, how many came
        back.
        """
        rows = []
        for source in Source:
            left = sum(day.left.get(source.label, 0) for day in self.days)
            back = sum(day.back.get(source.label, 0) for day in self.days)
            if left or back:
                rows.append((source, left, back))
        return sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))


class Overview:
    """Reads the tally, and knows what the last look at the backlog saw."""

    def __init__(
        self, *, tallies: Tallies, latest: Callable[[], Measure | None], clock: Clock
    ) -> None:
        self._tallies = tallies
        self._latest = latest
        self._clock = clock

    def measure(self) -> Measure | None:
        """Return what waited at the last look, a few seconds ago; None before the first."""
        return self._latest()

    async def of(self, brand: Brand) -> BrandOverview:
        """Return the overview of one brand. Raises StoreUnavailable."""
        today = day_of(self._clock())
        first = today - DAYS + 1
        ticks = await self._tallies.read(brand.number, range(first - DAYS, today + 1))
        recent = {tick: count for tick, count in ticks.items() if tick.day >= first}
        return BrandOverview(
            days=[_day(day, recent) for day in range(first, today + 1)],
            campaigns=campaigns(recent),
            asked_before=sum(
                count for tick, count in ticks.items() if tick.day < first and _is_request(tick)
            ),
        )


def _day(day: int, ticks: Mapping[Tick, int]) -> Day:
    def of(kind: TallyKind) -> dict[str, int]:
        return {
            tick.name: count
            for tick, count in ticks.items()
            if tick.day == day and tick.kind is kind
        }

    return Day(day=day, left=of(TallyKind.LEFT), back=of(TallyKind.BACK))


def _is_request(tick: Tick) -> bool:
    return tick.kind is TallyKind.LEFT and tick.name != Source.IMPORT.label
