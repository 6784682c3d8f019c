"""Brings the rows of processes that have died into the file of one that lives, a portion at a time.

One file that cannot be used keeps no other waiting: a damaged one is salvaged and set aside, one
whose lock or content cannot be had now is passed over and tried again a minute later. Rows are
added here before they are deleted there, so a crash may double them, never lose them.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from app.observe.log import LogEvent, Logger
from app.store.spool_file import MAX_INSERT, SpoolFile, paths
from app.store.spool_salvage import is_damage, readable

_AGAIN_SECONDS = 60.0


class Adoption:
    """The files of the dead in one folder. `damaged` hears of each that was set aside: its new
    name, the rows salvaged, the reason.
    """

    def __init__(
        self,
        folder: Path,
        most: int,
        log: Logger,
        *,
        damaged: Callable[[Path, int, Exception], None],
    ) -> None:
        self._folder = folder
        self._most = most
        self._log = log
        self._damaged = damaged
        self._file: SpoolFile | None = None
        self._salvage: Iterator[bytes] | None = None
        self._salvaged = 0
        self._reason: Exception = sqlite3.DatabaseError("damaged")
        self._unusable: dict[Path, float] = {}  # and when each is tried again
        self.under_way = False  # the last step had a file, so the next one is due at once

    @property
    def unusable(self) -> int:
        """How many files cannot be used now; each may hold rows that nobody can count."""
        return len(self._unusable)

    def step(self, into: SpoolFile) -> int:
        """Move one portion and return how many rows it had. What `into` does not take is raised,
        and moved by a later call.
        """
        if self._file is None:
            self._file = self._next()
        self.under_way = self._file is not None
        if self._file is None:
            return 0
        if self._salvage is not None:
            return self._salvage_into(into, self._file, self._salvage)
        try:
            rows = self._file.kept(0, MAX_INSERT)
        except (sqlite3.Error, OSError, ValueError) as exc:
            self._give_up(self._file, exc)
            return 0
        if rows:
            into.append_records([record for _, record in rows])
        try:
            if rows:
                self._file.forget(rows[-1][0])
            if len(rows) < MAX_INSERT:
                self._file.delete()
                self._file = None
        except (sqlite3.Error, OSError) as exc:
            self._give_up(self._file, exc)
        return len(rows)

    def close(self) -> None:
        """Let go of the file under way; what is left of it is moved by whoever comes next."""
        if self._file is not None:
            self._file.close()
        self._file = self._salvage = None

    def _next(self) -> SpoolFile | None:
        """Return a file of the folder that no live process holds, unless it was of no use a moment
        ago.
        """
        now = time.monotonic()
        self._unusable = {path: again for path, again in self._unusable.items() if path.exists()}
        for path in paths(self._folder, self._most):
            if self._unusable.get(path, 0.0) > now or not path.exists():
                continue
            try:
                claimed = SpoolFile.claim(path)
            except OSError as exc:
                self._pass_over(path, exc)
                continue
            if claimed is not None:
                return claimed
        return None

    def _give_up(self, file: SpoolFile | None, error: Exception) -> None:
        if file is None:
            return
        file.reset()
        if is_damage(error):
            self._salvage, self._salvaged, self._reason = readable(file.path), 0, error
            return
        self._pass_over(file.path, error)
        self.close()

    def _pass_over(self, path: Path, error: Exception) -> None:
        if path not in self._unusable:  # said once
            self._log.error(LogEvent.SPOOL_FAILED, file=path.name, reason=str(error))
        self._unusable[path] = time.monotonic() + _AGAIN_SECONDS

    def _salvage_into(self, into: SpoolFile, file: SpoolFile, records: Iterator[bytes]) -> int:
        try:
            portion = list(islice(records, MAX_INSERT))
        except (sqlite3.Error, OSError) as exc:
            return self._break_off(file, exc)
        if portion:
            try:
                into.append_records(portion)
            except (sqlite3.Error, OSError):
                # from the beginning, when the disk takes rows again
                self._salvage = readable(file.path)
                raise
            self._salvaged += len(portion)
            return len(portion)
        try:
            aside = file.set_aside()
        except OSError as exc:
            return self._break_off(file, exc)
        self._file = self._salvage = None
        self._unusable.pop(file.path, None)
        self._damaged(aside, self._salvaged, self._reason)
        return 0

    def _break_off(self, file: SpoolFile, error: Exception) -> int:
        """Let go of a damaged file that cannot be read or set aside now."""
        self._pass_over(file.path, error)
        self.close()
        return 0
