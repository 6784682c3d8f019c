"""The `X-Signoff-*` fields: what the sender says about one mail, read strictly.

1. A field that cannot be understood is refused: guessing would send wrong mail. So is a name that
   begins as ours and is none of them.
2. So is a name that only a sender of ours can mean: with at most one slip in `Signoff` and one in
   what follows (`X-Singoff-Groups`, `X-Signof-Campain`), or one of ours but for its punctuation and
   one slip (`Signoff-Groups`, `X-Sign-Off-Group`). A slip of the pen is one letter too many, one
   too few, another one, or two that changed places. All of a name counts, so no field of other
   software is that close: `X-Sign-Off-By`, `X-Signup-Groups` and `X-Spinoff-Test` are left alone.
3. Mail software encodes and folds what it does not know, so encoded words (RFC 2047) are read, and
   a fold is a space.
4. Every `X-Signoff-*` field is dropped before a mail leaves (`app.core.mail.stamp`).

The text of each error names the field and the fault. The sender reads it in the SMTP reply, so
foreign text in it is bounded and escaped.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from app.core.errors import MarkingInvalid
from app.core.groups import ALL, folded_name
from app.core.mail.attributes import NO_ATTRIBUTES, Attributes, read_attributes
from app.core.mail.field_text import decoded
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, CampaignId, GroupId, MailClass
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

MAX_CAMPAIGN_OCTETS = 200
MAX_GROUPS = 50
MAX_GROUP_CHARS = 100

_FORBIDDEN_IN_GROUP = frozenset("<>")  # as `app.core.groups`: no group is called so
# Unicode categories: control, surrogate, line and paragraph separator
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_YES_NO: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
_LIKE_OURS = 0.8  # how close a name must come to one of ours to be told as the one that was meant
_PUNCTUATION = re.compile(rb"[^a-z0-9]+")
_OURS = b"signoff"
_ENDINGS = tuple(_PUNCTUATION.sub(b"", name.removeprefix(CONTROL_PREFIX)) for name in NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the control fields of one mail say. Groups are as the sender names them: by id or by
    name.
    """

    class_: MailClass | None = None
    campaign: CampaignId = NO_CAMPAIGN
    groups: tuple[GroupId, ...] = ()
    required: tuple[GroupId, ...] = ()
    excluded: tuple[GroupId, ...] = ()
    override: bool = False
    test: bool = False
    attributes: Attributes = NO_ATTRIBUTES


_SILENT = Controls()


def read(message: Message) -> Controls:
    """Return what the control fields say.

    Raises MarkingInvalid for a name that is none of theirs, and for a field that is repeated or has
    a value outside its rules.
    """
    found = _controls_among(message.fields)
    if not found:
        return _SILENT
    texts: dict[bytes, str] = {}
    for one in found:
        if one.name not in NAMES:
            raise MarkingInvalid(_unknown(one))
        if one.name in texts:
            raise MarkingInvalid(f"{NAMES[one.name]} stands more than once")
        texts[one.name] = _text(one)
    return Controls(
        class_=_class(texts),
        campaign=_campaign(texts),
        groups=_groups(texts, GROUPS),
        required=_groups(texts, REQUIRED),
        excluded=_groups(texts, EXCLUDED),
        override=_yes(texts, OVERRIDE),
        test=_yes(texts, TEST),
        attributes=read_attributes(texts[ATTRIBUTES]) if ATTRIBUTES in texts else NO_ATTRIBUTES,
    )


def refuse_unheard(message: Message, whose: str) -> None:
    """Raise MarkingInvalid when a mail whose marks nobody will obey bears some; `whose` says why
    nobody will.
    """
    found = _controls_among(message.fields)
    if found:
        raise MarkingInvalid(
            f"{plain(found[0].raw[: len(found[0].name)].decode('ascii'))} stands in a mail {whose}"
        )


def is_group_name(name: str) -> bool:
    """Say whether a group may be called so, by its id or its name."""
    # somebody's list syntax, not a name; a group that is called so goes by its id
    quoted = name[:1] == name[-1:] == '"'
    if not 0 < len(name) <= MAX_GROUP_CHARS or quoted or not _FORBIDDEN_IN_GROUP.isdisjoint(name):
        return False
    return is_printable(name) and folded_name(name) != ALL


def is_printable(text: str) -> bool:
    """Say whether text can stand in a log line and in a header field (catalogue L2)."""
    return text.isprintable() or not any(
        unicodedata.category(char) in _UNPRINTABLE for char in text
    )


def _text(field: Field) -> str:
    name = NAMES[field.name]
    try:
        text = field.value.decode()
    except UnicodeDecodeError as exc:
        raise MarkingInvalid(f"{name} is not UTF-8") from exc
    try:
        # a tab is what some software folds with
        text = decoded(text.replace("\t", " ").strip(" "), errors="strict")
    except ValueError as exc:
        raise MarkingInvalid(f"{name} {exc}") from exc
    if not text:
        raise MarkingInvalid(f"{name} is empty")
    if not is_printable(text):
        raise MarkingInvalid(f"{name} holds a control character")
    return text


def _class(texts: Mapping[bytes, str]) -> MailClass | None:
    if CLASS not in texts:
        return None
    try:
        return MailClass(texts[CLASS].lower())
    except ValueError as exc:
        raise MarkingInvalid("X-Signoff-Class is neither promotional nor transactional") from exc


def _campaign(texts: Mapping[bytes, str]) -> CampaignId:
    campaign = texts.get(CAMPAIGN, NO_CAMPAIGN)
    if len(campaign.encode()) > MAX_CAMPAIGN_OCTETS:
        raise MarkingInvalid(f"X-Signoff-Campaign is longer than {MAX_CAMPAIGN_OCTETS} octets")
    return CampaignId(campaign)


def _groups(texts: Mapping[bytes, str], field: bytes) -> tuple[GroupId, ...]:
    if field not in texts:
        return ()
    names = tuple(dict.fromkeys(name.strip(" ") for name in texts[field].split(",")))
    if len(names) > MAX_GROUPS:
        raise MarkingInvalid(f"{NAMES[field]} names more than {MAX_GROUPS} groups")
    for name in names:
        if folded_name(name) == ALL:
            raise MarkingInvalid(
                f'{NAMES[field]} holds "{plain(name)}", the word for all mail of the brand, which is no group'
            )
        if not is_group_name(name):
            raise MarkingInvalid(
                f'{NAMES[field]} holds "{plain(name)}", a name that no group can have'
            )
    return tuple(map(GroupId, names))


def _yes(texts: Mapping[bytes, str], field: bytes) -> bool:
    answer = texts.get(field, "no").lower()
    if answer not in _YES_NO:
        raise MarkingInvalid(f"{NAMES[field]} is neither yes nor no")
    return _YES_NO[answer]


def _controls_among(fields: Iterable[Field]) -> list[Field]:
    """Return the fields that are ours by their names, or are meant to be."""
    return [field for field in fields if _is_meant(field[0])]


def _unknown(field: Field) -> str:
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
