"""The tally in memory: the twin of `RedisTallies`, under the same contract tests."""

from collections import Counter
from collections.abc import Iterable, Mapping

from app.core.model import BrandNumber
from app.core.tally import MOST_NAMES, OTHERS, Tick


class MemoryTallies:
    """The port `app.usecases.ports.Tallies`; it keeps every day, since it lives no longer than a
    test.
    """

    def __init__(self, *, most_names: int = MOST_NAMES) -> None:
        self._most_names = most_names
        self._counts: Counter[Tick] = Counter()

    async def add(self, ticks: Mapping[Tick, int]) -> None:
        """Add to the counts."""
        for tick, much in ticks.items():
            self._counts[self._bounded(tick)] += much

    async def read(self, brand: BrandNumber, days: Iterable[int]) -> Mapping[Tick, int]:
        """Return what was counted of a brand on these days."""
        wanted = frozenset(days)
        return {
            tick: count
            for tick, count in self._counts.items()
            if tick.brand == brand and tick.day in wanted
        }

    def _bounded(self, tick: Tick) -> Tick:
        of_kind = [
            known for known in self._counts if known[:3] == tick[:3] and known.name != OTHERS
        ]
        full = tick not in self._counts and len(of_kind) >= self._most_names
        return tick._replace(name=OTHERS) if full else tick
