"""A text with placeholders, cut into what stays and what is filled in for each recipient: one class for each transfer encoding.

`fill` is what a copy costs: a join, and for base64 the encoding of the whole text. What stays was cut out once a message.
"""

import binascii
import html as entities
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.mail import quoted_printable
from app.core.mail.macros import Hit, Placeholder

Urls = Mapping[Placeholder, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The octets between the placeholders, one piece more than there are placeholders, and how a URL is written into the text."""

    constant: Sequence[bytes]
    placeholders: Sequence[Placeholder]
    html: bool
    codec: str

    def written(self, urls: Urls) -> list[bytes]:
        """Return the URL for each placeholder in turn."""
        octets = {kind: self.octets(urls[kind]) for kind in set(self.placeholders)}
        return [octets[kind] for kind in self.placeholders]

    def octets(self, url: str) -> bytes:
        """Return one URL as the text's kind and charset have it."""
        return (entities.escape(url) if self.html else url).encode(self.codec)

    def joined(self, urls: Urls) -> bytes:
        """Return constant pieces and URLs in their order."""
        written = [*self.written(urls), b""]
        return b"".join([part for pair in zip(self.constant, written, strict=True) for part in pair])


class Text(Protocol):
    """A text to be filled in."""

    @property
    def pieces(self) -> Pieces:
        """Return what the text is cut into."""
        ...

    def fill(self, urls: Urls) -> bytes:
        """Return the whole text for one recipient, in its transfer encoding."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityText:
    """A text in 7bit, 8bit or binary."""

    pieces: Pieces

    def fill(self, urls: Urls) -> bytes:
        """See `Text`."""
        return self.pieces.joined(urls)

    def longest_line(self, url_chars: int) -> int:
        """Return the octets of the longest line that a URL is written into, with URLs of that many characters."""
        url = len(self.pieces.octets("u" * url_chars))
        longest, line = 0, _column(self.pieces.constant[0], 0)
        for piece in self.pieces.constant[1:]:
            line += url
            ended, mark, _ = piece.partition(b"\r\n")
            longest = max(longest, line + len(ended))
            line = _column(piece, 0) if mark else line + len(piece)
        return longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Base64Text:
    """A text in base64, its pieces decoded. Its lines stay as long as they were, and so does what stands before and behind the code."""

    pieces: Pieces
    lead: bytes
    tail: bytes
    line_chars: int

    def fill(self, urls: Urls) -> bytes:
        """See `Text`."""
        code = binascii.b2a_base64(self.pieces.joined(urls), newline=False)
        lines = [code[start : start + self.line_chars] for start in range(0, len(code), self.line_chars)]
        return self.lead + b"\r\n".join(lines) + self.tail


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedText:
    """A text in quoted-printable, its pieces encoded. A line that becomes too long is broken in the URL or at its ends, nowhere else."""

    pieces: Pieces

    def fill(self, urls: Urls) -> bytes:
        """See `Text`."""
        first, *others = self.pieces.constant
        out, column = [first], _column(first, 0)
        for number, (url, piece) in enumerate(zip(self.pieces.written(urls), others, strict=True), 1):
            code, column = quoted_printable.written(url, column)
            out.append(code)
            line, mark, _ = piece.partition(b"\r\n")
            may_be_broken = not mark and number < len(others)  # behind this piece, which takes one character more
            if line and column + len(line) + may_be_broken > quoted_printable.MAX_LINE_CHARS:
                out.append(quoted_printable.SOFT_BREAK)
                column = 0
            out.append(piece)
            column = _column(piece, column)
        return b"".join(out)


def cut(octets: bytes, hits: Sequence[Hit], *, codec: str, html: bool) -> Pieces:
    """Return the pieces between these placeholders, which are in order and apart."""
    ends, starts = [0, *(hit.end for hit in hits)], [*(hit.start for hit in hits), len(octets)]
    return Pieces(
        constant=tuple([octets[end:start] for end, start in zip(ends, starts, strict=True)]),
        placeholders=tuple([hit.placeholder for hit in hits]),
        html=html,
        codec=codec,
    )


def _column(piece: bytes, column: int) -> int:
    """Return the column behind a piece that begins at this column."""
    line_end = piece.rfind(b"\n")
    return column + len(piece) if line_end < 0 else len(piece) - line_end - 1
