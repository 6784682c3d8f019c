"""The groups of a brand as they were some seconds ago: for the relay and the pages, which ask at
every mail and click.

One look-up a brand at a time: whoever comes meanwhile waits for the same answer. What is kept is
bounded. While the store is away the last known groups serve on, since names change seldom; a brand
that was never read raises StoreUnavailable.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, SubscriptionGroup

FRESH_MS = 5_000
MOST_BRANDS = 10_000
RENEWED_MS = 1_000


class GroupReader(Protocol):
    """Who knows the groups: the book, or a cache before it."""

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return all groups of a brand, archived ones too, in the order in which they were
        created.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    groups: Sequence[SubscriptionGroup]
    read_ms: int


class CachedGroups:
    """A reader before a reader. `clock` in milliseconds; belongs to one event loop."""

    def __init__(
        self,
        book: GroupReader,
        clock: Callable[[], int],
        *,
        fresh_ms: int = FRESH_MS,
        renewed_ms: int = RENEWED_MS,
    ) -> None:
        self._book = book
        self._clock = clock
        self._fresh_ms = fresh_ms
        self._renewed_ms = renewed_ms
        self._known: dict[BrandNumber, _Known] = {}
        self._asking: dict[BrandNumber, asyncio.Task[Sequence[SubscriptionGroup]]] = {}

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return the brand's groups, at most 5 s old while the store answers."""
        known = self._known.get(brand)
        if known and 0 <= self._clock() - known.read_ms < self._fresh_ms:
            return known.groups
        try:
            return await self._shared(brand)
        except StoreUnavailable:
            if known is None:
                raise
            return known.groups

    async def renewed(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return the brand's groups read now, or within the last second: for whoever met a group
        that is not among the known ones.
        """
        known = self._known.get(brand)
        if known and 0 <= self._clock() - known.read_ms < self._renewed_ms:
            return known.groups
        try:
            return await self._shared(brand)
        except StoreUnavailable:
            if known is None:
                raise
            return known.groups

    def _shared(self, brand: BrandNumber) -> asyncio.Future[Sequence[SubscriptionGroup]]:
        """Return the answer of the look-up under way, or of a new one; shielded, since one caller's
        end must not be the others'.
        """
        task = self._asking.get(brand)
        if task is None:
            task = self._asking[brand] = asyncio.get_running_loop().create_task(self._read(brand))
            task.add_done_callback(lambda ended: self._ended(brand, ended))
        return asyncio.shield(task)

    async def _read(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        asked_ms = self._clock()
        groups = tuple(await self._book.groups(brand))
        if len(self._known) >= MOST_BRANDS:
            self._known.clear()
        self._known[brand] = _Known(groups=groups, read_ms=asked_ms)
        return groups

    def _ended(self, brand: BrandNumber, task: asyncio.Task[Sequence[SubscriptionGroup]]) -> None:
        del self._asking[brand]
        if not task.cancelled():
            task.exception()  # every caller may have gone; nobody else needs to hear of it
