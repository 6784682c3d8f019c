"""Counts in the process and writes the counts to the store every few seconds: what is counted costs
those who are counted nothing.

While the store is away the counts wait, at most MOST_WAITING lines of them; beyond, what has no
line yet is not counted.
"""

import asyncio
from collections import Counter

from app.core.errors import StoreUnavailable
from app.core.tally import Tick
from app.usecases.ports import Tallies

EVERY_SECONDS = 3.0
MOST_WAITING = 20_000


class Counting:
    """What one process has counted and not yet written."""

    def __init__(self, tallies: Tallies, *, most_waiting: int = MOST_WAITING) -> None:
        self._tallies = tallies
        self._most_waiting = most_waiting
        self._waiting: Counter[Tick] = Counter()

    def count(self, tick: Tick) -> None:
        """Count one thing, at once."""
        if tick in self._waiting or len(self._waiting) < self._most_waiting:
            self._waiting[tick] += 1

    async def write(self) -> None:
        """Write what was counted. Raises StoreUnavailable, and then it is still to be written.

        What the store took although its answer was lost is then counted twice: rare, and of no
        consequence to an overview.
        """
        taken, self._waiting = self._waiting, Counter()
        if not taken:
            return
        try:
            await self._tallies.add(taken)
        except BaseException:  # also when this process is asked to stop in the middle
            self._waiting.update(taken)
            raise

    async def run(self) -> None:
        """Write again and again until cancelled; an outage is met again the next time."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.write()
            except StoreUnavailable:
                continue  # whoever needs the store has said so
