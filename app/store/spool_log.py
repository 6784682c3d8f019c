"""The write-ahead log that a killed process left: the end of it that SQLite drops without a word
when it is damaged or torn.

Its records are added to the database again. Until they are, they stand in `spool-N.db-rescued`, for
SQLite cuts the log before anything can be added: a start that is killed in between must not lose
what was acknowledged.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from app.store.spool_record import carved

_LOG_HEAD, _FRAME_HEAD = 32, 24  # bytes of a write-ahead log
_USUAL_PAGE = 4096
_PAGE_SIZES = frozenset(2**power for power in range(9, 17))


def octets(database: Path) -> bytes:
    """Return the log of a database, before SQLite drops what it does not understand of it; nothing
    when there is none.
    """
    try:
        return database.with_name(f"{database.name}-wal").read_bytes()
    except FileNotFoundError:
        return b""


def rescued_file(database: Path) -> Path:
    """Return where the records of a log's end stand until the database has them."""
    return database.with_name(f"{database.name}-rescued")


def rescued(database: Path, log: bytes, valid: int) -> list[bytes]:
    """Return the records that SQLite is about to drop, and those of an earlier start that ended
    before they were added.

    `valid` is how many frames of the log SQLite took. Raises sqlite3.OperationalError when the disk
    does not take them: then the log must stay as it is.
    """
    kept = rescued_file(database)
    earlier = list(carved(kept.read_bytes())) if kept.exists() else []
    records = [*earlier, *_dropped(log, valid)]
    if len(records) > len(earlier):
        try:
            _write_durably(kept, b"".join(records))
        except OSError as exc:
            raise sqlite3.OperationalError(
                f"the end of the log cannot be kept: {exc.strerror}"
            ) from exc
    return records


def _dropped(log: bytes, valid: int) -> Iterator[bytes]:
    """Yield the records in those frames of a write-ahead log that SQLite drops: all from the first
    one that is damaged or torn on.

    `valid` is how many frames SQLite took. Frames of an earlier use of the log have another salt
    (SQLite file format, section 4).
    """
    if len(log) <= _LOG_HEAD:
        return
    page_bytes, salt = int.from_bytes(log[8:12]), log[16:24]
    step = _FRAME_HEAD + (page_bytes if page_bytes in _PAGE_SIZES else _USUAL_PAGE)
    frames = [log[at : at + step] for at in range(_LOG_HEAD, len(log), step)]
    ours = [number for number, frame in enumerate(frames) if frame[8:16] == salt]
    last = len(frames) if valid <= 0 else max(ours, default=-1) + 1
    yield from carved(b"".join(frames[max(valid, 0) : last]))


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and return when the disk has it and its name."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
