"""The memory of the process for mail: what sessions are refused, and how copies wait for it.
Catalogue S7, X13.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import Overloaded
from smtp_proxy.session.memory import MemoryBudget, Reservation


class Copies:
    """Copies that enter and leave as they are told."""

    def __init__(self, memory: MemoryBudget) -> None:
        self.memory = memory
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def come(self, name: str, octets: int) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._stay(name, octets))
        await settled()

    async def go(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await settled()

    async def _stay(self, name: str, octets: int) -> None:
        async with self.memory.room(octets, until=asyncio.get_running_loop().time() + 3600):
            self.inside.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.inside.remove(name)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def copies_in(capacity: int) -> AsyncIterator[Copies]:
    copies = Copies(MemoryBudget(capacity))
    yield copies
    for task in copies.tasks.values():
        task.cancel()
    await asyncio.gather(*copies.tasks.values(), return_exceptions=True)
    assert 0 == copies.memory.used


async def test_copies_hold_half_of_the_memory_and_the_others_come_in_their_order() -> None:
    async with copies_in(100) as copies:
        for name, octets in (("a", 30), ("b", 15), ("c", 30), ("d", 1)):
            await copies.come(name, octets)
        first = list(copies.inside)
        await copies.go("b")
        still = list(copies.inside)
        await copies.go("a")

        assert ["a", "b"] == first
        assert ["a"] == still  # `d` would fit, and does not overtake
        assert ["c", "d"] == copies.inside
        assert 31 == copies.memory.used


async def test_a_copy_larger_than_all_memory_goes_alone() -> None:
    async with copies_in(100) as copies:
        await copies.come("small", 10)
        await copies.come("huge", 500)
        await copies.come("next", 10)
        before = list(copies.inside)
        await copies.go("small")
        meanwhile = list(copies.inside), copies.memory.free
        await copies.go("huge")

        assert ["small"] == before
        assert (["huge"], -400) == meanwhile
        assert ["next"] == copies.inside


async def test_one_copy_goes_even_when_sessions_hold_everything_and_the_next_as_they_let_go() -> (
    None
):
    async with copies_in(100) as copies:
        session = Reservation(copies.memory)
        assert session.cover(100)
        await copies.come("a", 20)
        await copies.come("b", 20)
        before = list(copies.inside)
        refused = Reservation(copies.memory).cover(1)
        session.release()
        await settled()

        assert ["a"] == before
        assert not refused
        assert ["a", "b"] == copies.inside
        assert Reservation(copies.memory).cover(60)
        copies.memory.change(held=60, octets=0)


@pytest.mark.parametrize("given_up", ["b", "c"])
async def test_who_gives_up_in_line_takes_no_place_and_keeps_nobody_out(given_up: str) -> None:
    async with copies_in(100) as copies:
        for name, octets in (("a", 40), ("b", 40), ("c", 10), ("d", 10)):
            await copies.come(name, octets)
        await copies.cancel(given_up)
        meanwhile = list(copies.inside)
        await copies.go("a")

        assert meanwhile == (["a", "c"] if given_up == "b" else ["a"])
        assert {"b", "c", "d"} - {given_up} == set(copies.inside)


async def test_who_is_cancelled_in_the_turn_in_which_it_is_let_in_gives_its_place_on() -> None:
    async with copies_in(100) as copies:
        session = Reservation(copies.memory)
        assert session.cover(80)
        for name in ("a", "b", "c"):
            await copies.come(name, 20)
        session.release()
        let_in = copies.memory.used
        copies.tasks["b"].cancel()
        await settled()

        assert 40 == let_in
        assert ["a", "c"] == copies.inside
        assert 40 == copies.memory.used


async def test_whose_turn_does_not_come_in_time_is_told_that_there_is_no_memory() -> None:
    async with copies_in(100) as copies:
        await copies.come("a", 50)
        with pytest.raises(Overloaded):
            async with copies.memory.room(10, until=asyncio.get_running_loop().time()):
                copies.inside.append("never")
        await copies.come("b", 10)
        await copies.go("a")

        assert ["b"] == copies.inside


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "go", "cancel", "cover", "release"]), st.integers(1, 150)
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_comes_and_goes_the_bound_holds_and_nobody_waits_for_nothing(
    steps: list[tuple[str, int]],
) -> None:
    """Held is at most the capacity and one body; and while anybody waits, some copy is under
    way.
    """

    async def play() -> None:
        async with copies_in(100) as copies, AsyncExitStack() as stack:
            memory, held = copies.memory, []
            octets_of: dict[str, int] = {}
            for number, (verb, octets) in enumerate(steps):
                if verb == "come":
                    octets_of[str(number)] = octets
                    await copies.come(str(number), octets)
                elif verb == "cover":
                    held.append(Reservation(memory))
                    stack.callback(held[-1].release)
                    held[-1].cover(octets)
                elif verb == "release" and held:
                    held.pop(octets % len(held)).release()
                elif octets_of:
                    name = list(octets_of)[octets % len(octets_of)]
                    await (copies.go if verb == "go" else copies.cancel)(name)
                await settled()
                inside = sum(octets_of[name] for name in copies.inside)
                waiting = [
                    name
                    for name, task in copies.tasks.items()
                    if not task.done() and name not in copies.inside
                ]
                assert memory.used == inside + sum(reservation.held for reservation in held)
                assert memory.used <= 100 + max(
                    [octets_of[name] for name in copies.inside], default=0
                )
                assert inside <= 50 or len(copies.inside) == 1
                assert copies.inside or not waiting

    asyncio.run(play())
