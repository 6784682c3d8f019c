"""The store in memory: the twin of `RedisStore` for tests and trials, held to the same contract by
the same tests.

It states the register's rules (docs/adr/0003-statement-register.md) a second time, in Python, so
that the two check each other.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NoReturn

from app.core.errors import Conflict
from app.core.groups import EVERYTHING
from app.core.model import (
    BrandNumber,
    Change,
    GroupKey,
    HistoryEntry,
    KnownRecipient,
    Preferences,
    Recency,
    RecipientDigest,
    Source,
    Statement,
    Subscription,
)

ERASED_AHEAD_MS = 600_000  # that the time of an erasure may lie ahead of the store's
SLACK_MS = 60_000  # that an edge's clock may lie behind the store's


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Register:
    subscribed: bool
    source: Source
    since_ms: int
    last_ms: int
    contested: bool = False  # a statement for the other state has been seen
    imported: bool = False  # imports alone have told of it

    def after(self, statement: Statement, *, by_wrong_clock: bool = False) -> "_Register":
        at = statement.at_ms
        if statement.subscribed != self.subscribed:
            if self._precedes(self.last_ms, statement):
                return _first(statement, contested=True)
            if self.is_undone_by(statement):
                return replace(_first(statement, contested=True), last_ms=self.last_ms + 1)
            if self._is_outlived_by(statement):
                return replace(_first(statement, contested=True), last_ms=self.last_ms)
            if by_wrong_clock:
                return replace(
                    _first(statement, contested=True), last_ms=self.last_ms + statement.subscribed
                )
            if self.source is Source.IMPORT_UNDONE and statement.source is Source.IMPORT:
                return replace(self, contested=True)
            since = self.last_ms if self._precedes(self.since_ms, statement) else self.since_ms
            return replace(self, since_ms=since, contested=True)
        since = self.since_ms if self.contested else min(self.since_ms, at)
        same = replace(self, since_ms=since, imported=self.imported and _is_imported(statement))
        if at > self.last_ms:
            return replace(same, last_ms=at, source=statement.source)
        source = min(self.source, statement.source) if at == self.last_ms else self.source
        return replace(same, source=source)

    def is_undone_by(self, statement: Statement) -> bool:
        """Say whether the statement takes back what imports have said, whenever they said it."""
        return (
            statement.source is Source.IMPORT_UNDONE
            and statement.expected_sequence is not None
            and self.imported
        )

    def _is_outlived_by(self, statement: Statement) -> bool:
        """Say whether the recipient has unsubscribed after the line that was undone."""
        return (
            not statement.subscribed
            and statement.source is not Source.IMPORT
            and self.source is Source.IMPORT_UNDONE
            and statement.at_ms > self.since_ms
        )

    def _precedes(self, at_ms: int, other: Statement) -> bool:
        """Say whether a statement of this state at that time is overruled by one of the other
        state: a tie goes to unsubscribe.
        """
        return at_ms < other.at_ms or (at_ms == other.at_ms and self.subscribed)


def _first(statement: Statement, *, contested: bool = False) -> _Register:
    at = statement.at_ms
    return _Register(
        subscribed=statement.subscribed,
        source=statement.source,
        since_ms=at,
        last_ms=at,
        contested=contested,
        imported=_is_imported(statement),
    )


def _is_imported(statement: Statement) -> bool:
    return statement.source is Source.IMPORT and not statement.subscribed


@dataclass(slots=True)
class _Record:
    registers: dict[GroupKey, _Register]
    sequence: int = 0
    sealed_address: bytes = b""
    erased_ms: int = -1


class MemoryStore:
    """A store that lives and dies with the process."""

    def __init__(
        self,
        *,
        addresses_of: frozenset[BrandNumber] = frozenset(),
        clock: Callable[[], int] = _now_ms,
    ) -> None:
        self._clock = clock
        self.epoch = 0  # sequences go on above it
        self._addresses_of = addresses_of
        self._records: dict[tuple[BrandNumber, RecipientDigest], _Record] = {}
        self._history: list[HistoryEntry] = []
        self.work: dict[str, HistoryEntry] = {}  # what the worker has still to do
        self._noted = 0  # entries ever noted: an id is never used again, as in a stream

    def now_ms(self) -> int:
        """Return the store's own time."""
        return self._clock()

    @property
    def changes(self) -> Sequence[HistoryEntry]:
        """Return every change of every brand, oldest first."""
        return tuple(self._history)

    def known(self, brand: BrandNumber) -> list[KnownRecipient]:
        """Return everybody of whom there is a record."""
        return [
            KnownRecipient(
                digest=digest,
                preferences=self._read(brand, digest),
                sealed_address=record.sealed_address,
            )
            for (owner, digest), record in self._records.items()
            if owner == brand
        ]

    def erase(self, brand: BrandNumber, digest: RecipientDigest, erased_ms: int) -> bool:
        """Remove address and history; see `app.usecases.ports.RecipientIndex`."""
        known = (brand, digest) in self._records
        record = self._records.setdefault((brand, digest), _Record({}))
        record.sealed_address = b""
        record.erased_ms = max(record.erased_ms, min(erased_ms, self._clock() + ERASED_AHEAD_MS))
        kept = [
            entry
            for entry in self._history
            if (entry.statement.brand, entry.statement.digest) != (brand, digest)
        ]
        removed = len(self._history) - len(kept)
        self._history = kept
        return known or bool(removed)

    async def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Change:
        """Apply one statement; see `app.usecases.ports.Store`."""
        record = self._records.get((statement.brand, statement.digest)) or _Record({})
        targets = statement.groups or (EVERYTHING,)
        conditional = statement.subscribed and statement.expected_sequence is not None
        if conditional and self._overtaken(record, targets, statement, recency):
            self._note(statement, (), record.sequence)
            return Change(changed=(), sequence=record.sequence)
        return self._write(record, targets, statement, recency)

    def _by_wrong_clock(self, register: _Register, statement: Statement, recency: Recency) -> bool:
        """Say whether the statement would lose by a clock alone; see
        `app.usecases.ports.Store.apply`.
        """
        if recency is Recency.REPEATED or (
            statement.subscribed and statement.expected_sequence is None
        ):
            return False
        now = self._clock()
        return register.last_ms > now or (
            recency is Recency.NOW and statement.at_ms < now - SLACK_MS
        )

    def _overtaken(
        self, record: _Record, targets: tuple[GroupKey, ...], statement: Statement, recency: Recency
    ) -> bool:
        """Say whether the record moved on since the page looked; Conflict when the statement would
        overrule what the page did not see.
        """
        stale = statement.expected_sequence != record.sequence
        left = [
            register
            for group in targets
            if (register := record.registers.get(group)) and not register.subscribed
        ]
        late = [
            one
            for one in left
            if statement.at_ms <= one.last_ms
            and not one.is_undone_by(statement)
            and not self._by_wrong_clock(one, statement, recency)
        ]
        if (stale and left) or late:
            self._refuse(record, statement)
        return stale

    @staticmethod
    def _refuse(record: _Record, statement: Statement) -> NoReturn:
        raise Conflict(
            f"change {statement.expected_sequence} was seen, the record is at {record.sequence}"
        )

    def _write(
        self, record: _Record, targets: tuple[GroupKey, ...], statement: Statement, recency: Recency
    ) -> Change:
        changed: list[GroupKey] = []
        against_clock = False
        for group in targets:
            before = record.registers.get(group)
            wrong = before is not None and self._by_wrong_clock(before, statement, recency)
            after = before.after(statement, by_wrong_clock=wrong) if before else _first(statement)
            against_clock |= before is not None and after != before.after(statement)
            if after.subscribed != (before is None or before.subscribed):
                changed.append(group)
            record.registers[group] = after
        if statement.brand in self._addresses_of and statement.at_ms > record.erased_ms:
            record.sealed_address = max(record.sealed_address, statement.sealed_address)
        self._records[statement.brand, statement.digest] = record
        if changed:
            record.sequence = max(record.sequence, self.epoch) + 1
        self._note(statement, tuple(changed), record.sequence)
        return Change(changed=tuple(changed), sequence=record.sequence, against_clock=against_clock)

    def _note(self, statement: Statement, changed: tuple[GroupKey, ...], sequence: int) -> None:
        self._noted += 1
        entry = HistoryEntry(
            entry_id=f"{self._noted}-0", statement=statement, changed=changed, sequence=sequence
        )
        if changed:
            self._history.append(entry)
        if changed or statement.home:
            self.work[entry.entry_id] = entry

    async def preferences(
        self, brand: BrandNumber, digests: Sequence[RecipientDigest]
    ) -> Sequence[Preferences]:
        """Return the preferences of each digest, in order."""
        return [self._read(brand, digest) for digest in digests]

    def _read(self, brand: BrandNumber, digest: RecipientDigest) -> Preferences:
        record = self._records.get((brand, digest))
        if record is None:
            return Preferences()
        groups = {
            group: Subscription(
                subscribed=register.subscribed,
                source=register.source,
                since_ms=register.since_ms,
                last_ms=register.last_ms,
                imported=register.imported,
            )
            for group, register in record.registers.items()
        }
        everything = groups.pop(EVERYTHING, Subscription())
        return Preferences(
            everything=everything, groups=MappingProxyType(groups), sequence=record.sequence
        )

    async def history(
        self, brand: BrandNumber, digest: RecipientDigest, *, limit: int = 100
    ) -> Sequence[HistoryEntry]:
        """Return the newest `limit` changes of one recipient, oldest first."""
        own = [
            entry
            for entry in self._history
            if (entry.statement.brand, entry.statement.digest) == (brand, digest)
        ]
        return own[-limit:] if limit > 0 else []

    async def ping(self) -> None:
        """Return at once: memory answers."""

    async def generation(self) -> str:
        """Return a name that stays the same while this object lives."""
        return f"memory-{id(self)}"

    async def close(self) -> None:
        """Do nothing: there is no connection."""
