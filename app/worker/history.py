"""Forgets the oldest part of the history, an hour's step at a time; never what a consumer group still has to read."""

import asyncio
from collections.abc import Callable

from app.core.brands import Brands
from app.core.errors import StoreUnavailable
from app.usecases.delivery_ports import WorkQueue
from app.worker.witness import DeliveryWitness
from app.worker.worker import PARTITIONS

_EVERY_SECONDS = 3600.0
_DAY_MS = 86_400_000
_AT_ONCE = 16


class Trimmer:
    """Keeps the history of every brand to so many days, or for ever with 0. `clock` in milliseconds."""

    def __init__(self, *, work: WorkQueue, brands: Brands, days: int, clock: Callable[[], int], witness: DeliveryWitness) -> None:
        self._work = work
        self._brands = brands
        self._days = days
        self._clock = clock
        self._witness = witness

    async def run(self) -> None:
        """Trim once an hour until cancelled; an outage of the store is met again the next time."""
        while self._days:
            try:
                await self.trim()
            except StoreUnavailable as exc:
                self._witness.store_failed(str(exc))
            await asyncio.sleep(_EVERY_SECONDS)

    async def trim(self) -> int:
        """Trim every brand's history and return how many changes were forgotten."""
        before_ms = self._clock() - self._days * _DAY_MS
        trimmed = 0
        for brand in self._brands:
            for start in range(0, PARTITIONS, _AT_ONCE):
                trimmed += await self._work.trim_history(brand.number, range(start, start + _AT_ONCE), before_ms=before_ms)
        if trimmed:
            self._witness.trimmed(trimmed)
        return trimmed
