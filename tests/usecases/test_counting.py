"""Counting in the process: what is written when, and what an outage does."""

from collections.abc import Iterable, Mapping

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber
from app.core.tally import TallyKind, Tick
from app.usecases.counting import Counting
from tests.support.memory_counters import MemoryTallies

BRAND = BrandNumber(7)
CLICK = Tick(BRAND, 20_000, TallyKind.LEFT, "list_unsubscribe")


class PluggedTallies(MemoryTallies):
    """The twin, with a plug to pull."""

    down = False
    writes = 0

    async def add(self, ticks: Mapping[Tick, int]) -> None:
        if self.down:
            raise StoreUnavailable("unplugged")
        self.writes += 1
        await super().add(ticks)

    async def counts(self, days: Iterable[int] = (20_000,)) -> Mapping[Tick, int]:
        return await self.read(BRAND, days)


async def test_what_was_counted_is_written_once_and_nothing_costs_nothing() -> None:
    tallies = PluggedTallies()
    counting = Counting(tallies)
    for _ in range(3):
        counting.count(CLICK)

    for _ in range(3):
        await counting.write()

    assert ({CLICK: 3}, 1) == (await tallies.counts(), tallies.writes)


async def test_what_an_outage_kept_from_being_written_is_written_after_it() -> None:
    tallies = PluggedTallies()
    counting = Counting(tallies)
    tallies.down = True
    counting.count(CLICK)
    with pytest.raises(StoreUnavailable):
        await counting.write()
    counting.count(CLICK)
    tallies.down = False

    await counting.write()

    assert {CLICK: 2} == await tallies.counts()


async def test_memory_is_bounded_while_the_store_is_away() -> None:
    tallies = PluggedTallies()
    counting = Counting(tallies, most_waiting=2)
    for name in ("a", "b", "c", "a"):
        counting.count(CLICK._replace(name=name))

    await counting.write()

    assert {CLICK._replace(name="a"): 2, CLICK._replace(name="b"): 1} == await tallies.counts()
