"""One entry of the ledger as bytes: a version, the kind of outcome, and the reply that goes with it.

An entry of another version, or one that cannot be read, is as good as none: its copy is sent again.
"""

from dataclasses import dataclass

from smtp_proxy.replies import Delivered, Outcome, Refused, Reply, Suppressed

MARK = b"1n"  # the whole entry of something that has only happened or not
UNKNOWN = b"1u"
REPORTED = ""  # stands where others have the recipient: the sender has been notified

_VERSION = b"1"
_DELIVERED, _REFUSED, _SUPPRESSED = b"d", b"r", b"s"
_MARK = b"m"
_MARK_OCTETS = 20
_MAX_TEXT = 200
_REPLY_PARTS = 3


@dataclass(frozen=True, slots=True)
class Unknown:
    """The downstream went away after the last byte, so it may have the copy."""


def encoded(outcome: Outcome) -> bytes | None:
    """Return the entry of an outcome; None for a copy that nobody has, which is sent again anyway."""
    match outcome:
        case Delivered(reply=reply):
            return _VERSION + _DELIVERED + _reply(reply)
        case Refused(reply=reply):
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
    return Refused(reply=reply) if kind == _REFUSED else None


def mark(until_ms: int) -> bytes:
    """Return the mark of a try that is under way until then, in UTC milliseconds; 0: it has ended."""
    return _VERSION + _MARK + str(until_ms).encode()


def is_held(entry: bytes | None, now_ms: int, *, longest_ms: int) -> bool:
    """Say whether a mark still holds; none that cannot be read does, and none from so far in the future: its clock is wrong."""
    if entry is None or entry[:2] != _VERSION + _MARK or not entry[2:].isdigit() or len(entry) > _MARK_OCTETS:
        return False
    return 0 < int(entry[2:]) - now_ms <= longest_ms


def _reply(reply: Reply) -> bytes:
    return str(Reply(reply.code, reply.enhanced, reply.text[:_MAX_TEXT])).encode("ascii", "replace")
