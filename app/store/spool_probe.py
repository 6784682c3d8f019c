"""Looks at a spool's folder from outside, as `signoff doctor` does: whether its disk takes a row,
and what lies there.

Files of processes that live are left alone. Nothing stays behind: the row goes to a file that no
process looks for.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from app.store import spool_file
from app.store.spool import MAX_FILES
from app.store.spool_file import SpoolFile


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What was found. `failure`: why a row could not be appended and deleted, else empty;
    `unusable`: files of the dead with the reason.
    """

    exists: bool
    failure: str = ""
    waiting: int = 0  # rows of processes that have died
    unusable: Mapping[str, str]
    damaged: tuple[Path, ...] = ()  # set aside earlier


def probe(folder: Path) -> SpoolState:
    """Append a row in this folder and delete it again, and read every file that no live process
    holds. A folder is never made.
    """
    if not folder.is_dir():
        return SpoolState(exists=False, unusable={})
    waiting = 0
    unusable: dict[str, str] = {}
    for path in spool_file.paths(folder, MAX_FILES):
        try:
            waiting += _waiting(path) if path.exists() else 0
        except (sqlite3.Error, OSError, ValueError) as exc:
            unusable[path.name] = str(exc)
    return SpoolState(
        exists=True,
        failure=_append(folder),
        waiting=waiting,
        unusable=unusable,
        damaged=tuple(spool_file.damaged(folder)),
    )


def _append(folder: Path) -> str:
    try:
        with TemporaryFile() as lock:  # its name is ours alone
            file = SpoolFile(folder / f"probe-{os.getpid()}.db", lock)
            try:
                file.probe()
            finally:
                with suppress(OSError):
                    file.delete()
    except (sqlite3.Error, OSError) as exc:
        return str(exc) or type(exc).__name__
    return ""


def _waiting(path: Path) -> int:
    """Return how many rows wait in a file, 0 when a live process holds it."""
    file = SpoolFile.claim(path)
    if file is None:
        return 0
    try:
        after = 0
        while rows := file.kept(after, spool_file.MAX_INSERT):
            after = rows[-1][0]
        return file.waiting()
    finally:
        file.close()
