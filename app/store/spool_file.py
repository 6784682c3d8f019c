"""One spool file: an SQLite database with one connection, exclusive, and a lock that outlives no
process.

WAL with synchronous=FULL: a commit returns after the fsync. Each verb is one SQL statement where it
can be, since every step of SQLite lets go of the interpreter and has to get it back from a busy
event loop. SQLite before 3.51.3 may corrupt a WAL that two connections use, so the file is opened
in exclusive mode, by the holder of `spool-N.lock` only.

A damaged file is never repaired in place: it is set aside as `spool-N.db.damaged`, and what can be
read of it goes to another file.
"""

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Self

from app.core.errors import Misconfigured
from app.observe.log import LogEvent, logger
from app.store import spool_log
from app.store.spool_record import RecordDamaged, open_record, seal
from app.store.spool_salvage import FileDamaged

# rows a statement; every count has its own prepared text, so there are as many texts
MAX_INSERT = 250
DAMAGED = ".damaged"

_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS spool (row INTEGER PRIMARY KEY AUTOINCREMENT, statement BLOB"
        " NOT NULL, confirmed_ms INTEGER)"
    ),
    "CREATE INDEX IF NOT EXISTS waiting ON spool (row) WHERE confirmed_ms IS NULL",
)
_CLEAN = (
    "DELETE FROM spool WHERE row IN (SELECT row FROM (SELECT row, confirmed_ms FROM spool ORDER BY"
    " row LIMIT ?) WHERE confirmed_ms < ?)"
)
# rows that one clean-up looks at, from the oldest on: bounded work, whatever has piled up
_SCAN = 2000
_RECENT = 20_000  # rows among which those of the log's end are looked for
_PAGE_BYTES = 4096
_INCREMENTAL = 2  # PRAGMA auto_vacuum
_SPARE_PAGES = 256  # a mebibyte that is kept for the rows to come
_SHRINK_PAGES = 256  # that one clean-up gives back: a few milliseconds
_LOG_BYTES = 4 * 1024 * 1024  # what the write-ahead log is cut to when it has grown beyond


@cache
def _insert(rows: int) -> str:
    return f"INSERT INTO spool (statement) VALUES {','.join(['(?)'] * rows)}"  # noqa: S608 - nothing but question marks


class SpoolFile:
    """The file `spool-N.db` and the right to use it. Not thread-safe: it belongs to the spool's
    writer thread.
    """

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock
        self._connection: sqlite3.Connection | None = None
        self._checked = False
        self._identity = (0, 0)  # device and inode of the file that is open

    @classmethod
    def claim(cls, path: Path) -> Self | None:
        """Return the file when no live process holds it; None otherwise. OSError when its lock
        cannot be used.
        """
        lock = path.with_suffix(".lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        except OSError:
            lock.close()
            raise
        return cls(path, lock)

    def open(self) -> sqlite3.Connection:
        """Return the open connection; sqlite3.Error when the disk does not let us, FileDamaged when
        the content is damaged.
        """
        if self._connection is None:
            log = b"" if self._checked else spool_log.octets(self.path)
            connection = sqlite3.connect(
                self.path,
                isolation_level=None,
                cached_statements=MAX_INSERT + 16,
                check_same_thread=False,
            )
            try:
                self._prepare(connection, log)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
            found = self.path.stat()
            self._identity = found.st_dev, found.st_ino
        return self._connection

    def _prepare(self, connection: sqlite3.Connection, log: bytes) -> None:
        for pragma in (
            "auto_vacuum=INCREMENTAL",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        _, valid, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        rescued = spool_log.rescued(self.path, log, valid)
        # After a failed fsync the kernel may hold the log for written: move what is in it to the
        # database before it is added to.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for statement in _SCHEMA:
            connection.execute(statement)
        if not self._checked:
            self._check(connection)
            self._recover(connection, rescued)
            self._checked = True

    def _recover(self, connection: sqlite3.Connection, records: Sequence[bytes]) -> None:
        """Add the records that SQLite dropped with a damaged or torn end of its log."""
        if not records:
            return
        known = {
            record
            for (record,) in connection.execute(
                "SELECT statement FROM spool ORDER BY row DESC LIMIT ?", (_RECENT,)
            )
        }
        missing = [record for record in dict.fromkeys(records) if record not in known]
        for start in range(0, len(missing), MAX_INSERT):
            part = missing[start : start + MAX_INSERT]
            connection.execute(_insert(len(part)), part)
        if missing:
            reason = "the end of the log is damaged"
            logger("spool").error(
                LogEvent.SPOOL_DAMAGED,
                file=f"{self.path.name}-wal",
                salvaged=len(missing),
                reason=reason,
            )
        spool_log.rescued_file(self.path).unlink(missing_ok=True)

    @staticmethod
    def _check(connection: sqlite3.Connection) -> None:
        """Read the whole file once, when it is opened for the first time; one of the first edition
        learns to shrink.
        """
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise FileDamaged(f"quick_check: {verdict}")
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
            # no room for a copy: then it keeps its size until the next start
            with suppress(sqlite3.OperationalError):
                connection.execute("VACUUM")

    def is_gone(self) -> bool:
        """Tell whether somebody has taken the file from under its name: what is written now is lost
        with the process.
        """
        if self._connection is None:
            return False
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # nobody can say
            return False
        return (found.st_dev, found.st_ino) != self._identity

    def reset(self) -> None:
        """Close the connection after an error; the next use opens it again and keeps the lock. Not
        when the file is gone: its rows can be read by this connection alone.
        """
        if self._connection is not None and not self.is_gone():
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except sqlite3.Error:
                return

    def close(self) -> None:
        """Close the file and let others claim it."""
        self._disconnect()
        self._lock.close()

    def delete(self) -> None:
        """Remove the database, then close; the lock's file stays, since removing a lock is a
        race.
        """
        self._disconnect()
        for suffix in (".db-rescued", ".db-wal", ".db-shm", ".db"):
            self.path.with_suffix(suffix).unlink(missing_ok=True)
        self.close()

    def set_aside(self) -> Path:
        """Rename the damaged database and its log, so that nobody opens them as a spool, and close;
        return the new name.
        """
        self._disconnect()
        aside = _unused(self.path)
        for part in ("-wal", "-shm", "-rescued"):
            log = self.path.with_name(self.path.name + part)
            if log.exists():
                log.rename(aside.with_name(aside.name + part))
        self.path.rename(aside)
        self.close()
        return aside

    def append(self, statements: Sequence[bytes]) -> int:
        """Make at most MAX_INSERT statements durable in one commit and return the first one's row;
        the others follow it.
        """
        return self.append_records([seal(statement) for statement in statements])

    def append_records(self, records: Sequence[bytes]) -> int:
        """Append records as they are; else as `append`."""
        last = self.open().execute(_insert(len(records)), records).lastrowid
        if last is None:
            raise sqlite3.OperationalError("no row was written")
        return last - len(records) + 1

    def begin_after(self, row: int) -> None:
        """Let a new file number its rows from the one behind `row` on."""
        self.open().execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('spool', ?)", (row,))

    def probe(self) -> None:
        """Append a row, sync it and delete it, in one commit; sqlite3.Error when the disk does not
        take it.
        """
        connection = self.open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            row = connection.execute(
                "INSERT INTO spool (statement, confirmed_ms) VALUES (x'', 0)"
            ).lastrowid
            connection.execute("DELETE FROM spool WHERE row = ?", (row,))
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def confirm(self, rows: Sequence[int], at_ms: int) -> int:
        """Note that the store holds the rows; return how many of them were still waiting."""
        update = (
            "UPDATE spool SET confirmed_ms = ? WHERE confirmed_ms IS NULL AND row IN (SELECT value"
            " FROM json_each(?))"
        )
        return self.open().execute(update, (at_ms, json.dumps(rows))).rowcount

    def clean(self, before_ms: int) -> None:
        """Delete some of the oldest rows that were confirmed before that time, and give some of the
        free pages back to the disk.
        """
        self.open().execute(_CLEAN, (_SCAN, before_ms))
        self._shrink()

    def _shrink(self) -> None:
        connection = self.open()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free > _SPARE_PAGES:
            # Each step frees one page, and this alone of the module's verbs takes all steps.
            connection.executescript(
                f"PRAGMA incremental_vacuum({min(free - _SPARE_PAGES, _SHRINK_PAGES)})"
            )
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        if self.path.stat().st_size > _PAGE_BYTES * (pages + _SPARE_PAGES):
            # only then does the disk get them
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def unconfirmed(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return waiting rows above `after`, in order; RecordDamaged when one of them has
        changed.
        """
        query = (
            "SELECT row, statement FROM spool WHERE row > ? AND confirmed_ms IS NULL ORDER BY row"
            " LIMIT ?"
        )
        return self._checked_rows(query, after, limit)

    def kept(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return all rows above `after`, in order; RecordDamaged when one of them has changed."""
        return self._checked_rows(
            "SELECT row, statement FROM spool WHERE row > ? ORDER BY row LIMIT ?", after, limit
        )

    def _checked_rows(self, query: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        rows: list[tuple[int, bytes]] = self.open().execute(query, (after, limit)).fetchall()
        for _, record in rows:
            _notice_damage(record)
        return rows

    def waiting(self) -> int:
        """Return how many rows are not confirmed."""
        (count,) = (
            self.open().execute("SELECT count(*) FROM spool WHERE confirmed_ms IS NULL").fetchone()
        )
        return int(count)

    def last_row(self) -> int:
        """Return the highest number that a row of this file has ever had."""
        found = (
            self.open().execute("SELECT seq FROM sqlite_sequence WHERE name = 'spool'").fetchone()
        )
        return int(found[0]) if found else 0

    def forget(self, upto: int) -> None:
        """Delete the rows up to this one: they are in another file now."""
        self.open().execute("DELETE FROM spool WHERE row <= ?", (upto,))


def _notice_damage(record: object) -> None:
    if not isinstance(record, bytes):
        raise RecordDamaged("a record of another type")
    try:
        open_record(record)
    except RecordDamaged:
        raise
    except ValueError:  # of a newer version: it stays in the file until that version runs again
        return


def _unused(path: Path) -> Path:
    """Return the name under which a damaged file is kept, one that no earlier one has."""
    aside = path.with_name(f"{path.name}{DAMAGED}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{number}{DAMAGED}")
    return aside


def claim_first(folder: Path, most: int, *, new: bool = False) -> SpoolFile | None:
    """Return the first spool file of the folder that no live process holds; None when all are held.

    `new`: only one that does not exist yet. A lock that cannot be used is passed over; OSError when
    that is so of every free one.
    """
    failure: OSError | None = None
    for path in paths(folder, most):
        if new and path.exists():
            continue
        try:
            claimed = SpoolFile.claim(path)
        except OSError as exc:
            failure = failure or exc
            continue
        if claimed is not None:
            return claimed
    if failure is not None:
        raise failure
    return None


def claim_own(folder: Path, most: int) -> SpoolFile:
    """Return the file of a process that starts; Misconfigured when the folder does not let it have
    one.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        claimed = claim_first(folder, most)
    except OSError as exc:
        raise Misconfigured([f"spool_dir: {exc}"]) from exc
    if claimed is None:
        raise Misconfigured([f"spool_dir: {most} processes already have a spool in {folder}"])
    return claimed


def damaged(folder: Path) -> list[Path]:
    """Return the files that were set aside and wait for an operator."""
    return sorted(folder.glob(f"*{DAMAGED}"))


def paths(folder: Path, most: int) -> Iterator[Path]:
    """Return the names that spool files may have."""
    return (folder / f"spool-{number}.db" for number in range(most))
