"""What Gmail states as limits of a header block, and which fields must stand once (RFC 5322 3.6;
catalogue H14 to H17).
"""

import re
from collections import Counter
from collections.abc import Iterator

from app.core.mail.inbound_parts import Entity
from app.core.mail.lint.rules import Finding

_ONCE = (
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
)
_MAX_HEAD, _MAX_FIELDS, _MAX_FIELD = 500 * 1024, 5000, 32 * 1024
_MAX_LINE = 998  # RFC 5322 2.1.1
_LONGEST = {b"message-id": 500, b"subject": 998}
_LIST_ID = re.compile(r"[^<>]*<[^<>\s]+\.[^<>\s]+>")
_FEEDBACK_ID = re.compile(r"(?:[^:\s]*:){0,3}[^:\s]{5,15}")
_PROBE = _MAX_HEAD + 4


def judge(mail: Entity, octets: bytes) -> Iterator[Finding]:
    """Yield what is wrong with the header block as a whole, and with the lines below it."""
    counts = Counter(field.name for field in mail.fields)
    for name in _ONCE:
        if counts[name] > 1:
            yield Finding(
                "field-repeated", f"{name.decode('ascii').title()} stands {counts[name]} times"
            )
    for name in (b"from", b"date"):
        if not counts[name]:
            yield Finding("field-missing", f"there is no {name.decode('ascii').title()} field")
    if not counts[b"message-id"]:
        yield Finding("message-id-missing", "there is no Message-ID field")
    yield from _sizes(mail, octets)
    longest = max(map(len, octets[octets.find(b"\r\n\r\n") + 1 :].split(b"\r\n")))
    if longest > _MAX_LINE:
        yield Finding("line-too-long", f"a line of the body has {longest} octets")
    if counts[b"list-id"] and not _LIST_ID.fullmatch(mail.value(b"list-id")):
        yield Finding("list-id-malformed", "List-Id is no name in angle brackets")
    if counts[b"feedback-id"] and not _FEEDBACK_ID.fullmatch(mail.value(b"feedback-id")):
        yield Finding(
            "feedback-id-malformed",
            "Feedback-ID does not end with a SenderId of 5 to 15 characters",
        )


def _sizes(mail: Entity, octets: bytes) -> Iterator[Finding]:
    end = octets.find(b"\r\n\r\n", 0, _PROBE)
    if end < 0 and len(octets) > _MAX_HEAD:
        yield Finding("head-too-large", "the header block is longer than 500 KB")
    if (lines := octets[: max(end, 0)].count(b"\r\n")) > _MAX_FIELDS:
        yield Finding(
            "head-too-large", f"the header block has {lines} lines, where 5000 fields are the most"
        )
    for field in mail.fields:
        most = _LONGEST.get(field.name, _MAX_FIELD)
        if len(field.raw) > most + len(field.name) + 4:
            yield Finding(
                "field-too-long",
                f"{field.name.decode('ascii').title()} has {len(field.raw)} octets, {most} are the"
                " most",
            )
