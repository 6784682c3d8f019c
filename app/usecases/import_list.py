"""Takes the list of people who left elsewhere: each line an unsubscribe, durable like a click, at the time that the line tells.

An import never resubscribes anybody (catalogue Q6), and who came back after the time of a line stays subscribed. Lines are independent: a
broken one is reported by its number and the rest goes on. Importing again changes nothing. Memory is that of one batch.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from app.core.address import checked
from app.core.errors import AddressInvalid, RuleViolation
from app.core.group_words import GroupWords
from app.core.lists.documents import Record
from app.core.lists.formats import Entry, ListFormat, ListReader
from app.core.lists.records import RecordReader
from app.core.model import DIGEST_BYTES, Brand, GroupKey, RecipientDigest, Source, Statement
from app.core.token import TokenCodec
from app.usecases.one_click import Unsubscriber
from app.usecases.ports import Clock

MOST_REPORTED = 1_000  # refused lines that are told one by one; all are counted
_BATCH = 250


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of a list."""

    read: int = 0  # entries, good or not
    accepted: int = 0
    undated: int = 0  # accepted, with a time that nobody can read: taken as now
    refused: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)  # line and reason of the first MOST_REPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTerms:
    """How to read a list. `groups` hold for lines that name none; none: all mail. A dry run reads and reports, and saves nothing."""

    words: GroupWords
    format: ListFormat | None = None
    groups: tuple[GroupKey, ...] = ()
    dry_run: bool = False


class ImportList:
    """Imports lists."""

    def __init__(self, *, unsubscribe: Unsubscriber, codec: TokenCodec, clock: Clock, new_id: Callable[[], bytes]) -> None:
        self._unsubscribe = unsubscribe
        self._codec = codec
        self._clock = clock
        self._new_id = new_id

    async def __call__(
        self,
        brand: Brand,
        pieces: AsyncIterator[bytes],
        terms: ImportTerms,
        *,
        progress: Callable[[ImportReport], None] = lambda _: None,
    ) -> ImportReport:
        """Read a file in pieces of any size and return the report once everything accepted is durable.

        Raises StoreUnavailable when nothing can be made durable any more; what was accepted until then stays, and importing again is free.
        """
        report, records, lines = ImportReport(), RecordReader(), ListReader(terms.format)
        waiting: list[Statement] = []

        async def take(found: Iterable[Record]) -> None:
            for record in found:
                statement = self._statement(brand, lines.read(record), terms, report)
                if statement is not None:
                    waiting.append(statement)
                if len(waiting) >= _BATCH:
                    await self._save(waiting, terms)
                    progress(report)

        async for piece in pieces:
            await take(records.feed(piece))
        await take(records.end())
        await self._save(waiting, terms)
        progress(report)
        return report

    async def _save(self, waiting: list[Statement], terms: ImportTerms) -> None:
        """Save a batch at once, so that it shares round trips and commits, and empty it."""
        batch, waiting[:] = list(waiting), []
        if terms.dry_run:
            await asyncio.sleep(0)  # a long list must not keep the loop
            return
        results = await asyncio.gather(*(self._unsubscribe(statement) for statement in batch), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _statement(self, brand: Brand, entry: Entry | None, terms: ImportTerms, report: ImportReport) -> Statement | None:
        if entry is None:
            return None
        report.read += 1
        try:
            statement = self._of(brand, entry, terms)
        except (AddressInvalid, RuleViolation) as exc:
            report.refused += 1
            if len(report.problems) < MOST_REPORTED:
                report.problems.append((entry.line, str(exc)))
            return None
        report.accepted += 1
        report.undated += entry.undated
        return statement

    def _of(self, brand: Brand, entry: Entry, terms: ImportTerms) -> Statement:
        if entry.problem:
            raise RuleViolation(entry.problem)
        now_ms = self._clock()
        address = checked(entry.address) if entry.address else ""
        return Statement(
            id=self._new_id(),
            brand=brand.number,
            digest=self._codec.digest(address, brand=brand.number) if address else _digest(entry.digest),
            groups=terms.words.scope([entry.group]) if entry.group else terms.groups,
            subscribed=False,
            source=Source.IMPORT,
            at_ms=now_ms if entry.at_ms is None else min(entry.at_ms, now_ms),
            sealed_address=self._codec.seal_address(address, brand=brand.number, at_ms=now_ms) if address else b"",
        )


def _digest(text: str) -> RecipientDigest:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise RuleViolation("neither an address nor a recipient of ours")
    return RecipientDigest(digest)
