"""One copy as the downstream will get it: the envelope, and content that becomes wire bytes without
being copied whole.

Dot-stuffing (RFC 5321 4.5.2) happens here and only here, so the bytes after un-stuffing are the
signed bytes (catalogue C1). What depends on the body alone is found once a message, in a `WireBody`
that all copies share. Content holds CRLF line ends only; that is the server's duty.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from smtp_proxy.replies import RefusedCopy, Reply

# octets handed to the transport at once; with its high-water mark the bound of what a slow peer
# makes us hold
SLICE = 65536
MAX_ADDRESS_OCTETS = 254
_UNSAFE_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f-\x9f<>]")
# in quotes these are harmless (RFC 5321 4.1.2)
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~])*"@[^\x00-\x20\x7f-\x9f<>@"]+')

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, eq=False)
class WireBody:
    """A body ready for the wire, shared by all copies of a message."""

    view: memoryview
    dotted: bool  # some line starts with a dot
    ends_line: bool  # the last octets are CRLF, or there are none
    ascii: bool  # no octet is above 127

    def slices(self) -> Iterator[Buffer]:
        """Yield the dot-stuffed octets in order, in pieces of about `SLICE`."""
        if self.dotted:
            return self._stuffed()
        return (self.view[start : start + SLICE] for start in range(0, len(self.view), SLICE))

    def _stuffed(self) -> Iterator[bytes]:
        start, at_line_start = 0, True
        while start < len(self.view):
            piece = bytes(self.view[start : start + SLICE])
            cut = piece.rfind(b"\n") + 1
            if cut == 0 and piece.endswith(b"\r"):
                cut = len(piece) - 1  # keep CR and LF together, so that every CRLF is seen whole
            piece = piece[: cut or len(piece)]
            start += len(piece)
            yield _stuff(piece) if at_line_start else piece.replace(b"\r\n.", b"\r\n..")
            at_line_start = piece.endswith(b"\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One copy for one recipient. `head` is the complete header block with its blank line; `sender`
    is empty for `<>`.
    """

    sender: str
    recipient: str
    head: bytes
    body: WireBody
    body_8bit: bool = False
    smtputf8: bool = False
    # parameters of RFC 3461, each with a blank before it, for a downstream that offers DSN
    mail_options: str = ""
    recipient_options: str = ""
    # XFORWARD attributes, name and xtext, for a downstream that offers it
    forwarded: tuple[tuple[bytes, bytes], ...] = ()
    # octets as RFC 1870 counts them: without dot-stuffing and terminator
    size: int = field(init=False)
    # only a downstream with SMTPUTF8 may get the copy (RFC 6531 3.2)
    needs_smtputf8: bool = field(init=False)
    # an octet above 127: many upstreams declare 8BITMIME for whatever they send, others never do
    holds_8bit: bool = field(init=False)

    def __post_init__(self) -> None:
        set_ = object.__setattr__  # the record is frozen, and this is still its making
        set_(self, "size", len(self.head) + len(self.body.view))
        set_(
            self,
            "needs_smtputf8",
            self.smtputf8 or not (self.sender.isascii() and self.recipient.isascii()),
        )
        set_(self, "holds_8bit", not (self.body.ascii and self.head.isascii()))

    def content(self) -> Iterable[Buffer]:
        """Return everything that follows the 354 in pieces: stuffed head, stuffed body, and the dot
        that ends it.
        """
        ends_line = self.body.ends_line if self.body.view else self.head.endswith(b"\r\n")
        # RFC 5321 4.1.1.4: the dot stands on a line of its own
        end = b".\r\n" if ends_line else b"\r\n.\r\n"
        head = _stuff(self.head)
        if self.size <= SLICE and not self.body.dotted:  # nearly all mail
            return (head, self.body.view, end)
        return chain((head,), self.body.slices(), (end,))


def wire_body(body: Buffer) -> WireBody:
    """Return the wire form of a body: call it once a message and give it to all copies."""
    view = memoryview(body)
    ends_line = not view or bytes(view[-2:]) == b"\r\n"
    if len(view) <= SLICE:  # nearly all mail
        octets = bytes(view)
        return WireBody(
            view, octets.startswith(b".") or b"\r\n." in octets, ends_line, octets.isascii()
        )
    return WireBody(view, _has_dotted_line(view), ends_line, _is_ascii(view))


def unsendable(transaction: Transaction) -> RefusedCopy | None:
    """Refuse an address that could break out of its command line or is too long, before a byte of
    it is written (catalogue C2).
    """
    if transaction.sender and not _is_safe(transaction.sender):
        return RefusedCopy(reply=Reply(553, "5.1.7", "Bad sender address syntax"))
    if not _is_safe(transaction.recipient):
        return RefusedCopy(reply=Reply(553, "5.1.3", "Bad destination mailbox address syntax"))
    return None


def _is_safe(address: str) -> bool:
    if not address or (_UNSAFE_IN_ADDRESS.search(address) and not _QUOTED.fullmatch(address)):
        return False
    try:
        return len(address.encode()) <= MAX_ADDRESS_OCTETS
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _stuff(lines: bytes) -> bytes:
    stuffed = lines.replace(b"\r\n.", b"\r\n..") if b"\r\n." in lines else lines
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _is_ascii(view: memoryview) -> bool:
    return all(bytes(view[start : start + SLICE]).isascii() for start in range(0, len(view), SLICE))


def _has_dotted_line(view: memoryview) -> bool:
    if bytes(view[:1]) == b".":
        return True
    return any(
        b"\r\n." in bytes(view[start : start + SLICE + 2]) for start in range(0, len(view), SLICE)
    )
