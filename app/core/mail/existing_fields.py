"""The link fields and signatures that come with a mail: what of them may stay in a copy. Serves
catalogue H1, H3, H13, D10.

Where a brand keeps the links that came, one List-Unsubscribe field stays, byte for byte: the first
with an https link, else the first with any. A field without a link that readers could follow is
none. List-Unsubscribe-Post is a promise, so it stays only beside an https link, in its exact
wording, and under a signature: ours, or one of theirs that lists both fields (RFC 8058 3.1, 4).
"""

import re
from collections.abc import Sequence, Set

from app.core.mail.message import Field

LIST_UNSUBSCRIBE = b"list-unsubscribe"
LIST_UNSUBSCRIBE_POST = b"list-unsubscribe-post"
LINK_FIELDS = frozenset((LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST))
ONE_CLICK = b"List-Unsubscribe=One-Click"
DKIM_SIGNATURE = b"dkim-signature"

_LINK = re.compile(rb"<[ \t]*+(?:https?://|mailto:)[^<>]", re.IGNORECASE)
_HTTPS_LINK = re.compile(rb"<[ \t]*+https://[^<>]", re.IGNORECASE)
_MAILTO = re.compile(rb"<(mailto:[^<>\s]++)>", re.IGNORECASE)


def links_to_keep(
    fields: Sequence[Field], *, signed: bool, changed: Set[bytes]
) -> tuple[Field, ...]:
    """Return the List-Unsubscribe field that may stay, and with it -Post; none when no field holds
    a link.

    `signed`: a signature of ours will cover them. `changed`: names of other fields that are added
    or dropped, which breaks a signature.
    """
    links = [
        field for field in fields if field.name == LIST_UNSUBSCRIBE and _LINK.search(field.value)
    ]
    if not links:
        return ()
    link = next((field for field in links if _HTTPS_LINK.search(field.value)), links[0])
    post = next(
        (
            field
            for field in fields
            if field.name == LIST_UNSUBSCRIBE_POST and field.value.strip() == ONE_CLICK
        ),
        None,
    )
    if post is None or not _HTTPS_LINK.search(link.value):
        return (link,)
    return (link, post) if signed or _are_covered(fields, changed) else (link,)


def first_mailto(fields: Sequence[Field]) -> str | None:
    """Return the first mailto URI of the List-Unsubscribe fields, its scheme in lower case."""
    for field in fields:
        if field.name == LIST_UNSUBSCRIBE and (found := _MAILTO.search(field.value)):
            return "mailto" + found[1][len(b"mailto") :].decode("latin-1")
    return None


def signatures_over(fields: Sequence[Field], changed: Set[bytes]) -> tuple[Field, ...]:
    """Return the DKIM-Signature fields that list one of these names: when such a field is added,
    changed or dropped, they fail.
    """
    return tuple(
        [field for field in _signatures(fields) if not changed.isdisjoint(_signed_names(field))]
    )


def _are_covered(fields: Sequence[Field], changed: Set[bytes]) -> bool:
    """Say whether a signature that came covers both link fields, and is not broken by what
    changes.
    """
    covered = [_signed_names(field) for field in _signatures(fields)]
    return any(names >= LINK_FIELDS and names.isdisjoint(changed) for names in covered)


def _signatures(fields: Sequence[Field]) -> Sequence[Field]:
    return [field for field in fields if field.name == DKIM_SIGNATURE]


def _signed_names(signature: Field) -> frozenset[bytes]:
    """Return what `h=` lists (RFC 6376 3.5), in lower case."""
    for tag in signature.value.split(b";"):
        name, _, value = tag.partition(b"=")
        if name.strip() == b"h":
            return frozenset(part.strip().lower() for part in value.split(b":"))
    return frozenset()
