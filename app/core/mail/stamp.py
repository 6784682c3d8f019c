"""The two header fields that make an unsubscribe link, and what every copy of a message has in
common.

    List-Unsubscribe: <https://…>,
     <mailto:…>
    List-Unsubscribe-Post: List-Unsubscribe=One-Click

1. https first, then at most one mailto, nothing after the last `>` (RFC 8058 3.1, RFC 2369 2,
   catalogue H2).
2. Folded only at the comma, the URL on the first line, every line at most 500 octets, never an
   encoded word (H4–H6).
3. After stamping there is exactly one of each; what came with the mail goes by the brand's policy
   (H1, H13):

   | policy | the link fields that came |
   | --- | --- |
   | replace | go, ours come |
   | keep | one stays as it is (`app.core.mail.existing_fields`), ours come only where none can be followed |
   | merge | go, ours come; their first mailto stands behind our URL where we have none of our own |
   | reject | the mail is refused |

4. Nothing else changes: added fields stand above, all others keep bytes and order (H9). Control
   fields never leave (H20), and a stamped copy, which is one recipient's alone, does not tell of
   the blind ones (H11).
5. A DKIM-Signature that came and lists a field which we add or drop fails from here on; it stays or
   goes by the brand's policy (D10).

List-Unsubscribe-Post promises a signature over both fields (RFC 8058 4): the caller signs, or says
`signed=False` here and asks for links with `one_click=False` (H3).
"""

import re
from collections.abc import Collection, Set
from dataclasses import dataclass, replace

from app.core.errors import RuleViolation
from app.core.mail.controls import CONTROL_PREFIX
from app.core.mail.existing_fields import (
    DKIM_SIGNATURE,
    LINK_FIELDS,
    LIST_UNSUBSCRIBE,
    LIST_UNSUBSCRIBE_POST,
    ONE_CLICK,
    first_mailto,
    links_to_keep,
    signatures_over,
)
from app.core.mail.message import Field, Message
from app.core.model import ExistingHeader, ExistingSignature

__all__ = [
    "LIST_UNSUBSCRIBE",
    "LIST_UNSUBSCRIBE_POST",
    "STAMPED",
    "Base",
    "Links",
    "is_plain",
    "prepare",
    "stamp_fields",
    "unchanged",
]

STAMPED = LINK_FIELDS
_BLIND = frozenset((b"bcc",))

MAX_URI_CHARS = 250
MAX_LINE_OCTETS = 500
MAX_MAILTO_CHARS = MAX_LINE_OCTETS - len(" <>\r\n")

_ONE_CLICK_FIELD = b"List-Unsubscribe-Post: " + ONE_CLICK + b"\r\n"
# RFC 3986 2, less the characters at which readers of the field cut it: comma, semicolon, quotes
# (catalogue H7).
_URI_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&()*+=%"
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# a host in A-labels
_HTTPS = re.compile(r"https://(?:[A-Za-z0-9.-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]++)?(?:[/?#]|\Z)")
_MAILTO = "mailto:"
_ONE_LINE = re.compile(rb"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What one copy carries. `one_click` claims that a POST to the URL unsubscribes. Raises
    RuleViolation for a URI that cannot stand.
    """

    https_uri: str
    mailto_uri: str | None
    one_click: bool

    def __post_init__(self) -> None:
        if (
            len(self.https_uri) > MAX_URI_CHARS
            or not _HTTPS.match(self.https_uri)
            or not is_plain(self.https_uri)
        ):
            raise RuleViolation(
                f"the unsubscribe URL is no https URI of at most {MAX_URI_CHARS} plain characters"
            )
        if self.mailto_uri is not None and not _is_mailto(self.mailto_uri):
            raise RuleViolation(
                "the unsubscribe address is no mailto URI of plain characters that fits a line"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is the same in every copy of one message. A copy is: its own fields, `added`, `kept`,
    `separator`, `body`.
    """

    fields: tuple[Field, ...]  # all that every copy carries, added and kept, top first
    added: tuple[bytes, ...]
    kept: bytes  # the kept fields, joined
    separator: bytes
    body: memoryview
    # the List-Unsubscribe field that came with the mail stays, ours is not added
    keeps_theirs: bool = False
    their_mailto: str | None = None
    # that came with the mail and verify no longer, whether they stay or not
    broken_signatures: int = 0

    def stamp(self, links: Links) -> tuple[bytes, ...]:
        """Return the fields to put on top of one copy, empty when theirs stay; their mailto fills
        in where ours is absent (merge).
        """
        if self.keeps_theirs:
            return ()
        if self.their_mailto is not None and links.mailto_uri is None:
            return stamp_fields(replace(links, mailto_uri=self.their_mailto))
        return stamp_fields(links)

    def head(self, *top: bytes) -> bytes:
        """Return everything of a copy that stands before the body, with the copy's own fields on
        top.
        """
        return b"".join((*top, *self.added, self.kept, self.separator))


def stamp_fields(links: Links) -> tuple[bytes, ...]:
    """Return the List-Unsubscribe field and, when the links are one-click, List-Unsubscribe-Post;
    each raw with its CRLF.
    """
    second = f",\r\n <{links.mailto_uri}>" if links.mailto_uri is not None else ""
    field = f"List-Unsubscribe: <{links.https_uri}>{second}\r\n".encode("ascii")
    return (field, _ONE_CLICK_FIELD) if links.one_click else (field,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How one message is prepared, beside the policy for its links."""

    # links of ours will be stamped; without, theirs are the only way out of the list and never go
    # for ours
    has_links: bool = True
    signed: bool = True  # a signature of ours will cover the copy
    # each copy gets a body of its own, so that every signature that came breaks
    own_bodies: bool = False
    # what happens to signatures of others that we break
    signatures: ExistingSignature = ExistingSignature.KEEP
    # the downstream takes no second DKIM-Signature beside ours (catalogue D7)
    one_signature: bool = False


_USUAL = Handling()


def prepare(  # noqa: PLR0913 - what may stand in the head of a copy
    message: Message,
    *,
    existing: ExistingHeader,
    date: bytes,
    message_id: bytes,
    list_fields: Collection[tuple[bytes, bytes]] = (),
    handling: Handling = _USUAL,
) -> Base:
    """Return what all copies of a mail to be stamped share: control fields and Bcc dropped, Date
    and Message-ID added where missing.

    `date` and `message_id` are field values (RFC 6409 8, catalogue D3), `list_fields` names and
    values of further fields to add where missing. Raises RuleViolation when the mail has
    List-Unsubscribe fields and the brand's policy is to reject them.
    """
    names = {name for name, _ in message.fields}
    if existing is ExistingHeader.REJECT and not STAMPED.isdisjoint(names):
        raise RuleViolation("the mail already has a List-Unsubscribe field")
    wanted = ((b"Date", date), (b"Message-ID", message_id), *list_fields)
    added = [_made(name, value) for name, value in wanted if name.lower() not in names]
    unseen = _control_names(names) | (_BLIND & names)
    spared: Collection[Field] = ()
    broken: Collection[Field] = ()
    gone: Collection[Field] = ()
    changed = unseen.union([name for name, _ in added]) if added else unseen
    if handling.own_bodies:
        # as good as changed: all signatures cover it (RFC 6376 5.4), and all cover the body
        changed |= {b"from"}
    if LIST_UNSUBSCRIBE in names and (existing is ExistingHeader.KEEP or not handling.has_links):
        spared = _spared(message, changed, handling)
    if DKIM_SIGNATURE in names:
        broken = signatures_over(
            message.fields,
            changed | STAMPED if _links_change(message, spared, handling) else changed,
        )
        gone = _signatures_to_drop(message, broken, handling)
    dropped = unseen | STAMPED
    fields, kept = _without(message, dropped, spared=spared, gone=gone)
    return Base(
        fields=(*added, *fields),
        added=tuple([raw for _, raw in added]) if added else (),
        kept=kept,
        separator=message.separator,
        body=message.body,
        keeps_theirs=bool(spared),
        their_mailto=_their_mailto(message) if existing is ExistingHeader.MERGE else None,
        broken_signatures=len(broken),
    )


def _spared(message: Message, changed: Set[bytes], handling: Handling) -> Collection[Field]:
    """Return the link fields that stay."""
    kept = links_to_keep(message.fields, signed=handling.signed, changed=changed)
    if kept or handling.has_links:
        return kept
    return [field for field in message.fields if field.name == LIST_UNSUBSCRIBE]


def _links_change(message: Message, spared: Collection[Field], handling: Handling) -> bool:
    came = sum(1 for field in message.fields if field.name in STAMPED)
    return came != len(spared) or (handling.has_links and not spared)


def _signatures_to_drop(
    message: Message, broken: Collection[Field], handling: Handling
) -> Collection[Field]:
    if handling.one_signature and handling.signed:
        return [field for field in message.fields if field.name == DKIM_SIGNATURE]
    return broken if handling.signatures is ExistingSignature.STRIP else ()


def unchanged(message: Message) -> Base:
    """Return what all copies of a mail that is not stamped share: everything but the control
    fields.
    """
    fields, kept = _without(message, _control_names({name for name, _ in message.fields}))
    return Base(fields=fields, added=(), kept=kept, separator=message.separator, body=message.body)


def _control_names(names: Set[bytes]) -> frozenset[bytes]:
    return frozenset([name for name in names if name.startswith(CONTROL_PREFIX)])


def _without(
    message: Message,
    dropped: Set[bytes],
    *,
    spared: Collection[Field] = (),
    gone: Collection[Field] = (),
) -> tuple[tuple[Field, ...], bytes]:
    """Return the fields that stay, one by one and joined: of the dropped names only the spared, of
    others all but those gone.
    """
    if spared or gone:  # a field is meant by its place: another may have the same bytes
        stays, goes = {id(field) for field in spared}, {id(field) for field in gone}
        fields = tuple(
            [
                field
                for field in message.fields
                if (field[0] not in dropped or id(field) in stays) and id(field) not in goes
            ]
        )
    else:
        fields = tuple([field for field in message.fields if field[0] not in dropped])
    if len(fields) == len(message.fields):
        return fields, message.head
    return fields, b"".join([raw for _, raw in fields])


def _made(name: bytes, value: bytes) -> Field:
    line = name + b": " + value
    if len(line) > MAX_LINE_OCTETS or not _ONE_LINE.fullmatch(line):  # catalogue L2
        raise RuleViolation(f"the {name.decode('ascii')} to add is no plain line")
    return Field(name.lower(), line + b"\r\n")


def _their_mailto(message: Message) -> str | None:
    uri = first_mailto(message.fields)
    return uri if uri is not None and _is_mailto(uri) else None


def _is_mailto(uri: str) -> bool:
    return len(_MAILTO) < len(uri) <= MAX_MAILTO_CHARS and uri.startswith(_MAILTO) and is_plain(uri)


def is_plain(uri: str) -> bool:
    """Say whether text, all of a URI or a part of it, holds only what readers of the field leave
    whole.
    """
    # Every copy passes here: to delete what is lawful and see nothing left takes a tenth of the
    # time of a pattern.
    return (
        uri.isascii()
        and not uri.encode("ascii").translate(None, _URI_CHARS)
        and not _BAD_PERCENT.search(uri)
    )
