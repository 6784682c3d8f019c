"""The two header fields that make an unsubscribe link, and what every copy of a message has in common.

    List-Unsubscribe: <https://…>,
     <mailto:…>
    List-Unsubscribe-Post: List-Unsubscribe=One-Click

1. https first, then at most one mailto, nothing after the last `>` (RFC 8058 3.1, RFC 2369 2, catalogue H2).
2. Folded only at the comma, the URL on the first line, every line at most 500 octets, never an encoded word (H4–H6).
3. After stamping there is exactly one of each; what came with the mail goes by the brand's policy (H1).
4. Nothing else changes: added fields stand above, all others keep bytes and order (H9). Control fields never leave (H20), and a stamped
   copy, which is one recipient's alone, does not tell of the blind ones (H11).

List-Unsubscribe-Post promises a signature over both fields (RFC 8058 4): the caller signs, or asks with `one_click=False` (H3).
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from app.core.errors import RuleViolation
from app.core.mail.classify import CONTROL_PREFIX
from app.core.mail.message import Field, Message
from app.core.model import ExistingHeader

LIST_UNSUBSCRIBE = b"list-unsubscribe"
LIST_UNSUBSCRIBE_POST = b"list-unsubscribe-post"
STAMPED = frozenset((LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST))
_BLIND = frozenset((b"bcc",))

MAX_URI_CHARS = 250
MAX_LINE_OCTETS = 500

_ONE_CLICK_FIELD = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
# RFC 3986 2, less the characters at which readers of the field cut it: comma, semicolon, quotes (catalogue H7).
_URI_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&()*+=%"
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HTTPS = re.compile(r"https://(?:[A-Za-z0-9.-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]++)?(?:[/?#]|\Z)")  # a host in A-labels
_MAILTO = "mailto:"
_THEIR_MAILTO = re.compile(rb"<(mailto:[^<>\s]+)>", re.IGNORECASE)
_ONE_LINE = re.compile(rb"[\x20-\x7e]+")
_MAILTO_LINE_EXTRA = len(" <>\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What one copy carries. `one_click` claims that a POST to the URL unsubscribes. Raises RuleViolation for a URI that cannot stand."""

    https_uri: str
    mailto_uri: str | None
    one_click: bool

    def __post_init__(self) -> None:
        if len(self.https_uri) > MAX_URI_CHARS or not _HTTPS.match(self.https_uri) or not _is_plain(self.https_uri):
            raise RuleViolation(f"the unsubscribe URL is no https URI of at most {MAX_URI_CHARS} plain characters")
        if self.mailto_uri is not None and not _is_mailto(self.mailto_uri):
            raise RuleViolation("the unsubscribe address is no mailto URI of plain characters that fits a line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is the same in every copy of one message. A copy is: its own fields, `added`, `kept`, `separator`, `body`."""

    fields: tuple[Field, ...]  # all that every copy carries, added and kept, top first
    added: tuple[bytes, ...]
    kept: bytes  # the kept fields, joined
    separator: bytes
    body: memoryview
    keeps_theirs: bool = False  # the List-Unsubscribe field that came with the mail stays, ours is not added
    their_mailto: str | None = None

    def stamp(self, links: Links) -> tuple[bytes, ...]:
        """Return the fields to put on top of one copy, empty when theirs stay; their mailto fills in where ours is absent (merge)."""
        if self.keeps_theirs:
            return ()
        if self.their_mailto is not None and links.mailto_uri is None:
            return stamp_fields(replace(links, mailto_uri=self.their_mailto))
        return stamp_fields(links)

    def head(self, *top: bytes) -> bytes:
        """Return everything of a copy that stands before the body, with the copy's own fields on top."""
        return b"".join((*top, *self.added, self.kept, self.separator))


def stamp_fields(links: Links) -> tuple[bytes, ...]:
    """Return the List-Unsubscribe field and, when the links are one-click, List-Unsubscribe-Post; each raw with its CRLF."""
    second = f",\r\n <{links.mailto_uri}>" if links.mailto_uri is not None else ""
    field = f"List-Unsubscribe: <{links.https_uri}>{second}\r\n".encode("ascii")
    return (field, _ONE_CLICK_FIELD) if links.one_click else (field,)


def prepare(message: Message, *, existing: ExistingHeader, date: bytes, message_id: bytes) -> Base:
    """Return what all copies of a mail to be stamped share: control fields and Bcc dropped, Date and Message-ID added where missing.

    `date` and `message_id` are field values (RFC 6409 8, catalogue D3). Raises RuleViolation when the mail has List-Unsubscribe fields and
    the brand's policy is to reject them.
    """
    names = {name for name, _ in message.fields}
    if existing is ExistingHeader.REJECT and not STAMPED.isdisjoint(names):
        raise RuleViolation("the mail already has a List-Unsubscribe field")
    keeps_theirs = existing is ExistingHeader.KEEP and LIST_UNSUBSCRIBE in names
    dropped = _control_names(names) | _BLIND
    fields, kept = _without(message, dropped if keeps_theirs else dropped | STAMPED)
    added = [_made(name, value) for name, value in ((b"Date", date), (b"Message-ID", message_id)) if name.lower() not in names]
    return Base(
        fields=(*added, *fields),
        added=tuple([field.raw for field in added]),
        kept=kept,
        separator=message.separator,
        body=message.body,
        keeps_theirs=keeps_theirs,
        their_mailto=_first_mailto(message.fields) if existing is ExistingHeader.MERGE else None,
    )


def unchanged(message: Message) -> Base:
    """Return what all copies of a mail that is not stamped share: everything but the control fields."""
    fields, kept = _without(message, _control_names({name for name, _ in message.fields}))
    return Base(fields=fields, added=(), kept=kept, separator=message.separator, body=message.body)


def _control_names(names: Set[bytes]) -> Set[bytes]:
    return {name for name in names if name.startswith(CONTROL_PREFIX)}


def _without(message: Message, dropped: Set[bytes]) -> tuple[tuple[Field, ...], bytes]:
    """Return the fields that stay, one by one and joined."""
    fields = tuple([field for field in message.fields if field[0] not in dropped])
    if len(fields) == len(message.fields):
        return fields, message.head
    return fields, b"".join([raw for _, raw in fields])


def _made(name: bytes, value: bytes) -> Field:
    line = name + b": " + value
    if len(line) > MAX_LINE_OCTETS or not _ONE_LINE.fullmatch(line):  # catalogue L2
        raise RuleViolation(f"the {name.decode('ascii')} to add is no plain line")
    return Field(name.lower(), line + b"\r\n")


def _first_mailto(fields: Sequence[Field]) -> str | None:
    for field in fields:
        if field.name == LIST_UNSUBSCRIBE and (found := _THEIR_MAILTO.search(field.value)):
            uri = "mailto" + found[1][len(b"mailto") :].decode("latin-1")
            return uri if _is_mailto(uri) else None
    return None


def _is_mailto(uri: str) -> bool:
    return len(_MAILTO) < len(uri) <= MAX_LINE_OCTETS - _MAILTO_LINE_EXTRA and uri.startswith(_MAILTO) and _is_plain(uri)


def _is_plain(uri: str) -> bool:
    # Every copy passes here: to delete what is lawful and see nothing left takes a tenth of the time of a pattern.
    return uri.isascii() and not uri.encode("ascii").translate(None, _URI_CHARS) and not _BAD_PERCENT.search(uri)
