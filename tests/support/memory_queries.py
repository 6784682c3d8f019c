"""The twins of recipient index, journal, API keys, counter and audit: over the store in memory,
under the same contract tests.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from app.core.api_key import ApiKey
from app.core.audit import AuditEntry
from app.core.cursors import position_of
from app.core.model import BrandNumber, HistoryEntry, KnownRecipient, RecipientDigest
from app.store import keys
from app.usecases.ports import Position
from tests.support.memory_store import MemoryStore


class MemoryRoster:
    """The port `RecipientIndex` over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def recipients(
        self, brand: BrandNumber, *, after: RecipientDigest | None, limit: int
    ) -> Sequence[KnownRecipient]:
        """Return the next recipients behind `after`."""
        own = sorted(self._store.known(brand), key=lambda one: _order(one.digest))
        return [one for one in own if after is None or _order(one.digest) > _order(after)][:limit]

    async def erase(self, brand: BrandNumber, digest: RecipientDigest, *, erased_ms: int) -> bool:
        """Remove the sealed address and the history."""
        return self._store.erase(brand, digest, erased_ms)


class MemoryJournal:
    """The port `Journal` over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def entries(
        self, brand: BrandNumber, *, after: Sequence[Position], limit: int
    ) -> Sequence[HistoryEntry]:
        """Return the next changes behind these positions."""
        own = (entry for entry in self._store.changes if entry.statement.brand == brand)
        return [
            entry
            for entry in own
            if position_of(entry) > after[keys.partition(entry.statement.digest)]
        ][:limit]


class MemoryApiKeys:
    """The port `ApiKeyBook`."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def key(self, key_id: str) -> ApiKey | None:
        """Return the key of this id."""
        return self._keys.get(key_id)

    async def keys(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones too, oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_ms, key.id))

    async def put(self, key: ApiKey) -> None:
        """Write a key, or write it again."""
        self._keys[key.id] = key


class MemoryCallCounter:
    """The port `CallCounter`; it keeps every window, since it lives no longer than a test."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()

    async def count(self, caller: str, *, window: int, window_ms: int) -> tuple[int, int]:
        """Count one call in a window and return the counts of it and of the window before."""
        self._counts[caller, window] += 1
        return self._counts[caller, window], self._counts[caller, window - 1]


class MemoryEndedSessions:
    """The port `EndedSessions`; it keeps every name, since it lives no longer than a test."""

    def __init__(self) -> None:
        self._ended: set[str] = set()

    async def end(self, session: str, *, kept_ms: int) -> None:
        """Keep that a session of this name has ended."""
        self._ended.add(session)

    async def has_ended(self, session: str) -> bool:
        """Say whether a session of this name was ended."""
        return session in self._ended


class MemoryAudit:
    """The port `AuditTrail`."""

    def __init__(self) -> None:
        self._entries: list[tuple[BrandNumber, AuditEntry]] = []

    async def note(self, brand: BrandNumber, entry: AuditEntry) -> None:
        """Keep one entry."""
        self._entries.append((brand, replace(entry, entry_id=f"{len(self._entries) + 1}-0")))

    async def entries(self, brand: BrandNumber, *, after: str, limit: int) -> Sequence[AuditEntry]:
        """Return the next entries behind the one of this id, oldest first."""
        seen = int(after.partition("-")[0]) if after else 0
        return [entry for owner, entry in self._entries[seen:] if owner == brand][:limit]


def _order(digest: RecipientDigest) -> tuple[int, bytes]:
    return keys.place(digest, keys.DEFAULT_BUCKETS), digest
