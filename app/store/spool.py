"""The spool: the local, durable journal of what was acknowledged (port `app.usecases.ports.Spool`).

One thread writes. All appends that wait when it comes round are one transaction and one fsync (group commit), and their callers are woken
by one call into the event loop. Each process has its own file: the first `spool-N.db` of the folder whose lock is free. Files whose process
died are adopted: their rows move here and are replayed with ours. Confirmed rows are kept 15 minutes, for a failover that forgets them.

When the disk refuses, the waiting appends get SpoolUnavailable and the next ones try again, so the spool recovers by itself.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.core.errors import Misconfigured, SpoolUnavailable
from app.core.model import Statement
from app.observe.log import LogEvent, logger
from app.observe.metrics import SPOOL_ROWS
from app.store.codec import decode_statement, encode_statement
from app.store.spool_file import MAX_INSERT, SpoolFile, claim_first, claim_orphan

T = TypeVar("T")

KEPT_MS = 15 * 60 * 1000
MAX_FILES = 256
_MAX_WAITING = 50_000
_CONFIRM_SECONDS = 0.25  # a confirmation may wait: without it a row is only applied once more
_CROWD = 4  # clicks in one commit that tell of more on their way,
_GATHER_SECONDS = 0.002  # for which the next commit waits so long: on a slow disk each fsync less is time for the store's own
_CLEAN_SECONDS = 2.0
_ADOPT_SECONDS = 10.0

_Append = tuple[bytes, asyncio.Future[int]]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteSpool:
    """The spool of this process. Made and used in one event loop; `close` ends its thread."""

    def __init__(self, folder: Path, *, now_ms: Callable[[], int] = _now_ms) -> None:
        self._folder = folder
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._log = logger("spool")
        self._wake = threading.Condition()
        self._appends: list[_Append] = []
        self._confirms: list[int] = []
        self._jobs: list[Callable[[], None]] = []
        self._closing = False
        self._failing = False
        self._waiting = 0
        self._uncounted = True  # what an earlier process left in the file
        self._next_confirm = self._next_clean = self._next_adoption = 0.0
        self._orphan: SpoolFile | None = None
        self._file = self._claim()
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)
        self._thread.start()

    def _claim(self) -> SpoolFile:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            claimed = claim_first(self._folder, MAX_FILES)
        except OSError as exc:
            raise Misconfigured([f"spool_dir: {exc}"]) from exc
        if claimed is None:
            raise Misconfigured([f"spool_dir: {MAX_FILES} processes already have a spool in {self._folder}"])
        return claimed

    def append(self, statement: Statement) -> Awaitable[int]:
        """Queue the statement for the next commit; the future ends with its row after the fsync."""
        answer: asyncio.Future[int] = self._loop.create_future()
        packed = encode_statement(statement)
        with self._wake:
            if self._closing or len(self._appends) >= _MAX_WAITING:
                answer.set_exception(SpoolUnavailable("the spool is closed" if self._closing else "too many clicks wait for the disk"))
                return answer
            self._appends.append((packed, answer))
            if len(self._appends) == 1:
                self._wake.notify()
        return answer

    def confirm(self, row: int) -> None:
        """Queue the confirmation; it is written with others, a moment later."""
        self._confirms.append(row)  # atomic in itself; the thread looks at it when it comes round

    async def unconfirmed(self, *, after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return rows above `after` that the store has not confirmed, in order."""
        return await self._page(self._file.unconfirmed, after, limit)

    async def recent(self, *, after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return every kept row above `after`, in order."""
        return await self._page(self._file.kept, after, limit)

    async def rows(self) -> int:
        """Return how many rows wait for the store, adopted ones included."""
        return await self._run(lambda: self._waiting)

    async def ping(self) -> None:
        """Return when the disk has taken a write just now, which says more than that none was refused yet."""
        await self._run(self._file.probe)

    async def close(self) -> None:
        """Commit what waits, end the thread and release the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    async def _page(self, fetch: Callable[[int, int], list[tuple[int, bytes]]], after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return the next rows that can be read; empty only when no row is left."""
        while rows := await self._run(partial(fetch, after, limit)):
            if decoded := self._decode(rows):
                return decoded
            after = rows[-1][0]
        return []

    def _decode(self, rows: Sequence[tuple[int, bytes]]) -> list[tuple[int, Statement]]:
        decoded: list[tuple[int, Statement]] = []
        for row, packed in rows:
            try:
                decoded.append((row, decode_statement(packed)))
            except ValueError as exc:  # of a newer version: it stays in the file until that version runs again
                self._log.error(LogEvent.SPOOL_FAILED, row=row, reason=str(exc))
        return decoded

    async def _run(self, work: Callable[[], T]) -> T:
        """Run work in the writer thread, after the confirmations that are already known."""
        answer: asyncio.Future[T] = self._loop.create_future()

        def job() -> None:
            try:
                self._write_confirms()
                result = work()
            except (sqlite3.Error, OSError) as exc:
                self._file.reset()
                error = SpoolUnavailable(str(exc))
                self._hand_over(lambda: _fail([answer], error))
                return
            self._hand_over(lambda: _resolve([(answer, result)]))

        with self._wake:
            if self._closing:
                raise SpoolUnavailable("the spool is closed")
            self._jobs.append(job)
            self._wake.notify()
        return await answer

    # From here on: the writer thread.

    def _write(self) -> None:
        crowded = False
        while True:
            if crowded:
                time.sleep(_GATHER_SECONDS)
            with self._wake:
                if not (self._appends or self._jobs or self._closing):
                    self._wake.wait(_CONFIRM_SECONDS)
                appends, self._appends = self._appends, []
                jobs, self._jobs = self._jobs, []
                closing = self._closing
            crowded = len(appends) >= _CROWD
            for start in range(0, len(appends), MAX_INSERT):
                self._commit(appends[start : start + MAX_INSERT])
            self._tidy(closing=closing)
            for job in jobs:
                job()
            if closing and not appends and not jobs:
                break
        if self._orphan is not None:
            self._orphan.close()
        self._file.close()

    def _commit(self, appends: Sequence[_Append]) -> None:
        try:
            first = self._file.append([packed for packed, _ in appends])
        except (sqlite3.Error, OSError) as exc:
            self._file.reset()
            self._note_failure(exc)
            error = SpoolUnavailable(str(exc))
            self._hand_over(lambda: _fail([answer for _, answer in appends], error))
            return
        self._failing = False
        self._waiting += len(appends)
        self._hand_over(lambda: _resolve([(answer, first + offset) for offset, (_, answer) in enumerate(appends)]))

    def _hand_over(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop has ended without close(); the rows are in the file all the same
            return

    def _note_failure(self, exc: Exception) -> None:
        if not self._failing:  # once an outage
            self._log.error(LogEvent.SPOOL_FAILED, reason=str(exc))
        self._failing = True

    def _tidy(self, *, closing: bool) -> None:
        now = time.monotonic()
        try:
            if self._uncounted:
                self._waiting = self._file.waiting()
                self._uncounted = False
            if closing or now >= self._next_confirm:
                self._next_confirm = now + _CONFIRM_SECONDS
                self._write_confirms()
                SPOOL_ROWS.set(self._waiting)
            if now >= self._next_clean:
                self._next_clean = now + _CLEAN_SECONDS
                self._file.clean(self._now_ms() - KEPT_MS)
            if self._orphan is not None or now >= self._next_adoption:
                self._next_adoption = now + _ADOPT_SECONDS
                self._adopt()
        except (sqlite3.Error, OSError) as exc:
            self._file.reset()
            if self._orphan is not None:
                self._orphan.close()
                self._orphan = None
            self._note_failure(exc)

    def _write_confirms(self) -> None:
        if rows := self._confirms[:]:
            self._waiting -= self._file.confirm(rows, self._now_ms())
            del self._confirms[: len(rows)]

    def _adopt(self) -> None:
        """Move one portion of a dead process's rows here, so that clicks wait for one portion at most."""
        if self._orphan is None:
            self._orphan = claim_orphan(self._folder, MAX_FILES)
        if self._orphan is None:
            return
        moved = self._file.take(self._orphan, MAX_INSERT)
        self._waiting += moved
        if moved < MAX_INSERT:
            self._orphan.delete()
            self._orphan = None


def _resolve(answers: Sequence[tuple[asyncio.Future[T], T]]) -> None:
    for answer, value in answers:
        if not answer.done():
            answer.set_result(value)


def _fail(answers: Sequence[asyncio.Future[T]], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
