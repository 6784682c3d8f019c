"""What a downstream says, from bytes to our own Reply: framing, bounds, cleaning (RFC 5321 4.2, RFC
2034, RFC 3463; catalogue C7, X6).

Facts that surprise: a peer may split a reply anywhere, send several at once, write lines far over
512 octets and put raw 8-bit bytes into them. Framing forgives length up to a bound, because a reply
that was thrown away after the final dot would mean a second copy.
"""

import re
from typing import NamedTuple

from smtp_proxy.replies import Deferred, RefusedCopy, Reply

MAX_REPLY_OCTETS = 16384  # all lines of one reply
MAX_TEXT = 400
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_SPACES = re.compile(r"[\t ]+")
# RFC 4954: these speak of our session with the downstream, never of the mail, so the upstream must
# not bounce for them
_AUTHENTICATION_CODES = frozenset({530, 534, 535, 538})


class ProtocolViolation(Exception):
    """Bytes that are not an SMTP reply, or a reply that cannot stand where it came; never leaves
    the client leg.
    """


class PeerReply(NamedTuple):
    """One whole reply: its code, and the text of each line as it came."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def positive(self) -> bool:
        """Whether the peer agreed (2yz)."""
        return 200 <= self.code < 300  # noqa: PLR2004 - the first digit of RFC 5321 4.2.1

    @property
    def negative(self) -> bool:
        """Whether the peer declined, for now (4yz) or for good (5yz)."""
        return self.code >= 400  # noqa: PLR2004


class ReplyReader:
    """Cuts a byte stream into replies; keeps at most `MAX_REPLY_OCTETS` of an unfinished one."""

    __slots__ = ("_code", "_held", "_partial", "_texts")

    def __init__(self) -> None:
        self._partial = b""
        self._code = b""  # of the reply that has begun
        self._texts: list[bytes] = []  # of its lines
        self._held = 0

    @property
    def pending(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._partial or self._texts)

    def feed(self, data: bytes) -> list[PeerReply]:
        """Return the replies that these bytes complete, in order; raise ProtocolViolation for
        anything else than replies.
        """
        *whole, self._partial = (self._partial + data).split(b"\n")
        replies = []
        for line in whole:
            match = _LINE.fullmatch(line.removesuffix(b"\r"))
            if match is None:
                raise ProtocolViolation("not a reply line")
            code, mark, text = match.groups()
            if self._texts and code != self._code:
                raise ProtocolViolation("the code changed within one reply")
            self._held += len(line)
            self._code = code
            self._texts.append(text or b"")
            if mark != b"-":
                replies.append(PeerReply(int(code), tuple(self._texts)))
                self._texts, self._held = [], 0
            elif self._held > MAX_REPLY_OCTETS:
                raise ProtocolViolation("an endless reply")
        if self._held + len(self._partial) > MAX_REPLY_OCTETS:
            raise ProtocolViolation("an endless reply line")
        return replies


def as_reply(peer: PeerReply) -> Reply:
    """Return the peer's reply with its own code, an enhanced code of the same class, and one clean
    ASCII line of text.
    """
    enhanced, text = _texts(peer)
    return Reply(peer.code, enhanced, text)


def accepted(peer: PeerReply) -> Reply:
    """Return the upstream's 250 for a copy that the peer took; its text holds the peer's queue id
    (catalogue X6).
    """
    return Reply(250, "2.0.0", _texts(peer)[1])


def declined(peer: PeerReply) -> Deferred | RefusedCopy:
    """Return the outcome of a 4yz or 5yz. 421 ends the peer's session, not the upstream's, so it
    becomes 451 (catalogue X6).
    """
    if peer.code in _AUTHENTICATION_CODES:
        return Deferred(reply=Reply(451, "4.7.0", f"Downstream declined: {as_reply(peer)}"))
    reply = as_reply(peer)
    if peer.code == 421:  # noqa: PLR2004
        return Deferred(reply=Reply(451, reply.enhanced, reply.text))
    return RefusedCopy(reply=reply) if peer.code >= 500 else Deferred(reply=reply)  # noqa: PLR2004


def _texts(peer: PeerReply) -> tuple[str, str]:
    kind = str(peer.code)[0]
    enhanced = f"{kind}.0.0"
    texts = []
    for number, line in enumerate(peer.lines):
        text = line.decode("ascii", "replace")
        match = _ENHANCED.match(text)
        if match is not None:
            text = text[match.end() :]
            if number == 0:
                # RFC 3463 2: the class must agree with the code
                enhanced = f"{kind}.{int(match[2])}.{int(match[3])}"
        texts.append(text)
    joined = _UNPRINTABLE.sub("?", _SPACES.sub(" ", " ".join(texts))).strip()
    return enhanced, joined[:MAX_TEXT].rstrip() or "No text was given"
