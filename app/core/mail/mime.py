"""Where the texts of a message stand: a walk over its MIME parts by their boundaries, on bytes (RFC
2046 5.1).

1. Nothing is decoded and nothing changed: a text is two offsets into the body and what its fields
   say.
2. Never a text, and so never touched: what is signed or encrypted (catalogue X10: multipart/signed,
   multipart/encrypted, S/MIME), another message inside (message/*), an attachment, and every type
   but text/plain and text/html.
3. What readers may read in different ways is `unreadable`, to be left alone: a part without a
   readable head, a multipart without its boundary, fields that stand twice, nesting or numbers
   beyond the caps.
4. Cost: each level of nesting is one search by its boundary, in C. Depth, parts and lines that only
   resemble a delimiter are capped. The heads of parts are few and the same in all mails of a
   campaign, so what a short one says is remembered.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from app.core.errors import MalformedMessage, MessageTooLarge
from app.core.mail.message import Message, parse
from app.core.mail.mime_fields import PartFields, part_fields

MAX_DEPTH = 10
MAX_PARTS = 1000
MAX_CANDIDATES = 4 * MAX_PARTS  # lines of one multipart that begin like its delimiter
MAX_BOUNDARY_CHARS = 256  # RFC 2046 allows 70; real software goes beyond, and no reader minds

IDENTITY_ENCODINGS = frozenset(("7bit", "8bit", "binary"))

_SEALED = frozenset(("multipart/signed", "multipart/encrypted"))
_TEXTS = frozenset(("text/plain", "text/html"))
_REST_OF_LINE = re.compile(rb"(--)?[ \t]*+(?=\r\n|\Z)")
_CHUNK_BYTES = 256 * 1024
_SHORT_HEAD_BYTES = 1024
_EMPTY_LINE = b"\r\n"


class TextPart(NamedTuple):
    """One text to be read: `body[start:end]`, still in its transfer encoding. `charset` is empty
    when none is said.
    """

    start: int
    end: int
    html: bool
    encoding: str
    charset: str


@dataclass(slots=True)
class Texts:
    """What a walk found, in the order of the body: the texts, and the ranges that cannot be read
    for sure.
    """

    parts: list[TextPart] = field(default_factory=list)
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    seen: int = 0  # parts of every kind


def text_parts(message: Message) -> Texts:
    """Return where the texts of a message are, as offsets into its body."""
    texts = Texts()
    _visit(texts, part_fields(message.fields, default_kind="text/plain"), message.body, 0, depth=0)
    return texts


def leaf_fields(message: Message) -> Iterator[PartFields]:
    """Yield what the fields of each part that is no multipart say, as far as they can be read;
    parts of sealed multiparts are none.
    """
    yield from _leaves(
        part_fields(message.fields, default_kind="text/plain"), message.body, depth=0
    )


def _leaves(fields: PartFields | None, body: memoryview, *, depth: int) -> Iterator[PartFields]:
    if fields is None:
        return
    if not fields.kind.startswith("multipart/"):
        yield fields
        return
    for start, end in _inner_spans(fields, body, depth)[:MAX_PARTS]:
        try:
            inner, octets = _head(body[start:end], _default_kind(fields))
        except (MalformedMessage, MessageTooLarge):
            continue
        yield from _leaves(inner, body[start + octets : end], depth=depth + 1)


def _inner_spans(fields: PartFields, body: memoryview, depth: int) -> list[tuple[int, int]]:
    """Return where the parts of a multipart are; none where it is signed or encrypted, or readers
    may differ about them.
    """
    boundary = fields.parameters.get("boundary", "")
    readable = (
        0 < len(boundary) <= MAX_BOUNDARY_CHARS
        and fields.encoding in IDENTITY_ENCODINGS
        and depth < MAX_DEPTH
    )
    return (
        _spans(body, boundary.encode("latin-1")) if readable and fields.kind not in _SEALED else []
    )


def _default_kind(fields: PartFields) -> str:
    return "message/rfc822" if fields.kind == "multipart/digest" else "text/plain"  # RFC 2046 5.1.5


def _visit(
    texts: Texts, fields: PartFields | None, body: memoryview, at: int, *, depth: int
) -> None:
    """Note one part, whose body begins at offset `at` of the whole body."""
    end = at + len(body)
    if fields is None:
        texts.unreadable.append((at, end))
    elif fields.kind.startswith("multipart/"):
        _visit_multipart(texts, fields, body, at, depth)
    elif fields.kind in _TEXTS and not fields.attached:
        charset = fields.parameters.get("charset", "")
        texts.parts.append(
            TextPart(
                start=at,
                end=end,
                html=fields.kind == "text/html",
                encoding=fields.encoding,
                charset=charset,
            )
        )


def _visit_multipart(
    texts: Texts, fields: PartFields, body: memoryview, at: int, depth: int
) -> None:
    if fields.kind in _SEALED or fields.attached:
        return
    spans = _inner_spans(fields, body, depth)
    texts.seen += len(spans)
    if not spans or texts.seen > MAX_PARTS:
        texts.unreadable.append((at, at + len(body)))
        return
    for start, end in spans:
        _visit_inner(
            texts, body[start:end], at + start, depth=depth + 1, default_kind=_default_kind(fields)
        )


def _visit_inner(texts: Texts, view: memoryview, at: int, *, depth: int, default_kind: str) -> None:
    try:
        fields, octets = _head(view, default_kind)
    except (MalformedMessage, MessageTooLarge):
        texts.unreadable.append((at, at + len(view)))
        return
    _visit(texts, fields, view[octets:], at + octets, depth=depth)


def _head(view: memoryview, default_kind: str) -> tuple[PartFields | None, int]:
    """Return what the head of a part says, and how many octets stand before its body."""
    head, separator, _ = (_EMPTY_LINE + bytes(view[:_SHORT_HEAD_BYTES])).partition(
        b"\r\n" + _EMPTY_LINE
    )
    if separator:  # with a line end before it, a head of no fields is found like any other
        return _short_head(head.removeprefix(_EMPTY_LINE), default_kind), len(head) + len(
            _EMPTY_LINE
        )
    part = parse(view)
    return part_fields(part.fields, default_kind=default_kind), len(part.head) + len(part.separator)


@lru_cache(maxsize=256)
def _short_head(head: bytes, default_kind: str) -> PartFields | None:
    """Say what fields say that come without the line end of the last one."""
    return part_fields(parse(head + _EMPTY_LINE).fields if head else (), default_kind=default_kind)


def _spans(body: memoryview, boundary: bytes) -> list[tuple[int, int]]:
    """Return where the parts between the delimiter lines are; none when there is no delimiter, or
    more than are looked at.
    """
    spans: list[tuple[int, int]] = []
    started: int | None = None
    for number, at in enumerate(_candidates(body, b"\r\n--" + boundary)):
        if number == MAX_CANDIDATES:
            return []
        line = _REST_OF_LINE.match(body, at + len(boundary) + 4)
        if line is None:  # the line goes on: another boundary that begins like this one
            continue
        if started is not None:
            spans.append((started, max(started, at)))
        # the CRLF of the delimiter line; two lines may share one, then the part is empty
        started = line.end() + 2
        if line[1]:
            return spans
    return spans if started is None else [*spans, (min(started, len(body)), len(body))]


def _candidates(body: memoryview, delimiter: bytes) -> Iterator[int]:
    """Yield where a delimiter may begin, its line end first; that of the very first line is thought
    to stand before the body.

    A pattern would have to be compiled for each message, which takes longer than the search.
    """
    if body[: len(delimiter) - 2] == delimiter[2:]:
        yield -2
    for start in range(0, len(body), _CHUNK_BYTES):
        chunk = bytes(body[start : start + _CHUNK_BYTES + len(delimiter) - 1])
        at = chunk.find(delimiter)
        while at >= 0:
            yield start + at
            at = chunk.find(delimiter, at + 1)
