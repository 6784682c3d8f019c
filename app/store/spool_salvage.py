"""Knows when a spool file is damaged, and reads what can be read of it: from its raw bytes, then by
SQL, from both ends of the table.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from app.store.spool_record import RecordDamaged, carved, salvaged

# What SQLite says of a file that is no spool any more. SQLITE_ERROR: our statements are constant,
# so their table is another one.
_DAMAGE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
)
# of a file that belongs to somebody else, may only be read, or is no file at all
_UNUSABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_DAMAGE_BELOW = frozenset({sqlite3.SQLITE_IOERR_CORRUPTFS})  # what the file system says of it
_PRIMARY = 0xFF
_WINDOW = 50  # rows that are read at once
_UPWARDS = "SELECT row, statement FROM spool WHERE row > ? ORDER BY row LIMIT ?"
_DOWNWARDS = "SELECT row, statement FROM spool WHERE row < ? ORDER BY row DESC LIMIT ?"


class FileDamaged(sqlite3.DatabaseError):
    """SQLite's own check of a file found it damaged."""


def is_damage(error: Exception) -> bool:
    """Tell whether an error says that the file's content is damaged, not that the disk takes
    nothing now.
    """
    if isinstance(error, FileDamaged | RecordDamaged):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and (code & _PRIMARY in _DAMAGE or code in _DAMAGE_BELOW)


def is_unusable(error: Exception) -> bool:
    """Tell whether an error says that this file cannot be used, while another one perhaps can."""
    if isinstance(error, PermissionError | IsADirectoryError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & _PRIMARY in _UNUSABLE


def readable(path: Path) -> Iterator[bytes]:
    """Yield each record once, in no order. Nobody else may use the file meanwhile; rows that were
    deleted lately may be among them.
    """
    seen: set[bytes] = set()
    for record in _found(path):
        if (whole := salvaged(record)) and whole not in seen:
            seen.add(whole)
            yield whole


def _found(path: Path) -> Iterator[bytes]:
    for part in (path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "rescued"))):
        if part.exists():
            yield from carved(part.read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield from _rows(connection, _UPWARDS, 0)
        yield from _rows(connection, _DOWNWARDS, 2**62)


def _rows(connection: sqlite3.Connection, query: str, after: int) -> Iterator[bytes]:
    """Yield records up to the first place that cannot be read."""
    while True:
        try:
            rows = connection.execute(query, (after, _WINDOW)).fetchall()
        except sqlite3.Error:
            return
        if not rows:
            return
        after = rows[-1][0]
        yield from (record for _, record in rows if isinstance(record, bytes))
