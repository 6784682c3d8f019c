"""Follow the changes of brands as they happen."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from app.core.cursors import position_of
from app.core.errors import StoreUnavailable
from app.core.model import PARTITIONS, Brand, BrandId, HistoryEntry
from app.usecases.ports import Journal, Position

_BEHIND_ALL = 2**63 - 1  # the number behind every entry of its millisecond
_EVERY_SECONDS = 0.5
_PAGE = 500


async def changes(
    journal: Journal, brands: Sequence[Brand], begin_ms: int, *, follow: bool
) -> AsyncIterator[tuple[Brand, HistoryEntry]]:
    """Yield the changes that the store took from `begin_ms` on, each brand's in the order of its
    journal.

    With `follow` it goes on for ever and waits for a store that is away; else it ends with the last
    one, and raises StoreUnavailable.
    """
    positions: dict[BrandId, list[Position]] = {
        brand.id: [(max(0, begin_ms - 1), _BEHIND_ALL)] * PARTITIONS for brand in brands
    }
    while True:
        found = False
        for brand in brands:
            for entry in await _next(journal, brand, positions[brand.id], follow=follow):
                positions[brand.id][entry.statement.digest[0]] = position_of(entry)
                found = True
                yield brand, entry
        if not found and not follow:
            return
        if not found:
            await asyncio.sleep(_EVERY_SECONDS)


async def _next(
    journal: Journal, brand: Brand, positions: Sequence[Position], *, follow: bool
) -> Sequence[HistoryEntry]:
    try:
        return await journal.entries(brand.number, after=positions, limit=_PAGE)
    except StoreUnavailable:
        if not follow:
            raise
        return ()
