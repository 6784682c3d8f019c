"""What the use cases need from outside, as Protocols. Adapters live in `app.store`; `app.wiring` plugs them in."""

from collections.abc import Sequence
from typing import Protocol

from app.core.model import BrandNumber, Change, HistoryEntry, Preferences, RecipientDigest, Statement


class Store(Protocol):
    """The shared state: Redis, Valkey, or the in-memory twin. Every method raises StoreUnavailable when it cannot answer."""

    async def apply(self, statement: Statement) -> Change:
        """Apply one statement atomically and durably, with its events; idempotent and commutative.

        Raises Conflict when `expected_sequence` is given and is no longer the record's.
        """
        ...

    async def preferences(self, brand: BrandNumber, digests: Sequence[RecipientDigest]) -> Sequence[Preferences]:
        """Return the preferences of each digest, in order, in one round trip."""
        ...

    async def history(self, brand: BrandNumber, digest: RecipientDigest, *, limit: int = 100) -> Sequence[HistoryEntry]:
        """Return the newest `limit` changes of one recipient, oldest first."""
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class Spool(Protocol):
    """The local, durable journal of acknowledged statements. Every method raises SpoolUnavailable when the disk cannot keep its word."""

    async def append(self, statement: Statement) -> int:
        """Make the statement durable (fsync) and return its row number."""
        ...

    def confirm(self, row: int) -> None:
        """Note that the store has applied the row; it is kept 15 more minutes for a failover, then removed."""
        ...

    async def unconfirmed(self, *, after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return rows with numbers above `after` that the store has not confirmed, in order."""
        ...

    async def recent(self, *, after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return every kept row above `after`, confirmed or not: what a failover may have lost."""
        ...

    async def rows(self) -> int:
        """Return how many unconfirmed rows wait."""
        ...

    async def close(self) -> None:
        """Finish pending work and release the file."""
        ...


class Clock(Protocol):
    """The time, as an argument."""

    def __call__(self) -> int:
        """Return UTC milliseconds since 1970."""
        ...
