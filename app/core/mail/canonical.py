"""The canonical forms of RFC 6376 3.4: relaxed header fields, simple and relaxed bodies.

Linear in time on any input. Bodies go through passes of `bytes.replace` over pieces of CHUNK_BYTES,
so a thread that hashes a large one lets the interpreter go at every piece (catalogue D8). Between
two pieces only two facts are carried: the last bytes whose meaning the next piece decides, and how
many empty lines wait for text that makes them count.
"""

import hashlib
import re
from collections.abc import Iterable
from enum import StrEnum

CHUNK_BYTES = 256 * 1024

# a run of n spaces takes n/32 replacements first, not n/2: 990-space lines are twice as fast
_LONG_RUNS = (b" " * 32, b" " * 8)
# nearly every mail ends with one CRLF: no more than this is copied to see it
_LOOK_BACK_BYTES = 4096
_CRLF = b"\r\n"
_CRLFS_REVERSED = re.compile(rb"(?:\n\r)*+")


class BodyMode(StrEnum):
    """How the body is canonicalised, the second half of `c=`."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def relaxed(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the relaxed form of header fields (RFC 6376 3.4.2), in this order, each with its CRLF;
    given as lower-case name and raw field.

    All go through the passes together, which costs half of one by one: no name begins with a space,
    so a CRLF before one is a fold.
    """
    cut = [name + b":" + raw[len(name) + 1 :].strip(b" \t\r\n") + _CRLF for name, raw in fields]
    return _collapse(b"".join(cut).replace(b"\r\n ", b" ").replace(b"\r\n\t", b" "))


def body_hash(body: bytes | memoryview, mode: BodyMode, *, chunk_bytes: int = CHUNK_BYTES) -> bytes:
    """Return the SHA-256 of the canonical body (RFC 6376 3.4.3, 3.4.4), working in pieces of
    `chunk_bytes`.
    """
    view = memoryview(body)
    return (_hash_simple if mode is BodyMode.SIMPLE else _hash_relaxed)(view, chunk_bytes)


def _hash_simple(view: memoryview, chunk_bytes: int) -> bytes:
    hasher = hashlib.sha256(view[: _end_of_text(view, min(chunk_bytes, _LOOK_BACK_BYTES))])
    hasher.update(_CRLF)  # RFC 6376 3.4.3: a body without a line end, even an empty one, gets one
    return hasher.digest()


def _end_of_text(view: memoryview, look_back: int) -> int:
    """Return where the empty lines at the end begin."""
    look_back += look_back % 2  # whole pairs
    end = len(view)
    while empty := _crlfs_at_end(bytes(view[max(0, end - look_back) : end])):
        end -= empty
        if empty < look_back:
            break
    return end


def _hash_relaxed(view: memoryview, chunk_bytes: int) -> bytes:
    body = _RelaxedBody(chunk_bytes)
    for start in range(0, len(view), chunk_bytes):
        body.feed(view[start : start + chunk_bytes])
    return body.digest()


class _RelaxedBody:
    def __init__(self, chunk_bytes: int) -> None:
        self._hasher = hashlib.sha256()
        self._block = chunk_bytes
        self._carried = b""  # at most " \r"
        self._waiting = 0  # CRLF pairs since the last text
        self._empty = True

    def feed(self, chunk: memoryview) -> None:
        piece = _collapse(self._carried + chunk).replace(b" \r\n", _CRLF)
        undecided = 2 if piece.endswith(b" \r") else int(piece.endswith((b" ", b"\r")))
        decided = piece[: len(piece) - undecided]
        self._carried = piece[len(decided) :]
        pairs = _crlfs_at_end(decided)
        if pairs < len(decided):
            self._text(memoryview(decided)[: len(decided) - pairs])
        self._waiting += pairs // 2

    def digest(self) -> bytes:
        if self._carried:
            self._text(self._carried)
        if not self._empty:  # RFC 6376 3.4.4: empty stays empty, any text ends with one CRLF
            self._hasher.update(_CRLF)
        return self._hasher.digest()

    def _text(self, text: bytes | memoryview) -> None:
        while self._waiting:
            pairs = min(self._waiting, self._block)
            self._hasher.update(_CRLF * pairs)
            self._waiting -= pairs
        self._hasher.update(text)
        self._empty = False


def _collapse(data: bytes) -> bytes:
    """Return `data` with every run of spaces and tabs as one space."""
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    if b"  " in data:
        for run in _LONG_RUNS:
            data = data.replace(run, b" ")
        while b"  " in data:
            data = data.replace(b"  ", b" ")
    return data


def _crlfs_at_end(data: bytes) -> int:
    """Return how many bytes of CRLF pairs end `data`."""
    if not data.endswith(_CRLF):
        return 0
    tail = data[len(data.rstrip(_CRLF)) :]
    found = _CRLFS_REVERSED.match(tail[::-1])
    return found.end() if found else 0
