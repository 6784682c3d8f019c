"""Quoted-printable as bytes with places: what a text says, where in the encoded text it says it,
and how to write something new in between.

RFC 2045 6.7. Every line that nothing is written into stays as it came; a line that is written into
is broken only where it would exceed 76 characters. Octets decode as Python's `binascii` does it, in
C; places are found block by block, so that only the lines around a place are read one by one.
"""

import binascii
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

MAX_LINE_CHARS = 76
SOFT_BREAK = b"=\r\n"
_BLOCK_OCTETS = 2048
_PIECE_OCTETS = 256 * 1024
# rule 3: white space at a line's end is not the sender's; two signs are a text
_TRANSPORT_PADDING = re.compile(rb"(==)|=[ \t]++(?=\r\n)")
_PADDED = re.compile(rb"=[ \t]")
_TOKEN = re.compile(rb"(?P<nothing>=[ \t]*+\r\n|=\Z)|(?P<octet>=[0-9A-Fa-f]{2}|==|=)|[^=]++")
_UNSAFE = re.compile(rb"[^!-<>-~]")  # all but the printable, and the equals sign


def decode(encoded: bytes) -> bytes:
    """Return the octets that a quoted-printable text stands for; never fails, what is no code
    stands for itself.
    """
    if len(encoded) <= _PIECE_OCTETS:
        return _decoded(encoded)
    out, at = bytearray(), 0
    # so that a thread that reads a large text lets the interpreter go in between (catalogue D8)
    while at < len(encoded):
        end = _block_end(encoded, at, _PIECE_OCTETS)
        out += _decoded(encoded[at:end])
        at = end
    return bytes(out)


def places(encoded: bytes, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """Return where spans of `decode(encoded)`, in order and apart, none empty, stand in the encoded
    text; None when that is not sure.
    """
    octets = list(_octets(encoded, [offset for start, end in spans for offset in (start, end - 1)]))
    found = [(first[0], last[1]) for first, last in zip(octets[::2], octets[1::2], strict=False)]
    return found if len(octets) == 2 * len(spans) else None


def written(octets: bytes, column: int) -> tuple[bytes, int]:
    """Return octets encoded, to stand at this column of a line, broken where lines would be too
    long; and the column behind them.

    That column leaves room for the soft break that what follows may need.
    """
    code = _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], octets)
    lines, at = [], 0
    while len(code) - at > (room := MAX_LINE_CHARS - 1 - column):
        end = at + max(0, room)
        cut = code.find(b"=", max(at, end - 2), end)  # a code of three characters stays whole
        end = cut if cut >= 0 else end
        lines.append(code[at:end])
        at, column = end, 0
    return SOFT_BREAK.join((*lines, code[at:])), column + len(code) - at


def _decoded(encoded: bytes) -> bytes:
    if _PADDED.search(encoded):
        encoded = _TRANSPORT_PADDING.sub(lambda found: found[1] or b"=", encoded)
    return binascii.a2b_qp(encoded)


def _octets(encoded: bytes, offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where the code of each of these octets begins and ends."""
    at, decoded, number = 0, 0, 0
    while at < len(encoded) and number < len(offsets):
        end = _block_end(encoded, at, _BLOCK_OCTETS)
        block = encoded[at:end]
        size = len(decode(block))
        inside = bisect_left(offsets, decoded + size, number)
        if inside > number:
            wanted = [offset - decoded for offset in offsets[number:inside]]
            yield from ((at + first, at + last) for first, last in _octets_in_block(block, wanted))
        at, decoded, number = end, decoded + size, inside


def _block_end(encoded: bytes, at: int, octets: int) -> int:
    """Return where to cut about so many octets on: behind a line end, where no code is cut."""
    end = encoded.find(b"\r\n", at + octets)
    return len(encoded) if end < 0 else end + 2


def _octets_in_block(block: bytes, offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    decoded, waiting = 0, list(reversed(offsets))
    for token in _TOKEN.finditer(block):
        size = _SIZES.get(token.lastgroup, token.end() - token.start())
        while waiting and waiting[-1] < decoded + size:
            inside = waiting.pop() - decoded
            yield (
                token.span()
                if token.lastgroup
                else (token.start() + inside, token.start() + inside + 1)
            )
        decoded += size


_SIZES: Mapping[str | None, int] = {"nothing": 0, "octet": 1}
