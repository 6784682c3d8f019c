"""Forgets the oldest part of the history, an hour's step at a time; never what a consumer group
still has to read.

What is old is told by the store, at the moment of deletion. A clock that is wrong by years would
make everything old, so nothing is deleted while ours and the store's differ by hours: one of the
two is wrong, and nobody here can tell which.
"""

import asyncio
from collections.abc import Callable

from app.core.brands import Brands
from app.core.errors import StoreUnavailable
from app.core.model import PARTITIONS
from app.core.times import iso
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.usecases.delivery_ports import WorkQueue

_EVERY_SECONDS = 3600.0
_DAY_MS = 86_400_000
_AT_ONCE = 16
MOST_APART_MS = 2 * 3_600_000


class Trimmer:
    """Keeps the history of every brand to so many days, or for ever with 0. `clock` is this
    machine's own, in milliseconds.
    """

    def __init__(
        self,
        *,
        work: WorkQueue,
        brands: Brands,
        days: int,
        clock: Callable[[], int],
        log: Logger,
    ) -> None:
        self._work = work
        self._brands = brands
        self._days = days
        self._clock = clock
        self._log = log

    async def run(self) -> None:
        """Trim once an hour until cancelled; an outage of the store is met again the next time."""
        while self._days:
            try:
                await self.trim()
            except StoreUnavailable as exc:
                self._log.error(LogEvent.STORE_FAILED, reason=str(exc))
            await asyncio.sleep(_EVERY_SECONDS)

    async def trim(self) -> int:
        """Trim every brand's history and return how many changes were forgotten: none while the
        clocks differ by hours.
        """
        here, there = self._clock(), await self._work.time_ms()
        if abs(here - there) > MOST_APART_MS:
            metrics.DELETIONS_REFUSED.inc()
            self._log.error(LogEvent.DELETION_REFUSED, here=iso(here), store=iso(there))
            return 0
        trimmed = 0
        for brand in self._brands:
            for start in range(0, PARTITIONS, _AT_ONCE):
                trimmed += await self._work.trim_history(
                    brand.number, range(start, start + _AT_ONCE), keep_ms=self._days * _DAY_MS
                )
        if trimmed:
            self._log.info(LogEvent.HISTORY_TRIMMED, entries=trimmed)
        return trimmed
