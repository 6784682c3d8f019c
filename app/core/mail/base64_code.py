"""Base64 as mail has it (RFC 2045 6.8), read and written in pieces.

One call of `binascii` for a text of 25 MB holds the interpreter for a tenth of a second, in
whatever thread it is made; no call here gets more than `PIECE_OCTETS` (catalogue D8).
"""

import binascii
from collections.abc import Iterable, Iterator
from math import lcm

PIECE_OCTETS = 256 * 1024

_WHITE = b" \t\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))
_MOST_SECTIONS = 1000
_LONGEST_END = 4096  # of padding that nobody needs


def decode(code: bytes) -> bytes:
    """Return what the code stands for, white space anywhere. Raises binascii.Error for what readers
    may read in different ways.
    """
    out, rest = bytearray(), b""
    for piece in _pieces(code):
        rest += piece.translate(None, _WHITE)
        padding = rest.find(b"=")
        end = len(rest) if padding < 0 else padding
        # The last four characters, and all from the padding on, are judged together: what may
        # follow depends on what stands before.
        whole = max(0, end - end % 4 - 4)
        out += binascii.a2b_base64(rest[:whole], strict_mode=True)
        rest = rest[whole:]
        if len(rest) > _LONGEST_END:
            raise binascii.Error("code behind the padding")
    return bytes(out + binascii.a2b_base64(rest, strict_mode=True))


def decode_leniently(code: bytes) -> bytes:
    """Return what some reader may see in code with padding in its middle, strange characters or a
    missing end.
    """
    out = bytearray()
    for section in code.split(b"=", _MOST_SECTIONS):
        rest = b""
        for piece in _pieces(section):
            rest += piece.translate(None, _OTHERS)
            whole = len(rest) - len(rest) % 4
            out += binascii.a2b_base64(rest[:whole])
            rest = rest[whole:]
        out += binascii.a2b_base64((rest if len(rest) > 1 else b"") + b"==")
    return bytes(out)


def lines(octets: Iterable[bytes | memoryview], line_chars: int) -> Iterator[bytes]:
    """Yield code in lines of this length, the last one without its line end; a piece holds whole
    lines. `octets` come in pieces too.
    """
    block = lcm(line_chars, 4) // 4 * 3  # makes whole lines
    step = block * max(1, PIECE_OCTETS // block)
    waiting = bytearray()
    for piece in octets:
        for start in range(0, len(piece), step):
            waiting += piece[start : start + step]
            if len(waiting) > step:
                yield _lines(waiting[:step], line_chars) + b"\r\n"
                del waiting[:step]
    yield _lines(waiting, line_chars)


def _lines(octets: bytearray, line_chars: int) -> bytes:
    code = binascii.b2a_base64(octets, newline=False)
    return b"\r\n".join(
        [code[start : start + line_chars] for start in range(0, len(code), line_chars)]
    )


def _pieces(code: bytes) -> Iterator[bytes]:
    return (code[start : start + PIECE_OCTETS] for start in range(0, len(code), PIECE_OCTETS))
