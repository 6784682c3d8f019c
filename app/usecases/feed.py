"""Everything that happened to a brand's recipients, for whoever polls: in the order in which the
store took it, each change once.

The cursor goes by arrival, not by the time of the click: a click that waited for hours in a spool
arrives late, and is read by whoever had read further long before.
"""

from collections.abc import Sequence
from typing import NamedTuple

from app.core.cursors import behind_positions, position_of, positions_at, positions_of
from app.core.errors import TokenError
from app.core.events import Event
from app.core.group_words import GroupWords
from app.core.groups import EVERYTHING
from app.core.identifiers import identifier_of
from app.core.model import Brand, HistoryEntry
from app.core.token import TokenCodec
from app.usecases.ports import Journal


class Arrival(NamedTuple):
    """One event and when the store took it, in UTC milliseconds."""

    event: Event
    arrived_ms: int


class Feed:
    """Reads the journal, page by page."""

    def __init__(self, *, journal: Journal, codec: TokenCodec) -> None:
        self._journal = journal
        self._codec = codec

    async def page(
        self, brand: Brand, words: GroupWords, *, cursor: str, since_ms: int, limit: int
    ) -> tuple[Sequence[Arrival], str]:
        """Return the next events and the cursor behind them, never empty since more will come.
        `since_ms` counts without a cursor.
        """
        positions = list(positions_of(cursor) if cursor else positions_at(since_ms))
        entries = await self._journal.entries(brand.number, after=positions, limit=limit)
        for entry in entries:
            positions[entry.statement.digest[0]] = position_of(entry)
        return [self.arrival(brand, words, entry) for entry in entries], behind_positions(positions)

    def arrival(self, brand: Brand, words: GroupWords, entry: HistoryEntry) -> Arrival:
        """Return the event of one change."""
        address = self._address(entry)
        event = Event(
            statement=entry.statement,
            brand=brand.id,
            brand_name=brand.name,
            sequence=entry.sequence,
            address=address,
            everything=EVERYTHING in entry.changed,
            groups=words.changed(entry.changed),
            identifier=identifier_of(brand, address=address, digest=entry.statement.digest),
        )
        return Arrival(event, position_of(entry)[0])

    def _address(self, entry: HistoryEntry) -> str:
        try:
            return self._codec.unseal_address(
                entry.statement.sealed_address, brand=entry.statement.brand
            )
        except TokenError:
            return ""
