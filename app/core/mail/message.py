"""A message as bytes: its fields one by one, its body untouched. Never re-serialised, so what is
not dropped leaves as it came.

1. `parse` cuts; it never changes a byte. Joined again, head, separator and body are the input
   (catalogue H9).
2. The body is a view over the caller's buffer: a 25 MB mail is not copied. The caller keeps that
   buffer unchanged meanwhile.
3. Cost is linear in the input, whatever the input: the patterns are possessive and never go back.
4. What a signer would have to guess about is refused, not repaired: RFC 5322 2.2 and 3.5 without
   the obsolete white space before the colon (catalogue D9), stray CR, LF or NUL (S1). Caps are
   those that large receivers state (H16).

Which domains a From field speaks for is the business of `app.core.mail.sender`. `repeated` knows
the fields that may stand once (RFC 5322 3.6, RFC 2045): large receivers refuse mail that repeats
them (catalogue H15).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from app.core.errors import MalformedMessage, MarkingInvalid, MessageTooLarge
from app.core.mail.sender import from_domains
from app.core.visible import plain

__all__ = ["Field", "Headed", "Message", "from_domains", "parse", "repeated", "sender_field"]

MAX_HEAD_BYTES = 500 * 1024
MAX_FIELDS = 5000
MAX_FIELD_BYTES = 102_400  # as Postfix takes it (header_size_limit)

_ONCE = frozenset(
    (
        b"date",
        b"from",
        b"sender",
        b"reply-to",
        b"to",
        b"cc",
        b"message-id",
        b"in-reply-to",
        b"references",
        b"subject",
        b"mime-version",
        b"content-type",
        b"content-transfer-encoding",
    )
)
# twice the same: every reader reads the same
_HARMLESS = frozenset((b"mime-version", b"content-type", b"content-transfer-encoding"))

_PROBE_BYTES = 16 * 1024  # most heads end within; only others cost a second, longer copy
_EMPTY_LINE = b"\r\n"
# RFC 5322 3.6.8: a name is printable ASCII without the colon. `[^\r]` instead of a set of two
# halves the time: see _refuse_strays.
_FIELD = re.compile(rb"(?m)^(([!-9;-~]++):[^\r]*+\r\n(?:[ \t][^\r]*+\r\n)*+)")
_LINE = re.compile(rb"[^\n]*+\n(?:[ \t][^\n]*+\n)*+|[^\n]++\Z")
_OBSOLETE_FIELD = re.compile(rb"([!-9;-~]++)[ \t]++(?:\r\n[ \t]++)*+:")
_STRAY = re.compile(rb"[\r\n\0]")


class Field(NamedTuple):
    """One header field: `name` in lower case, `raw` as it came, folds and final CRLF included.

    A named tuple, not a dataclass: a mail makes fifteen of them, and they cost 5 µs so instead of
    22.
    """

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """Return what follows the colon, unfolded (RFC 5322 2.2.3), white space kept."""
        return self.raw.partition(b":")[2].replace(b"\r\n", b"")


class Headed(Protocol):
    """Whatever has header fields, top first."""

    @property
    def fields(self) -> Sequence[Field]:
        """Return the fields, top first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in its parts; `head + separator + body` are the bytes it was parsed from."""

    fields: tuple[Field, ...]
    head: bytes  # the raw fields, joined
    separator: bytes  # the empty line; b"" when the mail ended before it
    body: memoryview


def parse(data: bytes | bytearray | memoryview) -> Message:
    """Cut the content of DATA (dots removed, CRLF line ends) into fields and body.

    Raises MalformedMessage for a head that is not made of fields, MessageTooLarge for one beyond
    the caps.
    """
    view = memoryview(data)
    head, separator = _head(view)
    if len(head) > MAX_HEAD_BYTES:
        raise MessageTooLarge(f"the header block is longer than {MAX_HEAD_BYTES} octets")
    return Message(
        fields=_fields(head),
        head=head,
        separator=separator,
        body=view[len(head) + len(separator) :],
    )


def parse_loosely(data: bytes | bytearray | memoryview) -> Message:
    """Cut a message that will not be changed.

    A field with white space before its colon (RFC 5322 4.5) has its name, for receivers read it so:
    whoever looks for a From finds each. A line that is no field at all has the name b"", and nobody
    can say what a receiver takes it for.

    Raises MalformedMessage for bare line ends and NULs in the head, MarkingInvalid for a field that
    would be ours but for its spelling, MessageTooLarge as `parse` does.
    """
    view = memoryview(data)
    head, separator = _head(view)
    if len(head) > MAX_HEAD_BYTES:
        raise MessageTooLarge(f"the header block is longer than {MAX_HEAD_BYTES} octets")
    if _STRAY.search(head.replace(b"\r\n", b"")):
        raise MalformedMessage("a bare line end or a NUL in the header block")
    fields = tuple(_loose_field(line) for line in _LINE.findall(head))
    if len(fields) > MAX_FIELDS:
        raise MessageTooLarge(f"more than {MAX_FIELDS} header fields")
    if any(len(field.raw) > MAX_FIELD_BYTES for field in fields):
        raise MessageTooLarge(f"a header field is longer than {MAX_FIELD_BYTES} octets")
    return Message(
        fields=fields, head=head, separator=separator, body=view[len(head) + len(separator) :]
    )


def _loose_field(line: bytes) -> Field:
    found = _FIELD.fullmatch(line)
    if found:
        return Field(found[2].lower(), line)
    obsolete = _OBSOLETE_FIELD.match(line)
    if obsolete and not line.lower().startswith(b"x-signoff"):
        return Field(obsolete[1].lower(), line)
    if line.lstrip(b" \t").lower().startswith(b"x-signoff"):
        name = plain(line.partition(b":")[0].strip().decode("ascii", "replace"))
        raise MarkingInvalid(f"{name} has white space in or around its name")
    return Field(b"", line)


def sender_field(message: Headed) -> Field:
    """Return the From field. Raises MalformedMessage when there is none or more than one (RFC 5322
    3.6).
    """
    found = [field for field in message.fields if field.name == b"from"]
    if len(found) != 1:
        raise MalformedMessage(f"a message has exactly one From field, this one has {len(found)}")
    return found[0]


def repeated(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the names, in lower case and order, of those fields that stand more than once and may
    not.
    """
    found = [field for field in fields if field[0] in _ONCE]
    names = [field[0] for field in found]
    if len(names) == len(set(names)):
        return ()
    several = {name for name in names if names.count(name) > 1}
    harmless = {
        name
        for name in several & _HARMLESS
        if len({field.value.strip() for field in found if field.name == name}) == 1
    }
    return tuple(sorted(name.decode("ascii") for name in several - harmless))


def _head(view: memoryview) -> tuple[bytes, bytes]:
    for size in (_PROBE_BYTES, MAX_HEAD_BYTES + 4):
        probe = bytes(view[:size])
        if probe.startswith(_EMPTY_LINE):
            return b"", _EMPTY_LINE
        end = probe.find(b"\r\n\r\n")
        if end >= 0:
            return probe[: end + 2], _EMPTY_LINE
        if len(view) <= size:
            break
    return probe, b""


def _fields(head: bytes) -> tuple[Field, ...]:
    found = _FIELD.findall(head)
    if len(found) > MAX_FIELDS:
        raise MessageTooLarge(f"more than {MAX_FIELDS} header fields")
    if sum([len(raw) for raw, _ in found]) != len(head):
        raise MalformedMessage("a line of the header block is neither a field nor its continuation")
    _refuse_strays(head)
    if len(head) > MAX_FIELD_BYTES and any(len(raw) > MAX_FIELD_BYTES for raw, _ in found):
        raise MessageTooLarge(f"a header field is longer than {MAX_FIELD_BYTES} octets")
    return tuple([Field(name.lower(), raw) for raw, name in found])


def _refuse_strays(head: bytes) -> None:
    # The pattern has seen that a LF follows every CR, so with equal counts there is no LF alone.
    if head.count(b"\n") != head.count(b"\r") or b"\0" in head:
        raise MalformedMessage("a bare line feed or a NUL in the header block")
