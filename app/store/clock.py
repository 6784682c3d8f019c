"""The store's time, for whoever writes times there or compares with them: told without asking each
time.

Our own clock may be set while we run, by a day or by years. What counts is the store's last answer
and the monotonic time since, which nobody sets. Before the first answer our own clock has to do:
nothing can be written until then.
"""

import time
from collections.abc import Callable

from app.store.connection import StoreConnection
from app.store.epoch import time_ms


def wall_ms() -> int:
    """Return the time by our own clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds of a clock that nobody sets: for intervals, never for a record."""
    return time.monotonic_ns() // 1_000_000


class StoreClock:
    """Tells UTC milliseconds by the store's clock."""

    def __init__(
        self,
        connection: StoreConnection,
        *,
        wall: Callable[[], int] = wall_ms,
        monotonic: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def __call__(self) -> int:
        """Return the time; never below 0."""
        return max(0, self._monotonic() + self._offset)

    async def look(self) -> None:
        """Ask the store. Raises StoreUnavailable, and the clock goes on as it was."""
        asked = self._monotonic()
        there = await time_ms(self._connection)
        self._offset = there - (asked + self._monotonic()) // 2
