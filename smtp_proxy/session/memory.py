"""How much mail a process holds at a time: the content of its sessions, and the copies that have a body of their own.

Serves catalogue S7 and X13. Everything here lives on one event loop and needs no lock.

1. A session never waits: content that does not fit is refused with 452, and stays with the upstream. A copy waits in line, since its mail
   has been taken in: first come, first served, and before any session when memory comes free.
2. Copies hold half of the memory at most, so that those for a downstream that hangs do not keep all other mail out.
3. When no copy is under way the next one may go, whatever its size and whatever sessions hold. So those who wait always get on, and what
   is held exceeds the capacity by no more than one body.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import Overloaded


class MemoryBudget:
    """The octets of mail that may be held at a time; several listeners and the dispatch of their copies share one."""

    __slots__ = ("_copies", "_waiting", "capacity", "peak", "used")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.peak = 0
        self._copies = 0  # the part of `used` that copies hold
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """Return the octets that nobody holds; less than none while a single copy goes beyond the capacity."""
        return self.capacity - self.used

    def reservation(self) -> "Reservation":
        """Return an empty reservation for one message."""
        return Reservation(self)

    def hold(self, octets: int) -> None:
        """Count these octets as held, whether they fit or not."""
        self.used += octets
        self.peak = max(self.peak, self.used)

    def give_back(self, octets: int) -> None:
        """Count these octets as free, and let in the copies that fit now."""
        self.used -= octets
        if self._waiting:
            self._let_in()

    @asynccontextmanager
    async def room(self, octets: int, *, until: float) -> AsyncIterator[None]:
        """Hold memory for one copy while the context is open; wait in line for it before.

        Raises Overloaded when its turn has not come as the loop's clock reaches `until`.
        """
        if self._waiting or not self._fits(octets):
            await self._turn(octets, until)
        else:
            self._enter(octets)
        try:
            yield
        finally:
            self._leave(octets)

    async def _turn(self, octets: int, until: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((octets, turn))
        try:
            async with asyncio.timeout_at(until):
                await turn
        except BaseException as error:
            if turn.cancelled():
                self._let_in()  # whoever stood behind
            else:
                self._leave(octets)  # let in and given up in the same turn of the loop
            if isinstance(error, TimeoutError):
                raise Overloaded("no memory came free for the body of a copy") from error
            raise

    def _let_in(self) -> None:
        while self._waiting:
            octets, turn = self._waiting[0]
            if not turn.cancelled():
                if not self._fits(octets):
                    break
                self._enter(octets)
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, octets: int) -> bool:
        return not self._copies or (octets <= self.free and self._copies + octets <= self.capacity // 2)

    def _enter(self, octets: int) -> None:
        self._copies += octets
        self.hold(octets)

    def _leave(self, octets: int) -> None:
        self._copies -= octets
        self.give_back(octets)


class Reservation:
    """The part of the budget that the content of one message holds."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.held = 0

    def cover(self, octets: int) -> bool:
        """Hold at least this many octets, and say whether that was possible; when not, what is held stays as it was."""
        more = octets - self.held
        if more <= 0:
            return True
        if more > self._budget.free:
            return False
        self._budget.hold(more)
        self.held = octets
        return True

    def release(self) -> None:
        """Give everything back; a second call changes nothing."""
        held, self.held = self.held, 0
        self._budget.give_back(held)
