"""The parts of a mail from anywhere, cut without trust in its form.

`app.core.mail.message` refuses what a signer would have to guess about. Here nothing is refused:
the mail was written by software we do not know, and it may be somebody's only way to leave. The
rules:

1. Any octets can be read, and none raise.
2. Cost is linear: no recursion, and caps on octets, depth and parts (catalogue M11). What is cut
   off is said in `Parts.cut`.
3. Only text and attached mails are kept. Files are never looked into.
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import NamedTuple

from app.core.mail.message import Field

MAX_READ_BYTES = 1024 * 1024
MAX_HEAD_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_PARTS = 100
MAX_DEPTH = 10

_NAME = re.compile(rb"([!-9;-~]{1,200}+)[ \t]*+:")
_PARAMETER = r"""(?:^|;)\s*{name}\s*=\s*(?:"([^"]*)"|([^\s;"]+))"""
_BOUNDARY = re.compile(_PARAMETER.format(name="boundary"), re.IGNORECASE)
_CHARSET = re.compile(_PARAMETER.format(name="charset"), re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_FOUR = 4


class Entity(NamedTuple):
    """A head and a body: a mail, or a part of one."""

    fields: tuple[Field, ...]
    body: bytes

    def values(self, *names: bytes) -> Iterator[str]:
        """Yield the unfolded values of the fields with these names (lower case), in the order of
        the names; octets become Latin-1.
        """
        for name in names:
            for field in self.fields:
                if field.name == name:
                    yield _value(field)

    def value(self, name: bytes) -> str:
        """Return the first value of a field, stripped; empty when there is none."""
        return next(self.values(name), "").strip()

    @property
    def media_type(self) -> str:
        """Return type and subtype in lower case; `text/plain` when the entity does not say."""
        return self.value(b"content-type").partition(";")[0].strip().lower() or "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The leaves of a mail. `attached`: mails inside it, and lone header blocks; `reports`: what
    machines report about a mail.
    """

    texts: tuple[Entity, ...]
    attached: tuple[Entity, ...]
    reports: tuple[Entity, ...]
    cut: str  # why not all was read; empty: all was


def entity(content: bytes) -> Entity:
    """Cut octets into head and body. A line that is no field ends the head when no empty line
    does.
    """
    if content.startswith(b"\r\n"):
        return Entity((), content[2:])
    end = content.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    head = content[: end + 2] if end >= 0 else content[:MAX_HEAD_BYTES]
    fields, stray = _fields(head)
    return Entity(fields, content[end + 4 :] if end >= 0 else content[stray:])


def parts(whole: Entity) -> Parts:
    """Return the leaves of a mail, in their order."""
    texts: list[Entity] = []
    attached: list[Entity] = []
    reports: list[Entity] = []
    cut = ""
    waiting = [(whole, 0)]
    for _ in range(MAX_PARTS):
        if not waiting:
            break
        part, depth = waiting.pop()
        media_type = part.media_type
        children = _children(part) if media_type.startswith("multipart/") else ()
        if children and depth < MAX_DEPTH:
            waiting += [(child, depth + 1) for child in reversed(children)]
        elif children:
            cut = "too_deep"
        elif media_type in ("message/rfc822", "message/global", "text/rfc822-headers"):
            attached.append(entity(_with_crlf(decoded_body(part))))
        elif media_type == "message/feedback-report":
            reports.append(entity(_with_crlf(decoded_body(part))))
        elif _is_text(part, media_type):
            texts.append(part)
    if waiting:
        cut = cut or "too_many_parts"
    return Parts(texts=tuple(texts), attached=tuple(attached), reports=tuple(reports), cut=cut)


def decoded_body(part: Entity) -> bytes:
    """Return the body without its transfer encoding; one that cannot be right is decoded as far as
    it goes.
    """
    match part.value(b"content-transfer-encoding").lower():
        case "quoted-printable":
            return binascii.a2b_qp(part.body)
        case "base64":
            digits = _NOT_BASE64.sub(b"", part.body)
            if len(digits) % _FOUR == 1:
                digits = digits[:-1]
            return binascii.a2b_base64(digits + b"=" * (-len(digits) % _FOUR))
        case _:
            return part.body


def decoded_text(part: Entity) -> str:
    """Return the text of a part. What counts in it is ASCII, so every character set that holds
    ASCII is read as UTF-8.
    """
    found = _CHARSET.search(part.value(b"content-type")[:1000])
    name = (found[1] or found[2] or "").lower() if found else ""
    charset = (
        "utf-16"
        if name.startswith("utf-16")
        else "utf-32"
        if name.startswith("utf-32")
        else "utf-8"
    )
    return decoded_body(part).decode(charset, "replace")


def _fields(head: bytes) -> tuple[tuple[Field, ...], int]:
    """Return the fields, and where the first line stands that belongs to none."""
    found: list[list[bytes]] = []
    names: list[bytes] = []
    at, stray = 0, len(head)
    for line in islice(head.split(b"\r\n"), MAX_FIELDS * 10):
        name = _NAME.match(line)
        if name and len(names) < MAX_FIELDS:
            names.append(name[1].lower())
            found.append([line])
        elif line[:1] in (b" ", b"\t") and found:
            found[-1].append(line)
        elif line and stray == len(head):
            stray = at
        at += len(line) + 2
    return (
        tuple(
            Field(name, b"\r\n".join([*lines, b""]))
            for name, lines in zip(names, found, strict=True)
        ),
        stray,
    )


def _value(field: Field) -> str:
    return field.raw.partition(b":")[2].replace(b"\r\n", b"").decode("latin-1")


def _children(part: Entity) -> Sequence[Entity]:
    """Return the parts of a multipart; none when its boundary is missing or stands nowhere."""
    found = _BOUNDARY.search(part.value(b"content-type")[:2000])
    boundary = (found[1] or found[2] or "").encode("latin-1") if found else b""
    if not boundary:
        return ()
    body = b"\r\n" + part.body
    pattern = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*+(?=\r\n|\Z)")
    marks = list(islice(pattern.finditer(body), MAX_PARTS + 1))
    if not marks:
        return ()
    ends = [following.start() for following in marks[1:]] + [len(body)]
    # what follows the last mark is no part
    parts_only = takewhile(lambda pair: not pair[0][1], zip(marks, ends, strict=True))
    return [entity(body[mark.end() + 2 : end]) for mark, end in parts_only]


def _is_text(part: Entity, media_type: str) -> bool:
    """Say whether a part is text to be read: a file that is attached is not (catalogue M11), nor is
    an unreadable multipart's type.
    """
    if part.value(b"content-disposition").lower().startswith("attachment"):
        return False
    return media_type.startswith(("text/", "multipart/")) or "/" not in media_type


def _with_crlf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
