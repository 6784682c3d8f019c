"""The names of the `X-Signoff-*` fields, and which other names are meant for them.

A name that begins as ours and is none of them is refused. So is one that only a sender of ours can
mean: with at most one slip in `Signoff` and one in what follows (`X-Singoff-Groups`,
`X-Signof-Campain`), or one of ours but for its punctuation and one slip (`Signoff-Groups`,
`X-Sign-Off-Group`). A slip of the pen is one letter too many, one too few, another one, or two that
changed places. All of a name counts, so no field of other software is that close: `X-Sign-Off-By`,
`X-Signup-Groups` and `X-Spinoff-Test` are left alone.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from app.core.mail.message import Field
from app.core.visible import plain

CONTROL_PREFIX = b"x-signoff"

CLASS, CAMPAIGN, TEST = b"x-signoff-class", b"x-signoff-campaign", b"x-signoff-test"
GROUPS, REQUIRED, EXCLUDED = (
    b"x-signoff-groups",
    b"x-signoff-require-groups",
    b"x-signoff-exclude-groups",
)
OVERRIDE, ATTRIBUTES = b"x-signoff-override-opt-out", b"x-signoff-user-attributes"
NAMES: Mapping[bytes, str] = MappingProxyType(
    {
        CLASS: "X-Signoff-Class",
        CAMPAIGN: "X-Signoff-Campaign",
        TEST: "X-Signoff-Test",
        GROUPS: "X-Signoff-Groups",
        REQUIRED: "X-Signoff-Require-Groups",
        EXCLUDED: "X-Signoff-Exclude-Groups",
        OVERRIDE: "X-Signoff-Override-Opt-Out",
        ATTRIBUTES: "X-Signoff-User-Attributes",
    }
)

_LIKE_OURS = 0.8  # how close a name must come to one of ours to be told as the one that was meant
_PUNCTUATION = re.compile(rb"[^a-z0-9]+")
_OURS = b"signoff"
_ENDINGS = tuple(_PUNCTUATION.sub(b"", name.removeprefix(CONTROL_PREFIX)) for name in NAMES)


def controls_among(fields: Iterable[Field]) -> list[Field]:
    """Return the fields that are ours by their names, or are meant to be."""
    return [field for field in fields if _is_meant(field[0])]


def unknown(field: Field) -> str:
    """Say which field nobody knows, and which one may have been meant."""
    name = field.raw[: len(field.name)].decode("ascii")
    known = {ours.lower(): ours for ours in NAMES.values()}
    meant = difflib.get_close_matches(name[:100].lower(), known, n=1, cutoff=_LIKE_OURS)
    return f"{plain(name)} is no field of ours" + "".join(
        f"; did you mean {known[one]}?" for one in meant
    )


@lru_cache(maxsize=1024)  # the mails of a sender have the same fields
def _is_meant(name: bytes) -> bool:
    if name.startswith(CONTROL_PREFIX):
        return True
    if b"ff" not in name and b"sig" not in name:  # one slip leaves one of them
        return False
    letters = _PUNCTUATION.sub(b"", name).removeprefix(b"x")
    word, _, rest = name.replace(b"_", b"-").removeprefix(b"x-").partition(b"-")
    ending = _PUNCTUATION.sub(b"", rest)
    return any(
        _are_within_a_slip(letters, _OURS + ours)
        or (_are_within_a_slip(word, _OURS) and _are_within_a_slip(ending, ours))
        for ours in _ENDINGS
    )


def _are_within_a_slip(one: bytes, other: bytes) -> bool:
    """Say whether one slip at most makes one of the other: the edit distance, with two letters that
    changed places as one edit.
    """
    if abs(len(one) - len(other)) > 1:
        return False
    start = next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )
    one, other = one[start:], other[start:]
    return (
        one[1:] == other[1:]
        or one[1:] == other
        or one == other[1:]
        or (one[:2] == other[1::-1] and one[2:] == other[2:])
    )
