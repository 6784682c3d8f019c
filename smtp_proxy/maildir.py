"""A Maildir: a folder into which each message is filed as a file of its own, durably.

Serves RFC 5321 4.4: a `Return-Path` and a `Delivered-To` field go on top, the rest stays octet for
octet as it came, CR LF included.
"""

import os
import socket
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path


class Maildir:
    """A folder with `tmp`, `new` and `cur`; what stands in `new` is complete and on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._host = socket.gethostname().replace("/", "-").replace(":", "-")
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def file(self, *, sender: str, recipient: str, content: bytes | bytearray) -> Path:
        """Write one message durably and return its file. Blocks; raises OSError when the disk
        does.
        """
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        name = f"{seconds}.M{nanoseconds // 1000}P{os.getpid()}Q{next(self._numbers)}.{self._host}"
        temporary, final = self.folder / "tmp" / name, self.folder / "new" / name
        with temporary.open("xb") as file:
            file.write(f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
        _sync_folder(final.parent)
        return final

    def file_all(
        self, *, sender: str, recipients: Sequence[str], content: bytes | bytearray
    ) -> None:
        """Write one message for each recipient."""
        for recipient in recipients:
            self.file(sender=sender, recipient=recipient, content=content)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
