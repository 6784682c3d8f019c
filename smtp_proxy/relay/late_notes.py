"""Entries of the ledger that the store could not take: kept, and written as soon as it is back.

Bounded by entries; the message that has waited longest goes first, and is counted. An entry that is
noted meanwhile for the same message leaves together with those that wait, so a later word never
comes before an earlier one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from app.core.errors import StoreUnavailable
from app.observe import metrics
from app.observe.background import Part, kept_running
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.ports import CopyLedger

MAX_ENTRIES = 100_000  # about 20 MB
RETRY_SECONDS = 1.0
LAST_SECONDS = 3.0  # at an orderly stop


class LateNotes:
    """Writes notes to the ledger in the store and keeps those that fail. Each failure is still
    raised: the caller logs it.
    """

    def __init__(self, store: CopyLedger, *, log: Logger, max_entries: int = MAX_ENTRIES) -> None:
        self._store = store
        self._log = log
        self._max_entries = max_entries
        self._waiting: OrderedDict[bytes, tuple[int, dict[bytes, bytes]]] = OrderedDict()
        self._entries = 0

    @property
    def waiting(self) -> int:
        """Return how many entries wait for the store."""
        return self._entries

    async def note(
        self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int
    ) -> None:
        """Write entries of a message, with those of it that wait; keep them all and raise
        StoreUnavailable when that fails.
        """
        _, waiting = self._take(message)
        together = {**waiting, **entries}
        try:
            await self._store.note(message, together, keep_seconds=keep_seconds)
        except StoreUnavailable:
            labelled(metrics.LEDGER_NOTES, "failed").inc(len(entries))
            self._keep(message, together, keep_seconds)
            raise
        # a caller that is cancelled leaves it open whether the store has them
        except BaseException:
            self._keep(message, together, keep_seconds)
            raise
        if waiting:
            labelled(metrics.LEDGER_NOTES, "late").inc(len(waiting))

    async def write(self) -> None:
        """Write everything that waits. Raises StoreUnavailable at the first message that fails."""
        while self._waiting:
            message, (keep_seconds, _) = next(iter(self._waiting.items()))
            await self.note(message, {}, keep_seconds=keep_seconds)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write late notes for as long as the context is open, and once more at its end; what is
        left then is logged and counted.
        """
        try:
            async with kept_running(Part.LEDGER, self._run, self._log):
                yield
        finally:
            await self._write_last()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self.write()
            except StoreUnavailable:  # logged when the note failed first
                continue

    async def _write_last(self) -> None:
        reason = ""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self.write()
        except (StoreUnavailable, TimeoutError) as exc:
            reason = str(exc) or "the store did not answer in time"
        if self._entries:
            labelled(metrics.LEDGER_NOTES, "lost").inc(self._entries)
            self._log.error(
                LogEvent.LEDGER_FAILED,
                lost=self._entries,
                messages=len(self._waiting),
                reason=reason,
            )

    def _take(self, message: bytes) -> tuple[int, dict[bytes, bytes]]:
        found = self._waiting.pop(message, None)
        if found is None:
            return 0, {}
        self._count(-len(found[1]))
        return found

    def _keep(self, message: bytes, entries: dict[bytes, bytes], keep_seconds: int) -> None:
        _, others = self._take(message)  # a note of the same message that failed meanwhile
        self._waiting[message] = (keep_seconds, {**others, **entries})
        self._count(len(self._waiting[message][1]))
        lost = 0
        while self._entries > self._max_entries:
            _, (_, oldest) = self._waiting.popitem(last=False)
            self._count(-len(oldest))
            lost += len(oldest)
        if lost:
            labelled(metrics.LEDGER_NOTES, "lost").inc(lost)
            self._log.error(
                LogEvent.LEDGER_FAILED, lost=lost, reason="too many entries wait for the store"
            )

    def _count(self, entries: int) -> None:
        self._entries += entries
        metrics.LEDGER_WAITING.set(self._entries)
