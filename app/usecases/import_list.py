"""Takes the list of people who left elsewhere: each line an unsubscribe, durable like a click, at
the time that the line tells.

1. Only a line that says "left" acts, and only on what it says was left. One that says "subscribed"
   is counted and passed over; one that cannot be understood, or names a group that the brand has
   not, is refused by its number and reason. Lines are independent.
2. An import never resubscribes anybody (catalogue Q6), and who came back after the time of a line
   stays subscribed: such a line is counted as overruled.
3. Each import has an id, which is the beginning of the id of every statement it makes: by it the
   history tells what it changed (`app.usecases.undo_import`). Importing again changes nothing.
   A recipient's second line says nothing new unless its time is later. Memory is bounded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from app.core.address import checked
from app.core.audit import AuditAction
from app.core.errors import AddressInvalid, RuleViolation
from app.core.group_words import GroupWords
from app.core.groups import ALL, EVERYTHING
from app.core.lists.documents import Record
from app.core.lists.formats import ListFormat
from app.core.lists.reader import Entry, ListReader
from app.core.lists.records import RecordReader
from app.core.lists.scopes import Alternatives
from app.core.model import (
    DIGEST_BYTES,
    Brand,
    GroupKey,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
)
from app.core.token import TokenCodec
from app.core.visible import visible
from app.observe.metrics import ClickResult
from app.usecases.auditing import Auditing
from app.usecases.ports import Clock, Store
from app.usecases.request_counts import request_counts
from app.usecases.token_links import Unsubscriber

MOST_REPORTED = 1_000  # refused lines that are told one by one; all are counted
MOST_FIRST = 5  # accepted lines that are shown
IMPORT_ID_BYTES = 8  # at the beginning of each statement's id
_BATCH = 250
_MOST_REASON = 300  # characters
_MOST_SAID = 20_000  # recipients of one import whose lines are compared with later ones
_YIELD_LINES = 500  # a long list must not keep the loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One accepted line, as a preview shows it: who leaves what, since when."""

    line: int
    recipient: str  # the address, or the digest in hex
    groups: tuple[str, ...]
    at_ms: int | None


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of a list."""

    id: str = ""  # of the import, in hex; empty for a dry run
    read: int = 0  # entries, good or not
    accepted: int = 0
    all_mail: int = 0  # accepted lines that leave all mail
    # accepted lines that leave a group, by its name
    groups: dict[str, int] = field(default_factory=dict)
    skipped_subscribed: int = 0
    undated: int = 0  # accepted without a time of leaving: taken as now
    overruled: int = 0  # accepted, and overruled by what the recipient has said since
    refused: int = 0
    # line and reason of the first MOST_REPORTED
    problems: list[tuple[int, str]] = field(default_factory=list)
    first: list[Taken] = field(default_factory=list)

    def counts(self) -> dict[str, str]:
        """Return the numbers that the audit keeps."""
        names = ("read", "accepted", "skipped_subscribed", "undated", "overruled", "refused")
        return {name: str(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTerms:
    """How to read a list. `groups` hold for lines that name none; none: all mail. A dry run reads
    and reports, and saves nothing.
    """

    words: GroupWords
    format: ListFormat | None = None
    groups: tuple[GroupKey, ...] = ()
    dry_run: bool = False


class ListImporter:
    """Imports lists, each counted and kept in the audit."""

    def __init__(  # noqa: PLR0913 - the parts of the use case
        self,
        *,
        unsubscribe: Unsubscriber,
        store: Store,
        codec: TokenCodec,
        clock: Clock,
        new_id: Callable[[], bytes],
        auditing: Auditing,
    ) -> None:
        self._unsubscribe = unsubscribe
        self._store = store
        self._codec = codec
        self._clock = clock
        self._new_id = new_id
        self._auditing = auditing
        self._counts = request_counts()

    async def __call__(
        self,
        brand: Brand,
        pieces: AsyncIterator[bytes],
        terms: ImportTerms,
        *,
        actor: str,
        progress: Callable[[ImportReport], None] = lambda _: None,
    ) -> ImportReport:
        """Read a file in pieces of any size and return the report once everything accepted is
        durable. `actor` is who the audit names; a dry run is in no audit.

        Raises StoreUnavailable when nothing can be made durable or looked up any more; what was
        accepted until then stays, and importing again is free.
        """
        stem = self._new_id()[-IMPORT_ID_BYTES:]
        report = ImportReport(id="" if terms.dry_run else stem.hex())
        records, lines = RecordReader(), ListReader(terms.format)
        waiting: list[Statement] = []
        said: dict[tuple[RecipientDigest, tuple[GroupKey, ...]], int] = {}

        async def take(found: Iterable[Record]) -> None:
            for record in found:
                statement = self._statement(brand, lines.read(record), terms, report, stem)
                if statement is not None and _is_news(statement, said):
                    waiting.append(statement)
                if len(waiting) >= _BATCH:
                    await self._save(waiting, terms, report)
                    progress(report)
                elif report.read % _YIELD_LINES == 0:
                    await asyncio.sleep(0)

        async for piece in pieces:
            await take(records.feed(piece))
        await take(records.end())
        await self._save(waiting, terms, report)
        progress(report)
        if not terms.dry_run:
            self._counts[Source.IMPORT, ClickResult.SAVED].inc(report.accepted)
            await self._auditing.note(
                brand, actor, AuditAction.SUPPRESSIONS_IMPORTED, report.id, **report.counts()
            )
        return report

    async def _save(
        self, waiting: list[Statement], terms: ImportTerms, report: ImportReport
    ) -> None:
        """Save a batch at once, so that it shares round trips and commits, and empty it."""
        batch, waiting[:] = list(waiting), []
        if not batch:
            return
        states = await self._store.preferences(
            batch[0].brand, [statement.digest for statement in batch]
        )
        report.overruled += sum(
            _is_overruled(statement, state) for statement, state in zip(batch, states, strict=True)
        )
        if terms.dry_run:
            return
        results = await asyncio.gather(
            *(self._unsubscribe(statement) for statement in batch), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _statement(
        self,
        brand: Brand,
        entry: Entry | None,
        terms: ImportTerms,
        report: ImportReport,
        stem: bytes,
    ) -> Statement | None:
        if entry is None:
            return None
        report.read += 1
        if entry.subscribed and not entry.problem:
            report.skipped_subscribed += 1
            return None
        try:
            statement = self._of(
                brand, entry, terms, stem + report.read.to_bytes(16 - IMPORT_ID_BYTES, "big")
            )
        except (AddressInvalid, RuleViolation) as exc:
            report.refused += 1
            if len(report.problems) < MOST_REPORTED:
                report.problems.append((entry.line, visible(str(exc), most=_MOST_REASON)))
            return None
        _count(report, entry, statement, terms.words)
        return statement

    def _of(self, brand: Brand, entry: Entry, terms: ImportTerms, statement_id: bytes) -> Statement:
        if entry.problem:
            raise RuleViolation(entry.problem)
        _refuse_loose_groups(entry.others, terms.words)
        now_ms = self._clock()
        address = checked(entry.address) if entry.address else ""
        return Statement(
            id=statement_id,
            brand=brand.number,
            digest=(
                self._codec.digest(address, brand=brand.number)
                if address
                else _digest(entry.digest)
            ),
            groups=_scope(entry.groups, terms.words) if entry.groups else terms.groups,
            subscribed=False,
            source=Source.IMPORT,
            at_ms=now_ms if entry.at_ms is None else min(entry.at_ms, now_ms),
            sealed_address=(
                self._codec.seal_address(address, brand=brand.number, at_ms=now_ms)
                if address
                else b""
            ),
        )


def _is_news(
    statement: Statement, said: dict[tuple[RecipientDigest, tuple[GroupKey, ...]], int]
) -> bool:
    """Say whether a line tells more than an earlier one of the same recipient, and note it."""
    key = (statement.digest, statement.groups)
    if statement.at_ms <= said.get(key, -1):
        return False
    if len(said) >= _MOST_SAID:
        said.clear()
    said[key] = statement.at_ms
    return True


def _refuse_loose_groups(cells: Sequence[str], words: GroupWords) -> None:
    """Refuse a line of a table without a header in which a cell is a group of the brand: whether
    only that was left, nothing says.
    """
    for cell in cells:
        try:
            words.keys([cell])
        except RuleViolation:
            continue
        raise RuleViolation(
            f'"{visible(cell, most=60)}" is a group of the brand, and a table without a header does'
            " not say whether it was left"
        )


def _scope(groups: Sequence[Alternatives], words: GroupWords) -> tuple[GroupKey, ...]:
    """Return what a line leaves: empty for all mail. Raises RuleViolation for a group that the
    brand has not.
    """
    keys = tuple(
        dict.fromkeys(
            key for alternatives in groups for key in _of_alternatives(alternatives, words)
        )
    )
    return () if EVERYTHING in keys else keys


def _of_alternatives(alternatives: Alternatives, words: GroupWords) -> tuple[GroupKey, ...]:
    for word in alternatives:
        try:
            return words.keys([word])
        except RuleViolation:
            continue
    named = " or ".join(f'"{visible(word, most=60)}"' for word in dict.fromkeys(alternatives))
    raise RuleViolation(f"the brand has no subscription group {named}")


def _count(report: ImportReport, entry: Entry, statement: Statement, words: GroupWords) -> None:
    names = tuple(group.name for group in words.changed(statement.groups))
    report.accepted += 1
    report.undated += entry.at_ms is None
    report.all_mail += not statement.groups
    for name in names:
        report.groups[name] = report.groups.get(name, 0) + 1
    if len(report.first) < MOST_FIRST:
        who = entry.address.strip() or entry.digest
        report.first.append(
            Taken(line=entry.line, recipient=who, groups=names or (ALL,), at_ms=entry.at_ms)
        )


def _is_overruled(statement: Statement, state: Preferences) -> bool:
    """Say whether a newer statement of the recipient keeps everything that this one would leave."""
    told = (
        [state.groups.get(key) for key in statement.groups]
        if statement.groups
        else [state.everything]
    )
    return all(one is not None and one.subscribed and one.last_ms > statement.at_ms for one in told)


def _digest(text: str) -> RecipientDigest:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise RuleViolation("neither an address nor a recipient of ours")
    return RecipientDigest(digest)
