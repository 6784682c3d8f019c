"""When a login at the downstream may be tried: few at once, and none for a while after one was
refused (catalogue N35).

A downstream that hears wrong credentials at the rate of the mail locks the account, or the address.
So a refusal begins a pause, twice as long as the one before. After it one login is tried; the
others wait for the next pause, or for its success.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.observe.metrics import DOWNSTREAM_LOGINS, labelled

AT_ONCE = 3  # so many refusals in a row a downstream hears at most before the pause
FIRST_PAUSE = 30.0  # seconds
LONGEST_PAUSE = 900.0


class PutOff(Exception):
    """No login is tried now; the text is what the downstream said to the last one."""


class Logins:
    """The logins of one pool at one downstream. `clock` goes only forward, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._refusals = 0  # in a row
        self._until = 0.0
        self._words = ""

    def check(self) -> None:
        """Raise PutOff while no login may be tried."""
        if self._clock() < self._until:
            labelled(DOWNSTREAM_LOGINS, "put_off").inc()
            raise PutOff(self._words)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place to try a login; `accepted` or `refused` is called inside. Raises
        PutOff.
        """
        async with self._places:
            self.check()
            if self._refusals:  # this is the one trial
                self._pause()
            yield

    def accepted(self) -> None:
        """Note that the downstream has let us in."""
        labelled(DOWNSTREAM_LOGINS, "accepted").inc()
        self._refusals, self._until = 0, 0.0

    def refused(self, words: str) -> None:
        """Note that the downstream has refused us, and what it said."""
        labelled(DOWNSTREAM_LOGINS, "refused").inc()
        self._refusals, self._words = self._refusals + 1, words
        self._pause()

    def _pause(self) -> None:
        seconds = min(FIRST_PAUSE * 2.0 ** min(self._refusals - 1, 10), LONGEST_PAUSE)
        self._until = self._clock() + seconds
