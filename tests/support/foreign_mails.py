"""Mails that others made to test their parsers: those that come with CPython's own tests of its
`email` package.

Nothing of them is kept here. They lie beside the interpreter, or come with a Debian package;
`python -m tests.support.foreign_mails` prints the name of that package when they are missing.
"""

import sys
import sysconfig
from pathlib import Path

_FOLDER = Path(sysconfig.get_path("stdlib")) / "test" / "test_email" / "data"
_PACKAGE = f"libpython{sys.version_info.major}.{sys.version_info.minor}-testsuite"


def foreign_mails() -> dict[str, bytes]:
    """Return the mails by their file name, with CRLF line ends."""
    found = {path.stem: path.read_bytes() for path in sorted(_FOLDER.glob("msg_*.txt"))}
    return {
        name: octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        for name, octets in found.items()
    }


if __name__ == "__main__":
    print("" if foreign_mails() else _PACKAGE)
