"""Subscription groups: what a group may be called, and how its id becomes the fixed-width key of
tokens and records.

A name is unique in the brand without regard to case, and an archived group keeps its name: so
restoring never fails for a name, and a page of an old mail that knows groups by name, as
CleverTap's do, never finds another group under it. Rename the archived one to free its name.
"""

import hashlib
import re
import unicodedata

from app.core.errors import RuleViolation
from app.core.model import GroupId, GroupKey

EVERYTHING = GroupKey(0)  # all mail of the brand
ALL = "all"  # the word for it wherever groups are named, so no group is called so
MOST_ACTIVE = 50  # as at CleverTap: archive some to create new ones
MOST_GROUPS = 1000  # of one brand, archived ones too: every page of the brand reads them all
MAX_NAME_CHARS = 100
MAX_DESCRIPTION_CHARS = 500

# pages written for CleverTap put names into innerHTML; without these no text becomes an element
# there
_FORBIDDEN = frozenset("<>")
_UNPRINTABLE = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))  # Unicode categories
# they would reorder what stands beside
_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NO_SLUG = re.compile(r"[^a-z0-9]+")
_SLUG_CHARS = 48


def group_key(group: GroupId) -> GroupKey:
    """Return the 32-bit key of a group id; stable for ever, since tokens and stored records hold
    it. Never `EVERYTHING`.
    """
    key = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big")
    return GroupKey(key or 1)


def checked_name(text: str) -> str:
    """Return a group's name in NFC with single spaces. Raises RuleViolation when it is empty, too
    long or holds what no name may.
    """
    name = _checked(text, "name", most=MAX_NAME_CHARS)
    if not name:
        raise RuleViolation("the name of a group is empty")
    if folded_name(name) in (ALL, "*"):
        raise RuleViolation(f"`{name}` stands for all mail, so no group can be called so")
    return name


def checked_description(text: str) -> str:
    """Return a group's description as `checked_name` does; it may be empty."""
    return _checked(text, "description", most=MAX_DESCRIPTION_CHARS)


def checked_id(text: str) -> GroupId:
    """Return an id that somebody chose. Raises RuleViolation."""
    if not _ID.fullmatch(text):
        raise RuleViolation(
            "the id of a group is 1 to 64 letters, digits, '.', '-' and '_', the first a letter or"
            " digit"
        )
    if folded_name(text) == ALL:
        raise RuleViolation(f"`{ALL}` stands for all mail, so no group can be called so")
    return GroupId(text)


def folded_name(name: str) -> str:
    """Return the form in which two names are compared."""
    return unicodedata.normalize("NFKC", name).casefold()


def slug(name: str) -> GroupId:
    """Return the id that a name gives: `Product News` becomes `product-news`; a name without Latin
    letters gives a hash of itself.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    text = _NO_SLUG.sub("-", plain).strip("-")[:_SLUG_CHARS].rstrip("-")
    return GroupId(text or f"group-{hashlib.sha256(name.encode()).hexdigest()[:8]}")


def usual_id(name: str) -> GroupId:
    """Return the id that a group gets from its name: the name itself where it could be an id in
    lower case, else its slug. So what recipients say about a name that no group has yet is said
    about the group that is made of it.
    """
    is_id = _ID.fullmatch(name) and name == name.lower() and name != ALL
    return GroupId(name) if is_id else slug(name)


def _checked(text: str, part: str, *, most: int) -> str:
    if any(
        unicodedata.category(char) in _UNPRINTABLE for char in text
    ) or not _DIRECTION.isdisjoint(text):
        raise RuleViolation(f"the {part} of a group holds a control character")
    cleaned = " ".join(unicodedata.normalize("NFC", text).split())
    if len(cleaned) > most:
        raise RuleViolation(f"the {part} of a group is longer than {most} characters")
    if not _FORBIDDEN.isdisjoint(cleaned):
        raise RuleViolation(f"the {part} of a group may hold neither < nor >")
    return cleaned
