"""The changes of all recipients of a brand, on Redis or Valkey: the port
`app.usecases.ports.Journal`.

Each partition's history is a stream of its own, and its ids only grow, so what is read behind a
position can never be added to: a click that was replayed late has a late id. The streams are merged
by id. Of a stream that had more than was asked for nothing later is known, so the merge ends at the
last id of the first such stream.
"""

from collections.abc import Sequence

from app.core.cursors import position_of
from app.core.errors import StoreUnavailable
from app.core.model import PARTITIONS, BrandNumber, HistoryEntry
from app.store import keys
from app.store.connection import StoreConnection
from app.store.replies import as_list, history_entry
from app.usecases.ports import Position

_LEAST = 4  # entries of one stream that are asked for at once


class RedisJournal:
    """Reads the 256 histories of a brand as one."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def entries(
        self, brand: BrandNumber, *, after: Sequence[Position], limit: int
    ) -> Sequence[HistoryEntry]:
        """Return the next changes behind these positions, in the order of their ids."""
        positions = list(after)
        found: list[HistoryEntry] = []
        more = True
        while more and len(found) < limit:
            each = max(_LEAST, 2 * (limit - len(found)) // PARTITIONS)
            pages = await self._pages(brand, positions, each)
            ends = [position_of(page[-1]) for page in pages if len(page) == each]
            more = bool(ends)
            merged = sorted((entry for page in pages for entry in page), key=position_of)
            sure = [entry for entry in merged if not ends or position_of(entry) <= min(ends)][
                : limit - len(found)
            ]
            for entry in sure:
                positions[keys.partition(entry.statement.digest)] = position_of(entry)
            found += sure
        return found

    async def _pages(
        self, brand: BrandNumber, positions: Sequence[Position], each: int
    ) -> list[list[HistoryEntry]]:
        replies = await self._connection.run(
            [
                ("XRANGE", keys.history(brand, number), f"({at_ms}-{count}", "+", "COUNT", each)
                for number, (at_ms, count) in enumerate(positions)
            ]
        )
        try:
            return [[history_entry(entry) for entry in as_list(reply)] for reply in replies]
        except (ValueError, KeyError) as exc:
            raise StoreUnavailable(f"unreadable history: {exc}") from exc
