"""The ledger as bytes: the keyed names of messages, copies and marks, and what an entry says of a
copy.

Trace fields are no part of a name: an upstream in front of its own queue writes them again for each
try. An entry is a version, the kind of outcome, and the reply that goes with it. One of another
version, or one that cannot be read, is as good as none: its copy is sent again.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from app.core.mail.message import Message
from smtp_proxy.replies import Delivered, Outcome, RefusedCopy, Reply, Suppressed
from smtp_proxy.session.submission import Envelope

MARK = b"1n"  # the whole entry of something that has only happened or not
UNKNOWN = b"1u"
REPORTED = ""  # stands where others have the recipient: the sender has been notified

_VERSION = b"1"
_DELIVERED, _REFUSED, _SUPPRESSED = b"d", b"r", b"s"
_MARK = b"m"
_MARK_OCTETS = 20
_MAX_TEXT = 200
_REPLY_PARTS = 3
_NAME_OCTETS = 16
_TRACE = frozenset((b"received", b"return-path"))
_MESSAGE_ID = b"message-id"
_IDENTITY = frozenset((_MESSAGE_ID, b"date", b"resent-message-id", b"resent-date"))
_THREAD_OCTETS = 1024 * 1024  # a larger body would hold the event loop for more than a millisecond


@dataclass(frozen=True, slots=True)
class Unknown:
    """The downstream went away after the last byte, so it may have the copy."""


def message_name(key: bytes, envelope: Envelope, message: Message) -> bytes:
    """Return the name of a message, which costs no look at the body."""
    identity = [field for field in message.fields if field[0] in _IDENTITY]
    names, raws = zip(*identity, strict=True) if identity else ((), ())
    if _MESSAGE_ID not in names:
        raws = tuple([raw for name, raw in message.fields if name not in _TRACE])
    account, length = str(envelope.client.account or ""), str(len(message.body))
    parts = (account.encode(), envelope.sender.encode(), length.encode(), *raws)
    return hmac.digest(key, b"\0".join(parts), "sha256")[:_NAME_OCTETS]


def copy_names(key: bytes, body_hash: bytes, recipients: Iterable[str]) -> dict[str, bytes]:
    """Return the name of the entry of each recipient's copy."""
    return {
        recipient: hmac.digest(key, body_hash + recipient.encode(), "sha256")[:_NAME_OCTETS]
        for recipient in recipients
    }


def mark_name(key: bytes, body_hash: bytes, recipients: Iterable[str]) -> bytes:
    """Return the name of the mark that all tries of a message for the same recipients share."""
    return hmac.digest(
        key, b"under way\0" + body_hash + "\0".join(sorted(recipients)).encode(), "sha256"
    )[:_NAME_OCTETS]


async def hash_body(body: memoryview) -> bytes:
    """Return the hash of a body; a large one is hashed off the event loop."""
    if len(body) <= _THREAD_OCTETS:
        return hashlib.sha256(body).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).digest())


def encoded(outcome: Outcome) -> bytes | None:
    """Return the entry of an outcome; None for a copy that nobody has, which is sent again
    anyway.
    """
    match outcome:
        case Delivered(reply=reply):
            return _VERSION + _DELIVERED + _reply(reply)
        case RefusedCopy(reply=reply):
            return _VERSION + _REFUSED + _reply(reply)
        case Suppressed(reason=reason):
            return _VERSION + _SUPPRESSED + reason.encode("ascii")
        case _:
            return UNKNOWN if outcome.unknown else None


def decoded(entry: bytes) -> Outcome | Unknown | None:
    """Return what an entry says; None when it cannot be read."""
    version, kind, text = entry[:1], entry[1:2], entry[2:].decode("ascii", "replace")
    if entry == UNKNOWN:
        return Unknown()
    if version != _VERSION:
        return None
    if kind == _SUPPRESSED:
        return Suppressed(reason=text)
    parts = text.split(" ", _REPLY_PARTS - 1)
    if len(parts) != _REPLY_PARTS or not parts[0].isdecimal():
        return None
    reply = Reply(int(parts[0]), parts[1], parts[2])
    if kind == _DELIVERED:
        return Delivered(reply=reply)
    return RefusedCopy(reply=reply) if kind == _REFUSED else None


def mark(until_ms: int) -> bytes:
    """Return the mark of a try that is under way until then, in UTC milliseconds; 0: it has
    ended.
    """
    return _VERSION + _MARK + str(until_ms).encode()


def is_held(entry: bytes | None, now_ms: int, *, longest_ms: int) -> bool:
    """Say whether a mark still holds; none that cannot be read does, and none from so far in the
    future: its clock is wrong.
    """
    if (
        entry is None
        or entry[:2] != _VERSION + _MARK
        or not entry[2:].isdigit()
        or len(entry) > _MARK_OCTETS
    ):
        return False
    return 0 < int(entry[2:]) - now_ms <= longest_ms


def _reply(reply: Reply) -> bytes:
    return str(Reply(reply.code, reply.enhanced, reply.text[:_MAX_TEXT])).encode("ascii", "replace")
