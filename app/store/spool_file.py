"""One spool file: an SQLite database with one connection, exclusive, and a lock that outlives no process.

WAL with synchronous=FULL: a commit returns after the fsync. Each verb is one SQL statement where it can be, since every step of SQLite
lets go of the interpreter and has to get it back from a busy event loop. SQLite before 3.51.3 may corrupt a WAL that two connections use,
so the file is opened in exclusive mode, by the holder of `spool-N.lock` only.
"""

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Self

MAX_INSERT = 250  # rows a statement; every count has its own prepared text, so there are as many texts

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spool (row INTEGER PRIMARY KEY AUTOINCREMENT, statement BLOB NOT NULL, confirmed_ms INTEGER)",
    "CREATE INDEX IF NOT EXISTS waiting ON spool (row) WHERE confirmed_ms IS NULL",
)
_SCAN = 2000  # rows that one clean-up looks at, from the oldest on: bounded work, whatever has piled up


@cache
def _insert(rows: int) -> str:
    return f"INSERT INTO spool (statement) VALUES {','.join(['(?)'] * rows)}"  # noqa: S608 - nothing but question marks


class SpoolFile:
    """The file `spool-N.db` and the right to use it. Not thread-safe: it belongs to the spool's writer thread."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def claim(cls, path: Path) -> Self | None:
        """Return the file when no live process holds it; None otherwise. OSError when the folder cannot be written."""
        lock = path.with_suffix(".lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return cls(path, lock)

    def open(self) -> sqlite3.Connection:
        """Return the open connection; sqlite3.Error when the disk does not let us."""
        if self._connection is None:
            connection = sqlite3.connect(self.path, isolation_level=None, cached_statements=MAX_INSERT + 16, check_same_thread=False)
            try:
                connection.execute("PRAGMA locking_mode=EXCLUSIVE")
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                # After a failed fsync the kernel may hold the log for written: move what is in it to the database before it is added to.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                for statement in _SCHEMA:
                    connection.execute(statement)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def reset(self) -> None:
        """Close the connection after an error; the next use opens it again and keeps the lock."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except sqlite3.Error:
                return

    def close(self) -> None:
        """Close the file and let others claim it."""
        self.reset()
        self._lock.close()

    def delete(self) -> None:
        """Remove the database, then close; the lock's file stays, since removing a lock is a race."""
        self.reset()
        for suffix in (".db-wal", ".db-shm", ".db"):
            self.path.with_suffix(suffix).unlink(missing_ok=True)
        self.close()

    def append(self, statements: Sequence[bytes]) -> int:
        """Make at most MAX_INSERT statements durable in one commit and return the first one's row; the others follow it."""
        last = self.open().execute(_insert(len(statements)), statements).lastrowid
        if last is None:
            raise sqlite3.OperationalError("no row was written")
        return last - len(statements) + 1

    def probe(self) -> None:
        """Write and sync one page that means nothing; sqlite3.Error when the disk does not take it."""
        self.open().execute("PRAGMA user_version = 0")

    def confirm(self, rows: Sequence[int], at_ms: int) -> int:
        """Note that the store holds the rows; return how many of them were still waiting."""
        update = "UPDATE spool SET confirmed_ms = ? WHERE confirmed_ms IS NULL AND row IN (SELECT value FROM json_each(?))"
        return self.open().execute(update, (at_ms, json.dumps(rows))).rowcount

    def clean(self, before_ms: int) -> None:
        """Delete some of the oldest rows that were confirmed before that time."""
        oldest = "SELECT row, confirmed_ms FROM spool ORDER BY row LIMIT ?"
        chosen = f"SELECT row FROM ({oldest}) WHERE confirmed_ms < ?"  # noqa: S608 - constant
        self.open().execute(f"DELETE FROM spool WHERE row IN ({chosen})", (_SCAN, before_ms))  # noqa: S608 - constant

    def unconfirmed(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return waiting rows above `after`, in order."""
        query = "SELECT row, statement FROM spool WHERE row > ? AND confirmed_ms IS NULL ORDER BY row LIMIT ?"
        return self.open().execute(query, (after, limit)).fetchall()

    def kept(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return all rows above `after`, in order."""
        return self.open().execute("SELECT row, statement FROM spool WHERE row > ? ORDER BY row LIMIT ?", (after, limit)).fetchall()

    def waiting(self) -> int:
        """Return how many rows are not confirmed."""
        (count,) = self.open().execute("SELECT count(*) FROM spool WHERE confirmed_ms IS NULL").fetchone()
        return int(count)

    def take(self, orphan: "SpoolFile", limit: int) -> int:
        """Move the oldest rows of an orphaned file here and return how many: added here first, so a crash may double them, never lose."""
        rows = orphan.kept(0, limit)
        if rows:
            self.append([statement for _, statement in rows])
            orphan.open().execute("DELETE FROM spool WHERE row <= ?", (rows[-1][0],))
        return len(rows)


def claim_first(folder: Path, most: int) -> SpoolFile | None:
    """Return the first spool file of the folder that no live process holds; None when all are held."""
    for path in paths(folder, most):
        if (claimed := SpoolFile.claim(path)) is not None:
            return claimed
    return None


def claim_orphan(folder: Path, most: int) -> SpoolFile | None:
    """Return a spool file that exists and that no live process holds, or None."""
    for path in paths(folder, most):
        if path.exists() and (claimed := SpoolFile.claim(path)) is not None:
            return claimed
    return None


def paths(folder: Path, most: int) -> Iterator[Path]:
    """Return the names that spool files may have."""
    return (folder / f"spool-{number}.db" for number in range(most))
