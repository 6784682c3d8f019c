"""The spool: the local, durable journal of what was acknowledged (port `app.usecases.ports.Spool`).

One thread writes. All appends that wait when it comes round are one transaction and one fsync
(group commit), and their callers are woken by one call into the event loop. Each process has its
own file: the first `spool-N.db` of the folder whose lock is free. Files whose process died are
adopted: their rows move here and are replayed with ours. Confirmed rows are kept 15 minutes, for a
failover that forgets them.

When the disk refuses, the waiting appends get SpoolUnavailable and the next ones try again, so the
spool recovers by itself. When the file turns out to be damaged, what can be read of it goes to a
new one, and it is set aside as `spool-N.db.damaged` for an operator. A file that cannot be used at
all, such as one of another user, is left for another one; the rows of one that somebody removes
while it is open are moved to another one.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from app.core.errors import SpoolUnavailable
from app.core.model import Statement
from app.observe.log import LogEvent, logger
from app.observe.metrics import SPOOL_DAMAGED_FILES, SPOOL_ROWS
from app.store import spool_file
from app.store.clock import monotonic_ms, wall_ms
from app.store.codec import decode_statement, encode_statement
from app.store.spool_adoption import Adoption
from app.store.spool_file import MAX_INSERT, SpoolFile, claim_first, claim_own
from app.store.spool_record import open_record
from app.store.spool_salvage import is_damage, is_unusable, readable

T = TypeVar("T")

KEPT_MS = 15 * 60 * 1000
MAX_FILES = 256
_MAX_WAITING = 50_000
_CONFIRM_SECONDS = 0.25  # a confirmation may wait: without it a row is only applied once more
_CROWD = 4  # clicks in one commit that tell of more on their way,
# for which the next commit waits so long: on a slow disk each fsync less is time for the store's
# own
_GATHER_SECONDS = 0.002
_CLEAN_SECONDS = 2.0
_ADOPT_SECONDS = 10.0

_Append = tuple[bytes, asyncio.Future[int]]
_Fetch = Callable[[SpoolFile, int, int], list[tuple[int, bytes]]]  # (file, after, limit)


def _steady_clock() -> Callable[[], int]:
    """Return a clock of UTC milliseconds that goes on evenly when somebody sets the machine's, as
    what is kept for so long must.
    """
    offset = wall_ms() - monotonic_ms()
    return lambda: monotonic_ms() + offset


class SqliteSpool:
    """The spool of this process. Made and used in one event loop; `close` ends its thread."""

    def __init__(self, folder: Path, *, now_ms: Callable[[], int] | None = None) -> None:
        self._folder = folder
        self._now_ms = now_ms or _steady_clock()
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
        self._last_row = 0  # the highest that anybody may have heard of
        self._unread: set[int] = set()  # rows of a newer version that have been logged
        self._next_confirm = self._next_clean = self._next_adoption = 0.0
        self._adoption = Adoption(folder, MAX_FILES, self._log, damaged=self._note_damage)
        self._file = claim_own(folder, MAX_FILES)
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)
        self._thread.start()

    def append(self, statement: Statement) -> Awaitable[int]:
        """Queue the statement for the next commit; the future ends with its row after the fsync."""
        answer: asyncio.Future[int] = self._loop.create_future()
        packed = encode_statement(statement)
        with self._wake:
            if self._closing or len(self._appends) >= _MAX_WAITING:
                answer.set_exception(
                    SpoolUnavailable(
                        "the spool is closed"
                        if self._closing
                        else "too many clicks wait for the disk"
                    )
                )
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
        return await self._page(SpoolFile.unconfirmed, after, limit)

    async def recent(self, *, after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return every kept row above `after`, in order."""
        return await self._page(SpoolFile.kept, after, limit)

    async def rows(self) -> int:
        """Return how many rows wait for the store, adopted ones included."""
        return await self._run(lambda: self._waiting)

    async def ping(self) -> None:
        """Return when a row has been appended and deleted just now, which says more than that none
        was refused yet.
        """
        await self._run(self._probe)

    async def close(self) -> None:
        """Commit what waits, end the thread and release the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    async def _page(self, fetch: _Fetch, after: int, limit: int) -> Sequence[tuple[int, Statement]]:
        """Return the next rows that can be read; empty only when no row is left."""
        while rows := await self._run(partial(self._rows, fetch, after, limit)):
            if decoded := self._decode(rows):
                return decoded
            after = rows[-1][0]
        return []

    def _decode(self, rows: Sequence[tuple[int, bytes]]) -> list[tuple[int, Statement]]:
        decoded: list[tuple[int, Statement]] = []
        for row, packed in rows:
            try:
                decoded.append((row, decode_statement(open_record(packed))))
            # of a newer version: it stays in the file until that version runs again
            except ValueError as exc:
                if row not in self._unread:
                    self._unread.add(row)
                    self._log.error(LogEvent.SPOOL_FAILED, row=row, reason=str(exc))
        return decoded

    async def _run(self, work: Callable[[], T]) -> T:
        """Run work in the writer thread, after the confirmations that are already known."""
        answer: asyncio.Future[T] = self._loop.create_future()

        def confirmed() -> T:
            self._write_confirms()
            return work()

        def job() -> None:
            try:
                result = self._attempt(confirmed)
            # whatever it was, who waits must hear of it, and the thread must live
            except Exception as exc:
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
        self._adoption.close()
        self._file.close()

    def _probe(self) -> None:
        self._move_if_gone()
        self._file.probe()

    def _rows(self, fetch: _Fetch, after: int, limit: int) -> list[tuple[int, bytes]]:
        rows = fetch(self._file, after, limit)
        self._last_row = max(self._last_row, rows[-1][0] if rows else 0)
        return rows

    def _attempt(self, work: Callable[[], T]) -> T:
        """Do some work on the file; when that turns out to be damaged, begin a new one and do the
        work there.
        """
        try:
            return work()
        except Exception as exc:
            self._file.reset()
            if is_damage(exc):
                self._begin_anew(exc)
            elif is_unusable(exc):
                self._leave(exc)
            else:
                raise
        return work()

    def _leave(self, reason: Exception) -> None:
        """Begin a new file and let go of one that cannot be used: its rows are adopted when it can
        be. Raises the reason when no other file can be used either.
        """
        fresh = self._fresh()
        try:
            fresh.begin_after(self._last_row)
            fresh.probe()
        except Exception:
            fresh.delete()
            raise reason from None
        self._note_failure(reason)
        left, self._file = self._file, fresh
        left.close()
        self._waiting = 0
        self._uncounted = False
        self._next_adoption = 0.0

    def _fresh(self) -> SpoolFile:
        """Return a file that did not exist. OSError when there can be none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = claim_first(self._folder, MAX_FILES, new=True)
        if fresh is None:
            raise OSError(f"{MAX_FILES} processes already have a spool in {self._folder}")
        return fresh

    def _move_if_gone(self) -> None:
        """Move all rows to a new file when somebody has removed this one: they can still be read,
        and would be lost with the process.
        """
        gone = self._file
        if not gone.is_gone():
            return
        fresh = self._fresh()
        after = waiting = 0
        try:
            fresh.begin_after(self._last_row)
            while rows := gone.kept(after, MAX_INSERT):
                fresh.append_records([record for _, record in rows])
                after, waiting = rows[-1][0], waiting + len(rows)
        except BaseException:
            fresh.delete()
            raise
        self._file = fresh
        gone.close()
        self._waiting, self._uncounted = waiting, False
        reason = "somebody has removed the file; its rows are in another one"
        self._log.error(LogEvent.SPOOL_FAILED, file=gone.path.name, reason=reason, salvaged=waiting)

    def _begin_anew(self, reason: Exception) -> None:
        """Bring what can be read to a new file, whose rows have numbers that nobody has heard of,
        then set the damaged one aside.
        """
        fresh = self._fresh()
        rows = 0
        try:
            fresh.begin_after(self._last_row)
            records = readable(self._file.path)
            while portion := list(islice(records, MAX_INSERT)):
                fresh.append_records(portion)
                rows += len(portion)
            aside = self._file.set_aside()
        except BaseException:
            fresh.delete()
            raise
        self._file = fresh
        self._waiting = rows
        self._uncounted = False
        self._note_damage(aside, rows, reason)

    def _note_damage(self, aside: Path, salvaged: int, reason: Exception) -> None:
        self._log.error(
            LogEvent.SPOOL_DAMAGED, file=str(aside), salvaged=salvaged, reason=str(reason)
        )
        self._show()

    def _commit(self, appends: Sequence[_Append]) -> None:
        try:
            first = self._attempt(lambda: self._file.append([packed for packed, _ in appends]))
        except Exception as exc:  # as in a job
            self._file.reset()
            self._note_failure(exc)
            error = SpoolUnavailable(str(exc))
            self._hand_over(lambda: _fail([answer for _, answer in appends], error))
            return
        self._failing = False
        self._waiting += len(appends)
        self._last_row = first + len(appends) - 1
        self._hand_over(
            lambda: _resolve(
                [(answer, first + offset) for offset, (_, answer) in enumerate(appends)]
            )
        )

    def _hand_over(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        # the loop has ended without close(); the rows are in the file all the same
        except RuntimeError:
            return

    def _note_failure(self, exc: Exception) -> None:
        if not self._failing:  # once an outage
            self._log.error(LogEvent.SPOOL_FAILED, reason=str(exc))
        self._failing = True

    def _tidy(self, *, closing: bool) -> None:
        try:
            self._attempt(lambda: self._tidy_up(closing=closing))
        except Exception as exc:  # as in a job; it comes round again
            self._file.reset()
            self._adoption.close()
            self._note_failure(exc)
            self._show()

    def _show(self) -> None:
        """Set the metrics. A file that cannot be read may hold rows, so it must not look as if none
        waited: it counts as one.
        """
        SPOOL_ROWS.set(self._waiting + self._adoption.unusable + self._uncounted)
        SPOOL_DAMAGED_FILES.set(len(spool_file.damaged(self._folder)))

    def _tidy_up(self, *, closing: bool) -> None:
        now = time.monotonic()
        if self._uncounted:
            self._waiting, self._last_row = (
                self._file.waiting(),
                max(self._last_row, self._file.last_row()),
            )
            self._uncounted = False
        if closing or now >= self._next_confirm:
            self._next_confirm = now + _CONFIRM_SECONDS
            self._move_if_gone()
            self._write_confirms()
            SPOOL_ROWS.set(self._waiting + self._adoption.unusable)
        if now >= self._next_clean:
            self._next_clean = now + _CLEAN_SECONDS
            self._file.clean(self._now_ms() - KEPT_MS)
        if self._adoption.under_way or now >= self._next_adoption:
            self._next_adoption = now + _ADOPT_SECONDS
            self._waiting += self._adoption.step(self._file)
            self._show()

    def _write_confirms(self) -> None:
        if rows := self._confirms[:]:
            self._waiting -= self._file.confirm(rows, self._now_ms())
            del self._confirms[: len(rows)]


def _resolve(answers: Sequence[tuple[asyncio.Future[T], T]]) -> None:
    for answer, value in answers:
        if not answer.done():
            answer.set_result(value)


def _fail(answers: Sequence[asyncio.Future[T]], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
