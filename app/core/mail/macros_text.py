"""A text with placeholders, cut into what stays and what is filled in for each recipient: one class
for each transfer encoding.

`fill` is what a copy costs: a copy of the text, and for base64 its encoding. What stays is cut out
once a message, and is a view over the text as it came: of a large mail nothing stands in memory
twice, but for base64, whose text is held decoded.
"""

import html as entities
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.mail import base64_code, quoted_printable
from app.core.mail.macros import Hit, Placeholder

Urls = Mapping[Placeholder, str]

_WINDOW_OCTETS = 4096  # copied at once to look for a line end


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The octets between the placeholders, one piece more than there are placeholders, and how a
    URL is written into the text.
    """

    constant: Sequence[memoryview]
    placeholders: Sequence[Placeholder]
    html: bool
    codec: str
    # the words of each placeholder's link, in the text's charset; empty: a URL. None at all: URLs
    # alone
    links: Sequence[bytes] = ()

    def written(self, urls: Urls) -> list[bytes]:
        """Return what stands for each placeholder in turn: the URL, or a link to it."""
        octets = {kind: self.octets(urls[kind]) for kind in set(self.placeholders)}
        found = [octets[kind] for kind in self.placeholders]
        return (
            [
                self._link(url, words) if words else url
                for url, words in zip(found, self.links, strict=True)
            ]
            if self.links
            else found
        )

    def _link(self, url: bytes, words: bytes) -> bytes:
        start, middle, end = (mark.encode(self.codec) for mark in ('<a href="', '">', "</a>"))
        return start + url + middle + words + end

    def longest_of_all(self, url_chars: int) -> int:
        """Return how many characters stand for all placeholders at most, with URLs of that many
        characters.
        """
        return len(self.placeholders) * url_chars + sum(
            len(self._link(b"", words)) for words in self.links if words
        )

    def longest(self, url_chars: int) -> int:
        """Return how many octets stand for a placeholder at most, with URLs of that many
        characters.
        """
        url = len(self.octets("u" * url_chars))
        return url + max((len(self._link(b"", words)) for words in self.links if words), default=0)

    def octets(self, url: str) -> bytes:
        """Return one URL as the text's kind and charset have it."""
        return (entities.escape(url) if self.html else url).encode(self.codec)

    def filled(self, urls: Urls) -> Iterator[bytes | memoryview]:
        """Yield constant pieces and URLs in their order."""
        first, *others = self.constant
        yield first
        for url, piece in zip(self.written(urls), others, strict=True):
            yield url
            yield piece


class FillableText(Protocol):
    """A text to be filled in."""

    @property
    def pieces(self) -> Pieces:
        """Return what the text is cut into."""
        ...

    def fill(self, urls: Urls) -> Iterator[bytes | memoryview]:
        """Yield the whole text for one recipient, in its transfer encoding, in pieces."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityText:
    """A text in 7bit, 8bit or binary."""

    pieces: Pieces

    def fill(self, urls: Urls) -> Iterator[bytes | memoryview]:
        """See `FillableText`."""
        return self.pieces.filled(urls)

    def longest_line(self, url_chars: int) -> int:
        """Return the octets of the longest line that a URL is written into, with URLs of that many
        characters.
        """
        url = self.pieces.longest(url_chars)
        longest, line = 0, _column(self.pieces.constant[0], 0)
        for piece in self.pieces.constant[1:]:
            line += url
            end = _line_end(piece)
            longest = max(longest, line + (len(piece) if end < 0 else end))
            line = _column(piece, 0) if end >= 0 else line + len(piece)
        return longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Base64Text:
    """A text in base64, its pieces decoded. Its lines stay as long as they were, and so does what
    stands before and behind the code.
    """

    pieces: Pieces
    lead: bytes
    tail: bytes
    line_chars: int

    def fill(self, urls: Urls) -> Iterator[bytes | memoryview]:
        """See `FillableText`."""
        yield self.lead
        yield from base64_code.lines(self.pieces.filled(urls), self.line_chars)
        yield self.tail


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedText:
    """A text in quoted-printable, its pieces encoded. A line that becomes too long is broken in the
    URL or at its ends, nowhere else.
    """

    pieces: Pieces

    def fill(self, urls: Urls) -> Iterator[bytes | memoryview]:
        """See `FillableText`."""
        first, *others = self.pieces.constant
        yield first
        column = _column(first, 0)
        for number, (url, piece) in enumerate(
            zip(self.pieces.written(urls), others, strict=True), 1
        ):
            code, column = quoted_printable.written(url, column)
            yield code
            end = _line_end(piece)
            line = len(piece) if end < 0 else end
            # behind this piece, which takes one character more
            may_be_broken = end < 0 and number < len(others)
            if line and column + line + may_be_broken > quoted_printable.MAX_LINE_CHARS:
                yield quoted_printable.SOFT_BREAK
                column = 0
            yield piece
            column = _column(piece, column)


def cut(octets: memoryview, hits: Sequence[Hit], *, codec: str, html: bool) -> Pieces:
    """Return the pieces between these placeholders, which are in order and apart."""
    ends, starts = [0, *(hit.end for hit in hits)], [*(hit.start for hit in hits), len(octets)]
    return Pieces(
        constant=tuple([octets[end:start] for end, start in zip(ends, starts, strict=True)]),
        placeholders=tuple([hit.placeholder for hit in hits]),
        html=html,
        codec=codec,
        links=tuple([hit.link for hit in hits]) if any(hit.link for hit in hits) else (),
    )


def _line_end(piece: memoryview) -> int:
    """Return where the first line of a piece ends, -1 when it does not."""
    for start in range(0, len(piece), _WINDOW_OCTETS):
        at = bytes(piece[start : start + _WINDOW_OCTETS + 1]).find(b"\r\n")
        if at >= 0:
            return start + at
    return -1


def _column(piece: memoryview, column: int) -> int:
    """Return the column behind a piece that begins at this column."""
    for end in range(len(piece), 0, -_WINDOW_OCTETS):
        start = max(0, end - _WINDOW_OCTETS)
        at = bytes(piece[start:end]).rfind(b"\n")
        if at >= 0:
            return len(piece) - start - at - 1
    return column + len(piece)
