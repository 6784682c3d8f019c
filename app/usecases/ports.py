"""What the use cases need from outside, as Protocols. Adapters live in `app.store`; `app.wiring`
plugs them in.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Protocol

from app.core.api_key import ApiKey
from app.core.audit import AuditEntry
from app.core.model import (
    BrandNumber,
    Change,
    HistoryEntry,
    KnownRecipient,
    Preferences,
    Recency,
    RecipientDigest,
    Statement,
    SubscriptionGroup,
)
from app.core.tally import Tick


class Store(Protocol):
    """The shared state: Redis, Valkey, or the in-memory twin. Every method raises StoreUnavailable
    when it cannot answer.
    """

    def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Awaitable[Change]:
        """Apply one statement atomically and durably, with its events; idempotent and commutative.

        What is told for the first time wins over a time that lies ahead of the store's, and what is
        said now wins also when its own time lies behind it: one of the two clocks was wrong.
        `Change.against_clock` says so.

        What is returned may be a future that is under way before anyone awaits it, so that a click
        costs no task. Raises Conflict when a resubscribe gives `expected_sequence` and would
        overrule something its page had not seen.
        """
        ...

    async def preferences(
        self, brand: BrandNumber, digests: Sequence[RecipientDigest]
    ) -> Sequence[Preferences]:
        """Return the preferences of each digest, in order, in one round trip."""
        ...

    async def history(
        self, brand: BrandNumber, digest: RecipientDigest, *, limit: int = 100
    ) -> Sequence[HistoryEntry]:
        """Return the newest `limit` changes of one recipient, oldest first."""
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def generation(self) -> str:
        """Return a name of the running server or servers; a new name after a restart or failover,
        which may have lost writes.
        """
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class Spool(Protocol):
    """The local, durable journal of acknowledged statements. Every method raises SpoolUnavailable
    when the disk cannot keep its word.
    """

    def append(self, statement: Statement) -> Awaitable[int]:
        """Make the statement durable (fsync) and return its row number; under way before anyone
        awaits it.
        """
        ...

    def confirm(self, row: int) -> None:
        """Note that the store has applied the row; it is kept 15 more minutes for a failover, then
        removed.
        """
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


class GroupBook(Protocol):
    """The brands' subscription groups. Every method raises StoreUnavailable when the store cannot
    answer.
    """

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return all groups of a brand, archived ones too, in the order in which they were
        created.
        """
        ...

    async def add(self, brand: BrandNumber, group: SubscriptionGroup, *, most_active: int) -> None:
        """Add a group atomically. Raises Conflict when its id or name is taken, or when
        `most_active` groups are active already.
        """
        ...

    async def replace(
        self,
        brand: BrandNumber,
        before: SubscriptionGroup,
        after: SubscriptionGroup,
        *,
        most_active: int,
    ) -> bool:
        """Replace a group (edit, archive, restore) atomically; False when it is no longer `before`,
        and then nothing was written.

        Raises Conflict as `add` does.
        """
        ...


class RecipientIndex(Protocol):
    """Everybody whom the store knows of a brand. Every method raises StoreUnavailable when the
    store cannot answer.
    """

    async def recipients(
        self, brand: BrandNumber, *, after: RecipientDigest | None, limit: int
    ) -> Sequence[KnownRecipient]:
        """Return the next recipients in the store's own fixed order, those behind `after`; fewer
        than `limit` only at the end.

        Who is known while a whole reading lasts is read exactly once; who becomes known meanwhile,
        once or not at all.
        """
        ...

    async def erase(self, brand: BrandNumber, digest: RecipientDigest, *, erased_ms: int) -> bool:
        """Remove the recipient's sealed address and history; the state under the keyed hash stays.
        False when nothing was known.

        An address stated up to `erased_ms` does not come back when its statement is applied again.
        Idempotent.
        """
        ...


# milliseconds and number of the last entry that was read of one partition's history
Position = tuple[int, int]


class Journal(Protocol):
    """The changes of all recipients of a brand, in the order in which the store took them."""

    async def entries(
        self, brand: BrandNumber, *, after: Sequence[Position], limit: int
    ) -> Sequence[HistoryEntry]:
        """Return the next changes behind these positions, one for each partition; empty when there
        are none. Raises StoreUnavailable.
        """
        ...


class ApiKeyBook(Protocol):
    """The API keys. Every method raises StoreUnavailable when the store cannot answer."""

    async def key(self, key_id: str) -> ApiKey | None:
        """Return the key of this id."""
        ...

    async def keys(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones too, oldest first."""
        ...

    async def put(self, key: ApiKey) -> None:
        """Write a key, or write it again."""
        ...


class CallCounter(Protocol):
    """Counts requests for all nodes together (catalogue Q10)."""

    async def count(self, caller: str, *, window: int, window_ms: int) -> tuple[int, int]:
        """Count one call in a window and return the counts of it and of the window before. Raises
        StoreUnavailable.
        """
        ...


class EndedSessions(Protocol):
    """The operators' sessions that ended before their time. Every method raises StoreUnavailable
    when the store cannot answer.
    """

    async def end(self, session: str, *, kept_ms: int) -> None:
        """Keep for so long that a session of this name has ended; idempotent."""
        ...

    async def has_ended(self, session: str) -> bool:
        """Say whether a session of this name was ended, and is still kept."""
        ...


class AuditTrail(Protocol):
    """Who did what to a brand; nothing is ever removed from it. Every method raises
    StoreUnavailable when the store cannot answer.
    """

    async def note(self, brand: BrandNumber, entry: AuditEntry) -> None:
        """Keep one entry."""
        ...

    async def entries(self, brand: BrandNumber, *, after: str, limit: int) -> Sequence[AuditEntry]:
        """Return the next entries behind the one of this id (empty: from the first), oldest
        first.
        """
        ...


class Tallies(Protocol):
    """What is counted for the overview, for KEPT_DAYS days. Every method raises StoreUnavailable
    when the store cannot answer.
    """

    async def add(self, ticks: Mapping[Tick, int]) -> None:
        """Add to the counts. Names beyond MOST_NAMES of a brand, day and kind are counted under
        OTHERS.
        """
        ...

    async def read(self, brand: BrandNumber, days: Iterable[int]) -> Mapping[Tick, int]:
        """Return what was counted of a brand on these days."""
        ...


class CopyLedger(Protocol):
    """What became of the copies of messages that are not finished yet, by keyed names. Every method
    raises StoreUnavailable.
    """

    def entries(self, message: bytes) -> Awaitable[Mapping[bytes, bytes]]:
        """Return every entry of a message, empty for one that is not known; under way before anyone
        awaits it.
        """
        ...

    async def note(
        self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int
    ) -> None:
        """Write entries of a message beside those that are there; all of them are forgotten after
        so many seconds. Idempotent.
        """
        ...


class Clock(Protocol):
    """The time, as an argument."""

    def __call__(self) -> int:
        """Return UTC milliseconds since 1970."""
        ...
