"""How much mail a process holds at a time: the content of its sessions, and the copies that have a
body of their own.

Serves catalogue S7 and X13. Everything here lives on one event loop and needs no lock.

1. A session never waits: content that does not fit is refused with 452, and stays with the
   upstream. A copy waits in line, since its mail has been taken in: first come, first served, and
   before any session when memory comes free.
2. Copies hold half of the memory at most, so that those for a downstream that hangs do not keep all
   other mail out.
3. Content counts as it arrives, never as it is announced: a client that declares a size and falls
   silent holds nothing.
4. One holder (an account, or where strangers send, the network of a client) gets at most half of
   what it and nobody hold together: one alone has half of the memory, two have a third each, and as
   much stays free for others. Its only message, and every message up to SMALL octets, is taken
   while there is memory at all.
5. When no copy is under way the next one may go, whatever its size and whatever sessions hold. So
   those who wait always get on, and what is held exceeds the capacity by no more than one body.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.core.errors import Overloaded

SMALL = 65_536  # octets of a message that no share keeps out


def nobody() -> str:
    """Return the holder of what no share is held to."""
    return ""


class MemoryBudget:
    """The octets of mail that may be held at a time; several listeners and the dispatch of their
    copies share one.
    """

    __slots__ = ("_copies", "_messages", "_octets", "_waiting", "capacity", "peak", "used")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.peak = 0
        self._copies = 0  # the part of `used` that copies hold
        self._octets: Counter[str] = Counter()  # of large messages, by holder
        self._messages: Counter[str] = Counter()  # large ones, by holder
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """Return the octets that nobody holds; less than none while a single copy goes beyond the
        capacity.
        """
        return self.capacity - self.used

    def has_room(self, holder: str, octets: int, *, held: int = 0) -> bool:
        """Say whether a message may grow to these octets, of which it holds some already: within
        the memory, and within the share.
        """
        free = self.free
        if octets - held > free:
            return False
        others = self._messages[holder] - (held > SMALL)
        if not holder or octets <= SMALL or others <= 0:
            return True
        before = self._octets[holder]
        return before + octets - (held if held > SMALL else 0) <= (free + before) // 2

    def change(self, *, held: int, octets: int, holder: str = "") -> None:
        """Let a message or a copy hold `octets` in the place of `held`; of a holder's messages only
        large ones are counted.
        """
        self.used += octets - held
        self.peak = max(self.peak, self.used)
        was, now = (held if held > SMALL else 0), (octets if octets > SMALL else 0)
        if was != now and holder:
            self._octets[holder] += now - was
            self._messages[holder] += (now > 0) - (was > 0)
            if not self._messages[holder]:
                del self._messages[holder], self._octets[holder]
        if octets < held and self._waiting:
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
        return not self._copies or (
            octets <= self.free and self._copies + octets <= self.capacity // 2
        )

    def _enter(self, octets: int) -> None:
        self._copies += octets
        self.change(held=0, octets=octets)

    def _leave(self, octets: int) -> None:
        self._copies -= octets
        self.change(held=octets, octets=0)


class Reservation:
    """The part of the budget that the content of one message holds."""

    __slots__ = ("_budget", "_holder", "_name", "held")

    def __init__(self, budget: MemoryBudget, holder: Callable[[], str] = nobody) -> None:
        self._budget = budget
        self._holder = holder
        self._name = ""
        self.held = 0

    def cover(self, octets: int) -> bool:
        """Hold at least this many octets, and say whether that was possible; when not, what is held
        stays as it was.
        """
        if octets <= self.held:
            return True
        if octets > SMALL and self.held <= SMALL:
            self._name = self._holder()
        if not self._budget.has_room(self._name, octets, held=self.held):
            return False
        self._budget.change(held=self.held, octets=octets, holder=self._name)
        self.held = octets
        return True

    def release(self) -> None:
        """Give everything back; a second call changes nothing."""
        held, self.held = self.held, 0
        self._budget.change(held=held, octets=0, holder=self._name)
