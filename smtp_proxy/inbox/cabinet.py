"""Where the inbox files what people should see: a Maildir with a quota, since strangers decide what
comes there.

The folder often shares its disk with the spool and the store. What is in `new` and `cur` counts,
until somebody reads and removes it. The sizes are added up again every minute, and what was filed
since is added to that, so a mail costs no walk through the folder.
"""

import os
import threading
import time
from pathlib import Path

from smtp_proxy.maildir import Maildir

_RECOUNT_SECONDS = 60.0
_BLOCK = 4096  # a file takes whole blocks, so a million empty mails are no nothing


class CabinetFull(Exception):
    """The folder holds what it may hold."""


class Cabinet:
    """A Maildir that holds at most `quota` octets."""

    def __init__(self, folder: Path, *, quota: int) -> None:
        self.folder = folder
        self._maildir = Maildir(folder)
        self._quota = quota
        self._held = 0
        self._recount_at = 0.0
        self._lock = threading.Lock()

    def file(self, *, sender: str, recipient: str, content: bytearray) -> Path:
        """Write one message durably and return its file. Blocks; raises CabinetFull, and OSError
        when the disk does.
        """
        with self._lock:
            now = time.monotonic()
            if now >= self._recount_at:
                self._held, self._recount_at = self._counted(), now + _RECOUNT_SECONDS
            size = _on_disk(len(content))
            if self._held + size > self._quota:
                raise CabinetFull
            self._held += size
        return self._maildir.file(sender=sender, recipient=recipient, content=content)

    def _counted(self) -> int:
        files = (entry for name in ("new", "cur") for entry in os.scandir(self.folder / name))
        return sum(_size_of(entry) for entry in files)


def _size_of(entry: os.DirEntry[str]) -> int:
    try:
        return _on_disk(entry.stat(follow_symlinks=False).st_size)
    except FileNotFoundError:
        return 0  # somebody has just read and removed it


def _on_disk(octets: int) -> int:
    return (octets // _BLOCK + 1) * _BLOCK
