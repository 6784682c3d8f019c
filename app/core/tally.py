"""What is counted for people who look on: changes by day and source, and for each campaign its
copies and who left because of them.

The counts are an overview, never a record: that is the history. They may miss what a process had
counted and not yet written when it died. A day is one of UTC. The number of campaigns that are
counted by name is bounded for each brand and day; the rest is counted together.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from app.core.model import NO_CAMPAIGN, BrandNumber, CampaignId, Source
from app.core.token import hashed_campaign
from app.core.webhook import Work

DAY_MS = 86_400_000
KEPT_DAYS = 62  # two months: the last thirty days, and those before them to compare with
MOST_NAMES = 1_000  # of one brand, day and kind; what comes beyond is counted under OTHERS
OTHERS = ""


class TallyKind(StrEnum):
    """What is counted. The letters are stored: never reuse one."""

    LEFT = "l"  # unsubscribes by source
    BACK = "b"  # resubscribes by source
    CAMPAIGN = "c"  # unsubscribes by campaign
    COPIES = "m"  # copies that a downstream took, by campaign


class Tick(NamedTuple):
    """One line of the tally."""

    brand: BrandNumber
    day: int  # days since 1970-01-01 UTC
    kind: TallyKind
    name: str  # a source's label or a campaign's id


Count = Callable[[Tick], None]


def day_of(at_ms: int) -> int:
    """Return the day of a time."""
    return at_ms // DAY_MS


def ticks_of(work: Work, *, now_ms: int) -> tuple[Tick, ...]:
    """Return what one change counts for: the day of the request, for an import today, since it may
    tell of requests of long ago.
    """
    statement = work.statement
    day = day_of(now_ms if statement.source is Source.IMPORT else min(statement.at_ms, now_ms))
    kind = TallyKind.BACK if statement.subscribed else TallyKind.LEFT
    by_source = Tick(statement.brand, day, kind, statement.source.label)
    if statement.subscribed or statement.campaign == NO_CAMPAIGN:
        return (by_source,)
    return by_source, Tick(statement.brand, day, TallyKind.CAMPAIGN, statement.campaign)


def copy_tick(brand: BrandNumber, campaign: CampaignId, *, now_ms: int) -> Tick:
    """Return what a copy of a campaign counts for that a downstream took."""
    return Tick(brand, day_of(now_ms), TallyKind.COPIES, campaign)


class CampaignTally(NamedTuple):
    """One campaign over some days. No copies counted: they went another way, or longer ago."""

    name: str
    left: int
    copies: int

    @property
    def rate(self) -> float | None:
        """Return which share of the copies led to an unsubscribe; None where that cannot be
        told.
        """
        return self.left / self.copies if self.left <= self.copies and self.copies else None


def campaigns(ticks: Mapping[Tick, int]) -> list[CampaignTally]:
    """Return every campaign of the tally, those most left first. A token may name a campaign by its
    hash; that is counted to the name.
    """
    left: dict[str, int] = {}
    copies: dict[str, int] = {}
    for tick, count in ticks.items():
        if tick.kind in _OF_CAMPAIGNS:
            counted = copies if tick.kind is TallyKind.COPIES else left
            counted[tick.name] = counted.get(tick.name, 0) + count
    for name in {*left, *copies} - {OTHERS}:
        hashed = hashed_campaign(CampaignId(name))
        if hashed != name and hashed in left:
            left[name] = left.get(name, 0) + left.pop(hashed)
    found = [
        CampaignTally(name, left.get(name, 0), copies.get(name, 0)) for name in {*left, *copies}
    ]
    return sorted(found, key=lambda one: (-one.left, -one.copies, one.name))


_OF_CAMPAIGNS = frozenset((TallyKind.CAMPAIGN, TallyKind.COPIES))
