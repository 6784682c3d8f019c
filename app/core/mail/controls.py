"""The `X-Signoff-*` fields: what the sender says about one mail, read strictly.

A field that cannot be understood is refused, and so is a name that we do not know, or one so close
to ours that nobody else can be meant (`app.core.mail.control_names`): guessing would send wrong
mail. Mail software encodes and folds what it does not know, so encoded words (RFC 2047) are read,
and a fold is a space. Every `X-Signoff-*` field is dropped before a mail leaves
(`app.core.mail.stamp`).

The text of each error names the field and the fault. The sender reads it in the SMTP reply, so
foreign text in it is bounded and escaped.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from app.core.address import checked, identity
from app.core.errors import AddressInvalid, MarkingInvalid
from app.core.groups import ALL, folded_name
from app.core.mail.control_names import (
    ATTRIBUTES,
    CAMPAIGN,
    CLASS,
    EXCLUDED,
    GROUPS,
    NAMES,
    OVERRIDE,
    REQUIRED,
    TEST,
    controls_among,
    unknown,
)
from app.core.mail.field_text import decoded
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, CampaignId, GroupId, MailClass
from app.core.visible import plain

MAX_CAMPAIGN_OCTETS = 200
MAX_GROUPS = 50
MAX_GROUP_CHARS = 100
MAX_ATTRIBUTES_OCTETS = 8192  # of one recipient
MAX_ATTRIBUTE_MAP_OCTETS = 65_536  # of all recipients of a message

_FORBIDDEN_IN_GROUP = frozenset("<>")  # as `app.core.groups`: no group is called so
# Unicode categories: control, surrogate, line and paragraph separator
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_YES_NO: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What the sender says of people: of the one recipient (`flat`), or of each (`by_address`,
    whose keys are as `identity` gives them).
    """

    flat: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    by_address: Mapping[str, Mapping[str, str]] | None = None

    def of(self, address: str) -> Mapping[str, str]:
        """Return what is said of one recipient, nothing for an address that a map does not name.
        Raises AddressInvalid.
        """
        return (
            self.flat
            if self.by_address is None
            else self.by_address.get(identity(address), _NOTHING)
        )


NO_ATTRIBUTES = Attributes()


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
    found = controls_among(message.fields)
    if not found:
        return _SILENT
    texts: dict[bytes, str] = {}
    for one in found:
        if one.name not in NAMES:
            raise MarkingInvalid(unknown(one))
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
        attributes=_attributes(texts),
    )


def refuse_unheard(message: Message, whose: str) -> None:
    """Raise MarkingInvalid when a mail whose marks nobody will obey bears some; `whose` says why
    nobody will.
    """
    found = controls_among(message.fields)
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
                f'{NAMES[field]} holds "{plain(name)}", the word for all mail of the brand, which'
                " is no group"
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


def _attributes(texts: Mapping[bytes, str]) -> Attributes:
    """Return the attributes as text, numbers spelled as they came; null is as good as absent."""
    if ATTRIBUTES not in texts:
        return NO_ATTRIBUTES
    text = texts[ATTRIBUTES]
    _check_length(text, MAX_ATTRIBUTE_MAP_OCTETS, "")
    try:
        found = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as exc:
        raise MarkingInvalid("X-Signoff-User-Attributes is no JSON") from exc
    if not isinstance(found, dict):
        raise MarkingInvalid("X-Signoff-User-Attributes is no JSON object")
    people = {address: values for address, values in found.items() if isinstance(values, dict)}
    if not people:
        _check_length(text, MAX_ATTRIBUTES_OCTETS, " for one recipient")
        return Attributes(flat=_values(found))
    if len(people) < len(found):
        raise MarkingInvalid(
            "X-Signoff-User-Attributes holds values beside objects: write values, or one object for"
            " each address"
        )
    return Attributes(by_address=_by_address(people))


def _check_length(text: str, most: int, whose: str) -> None:
    if len(text.encode()) > most:
        raise MarkingInvalid(f"X-Signoff-User-Attributes is longer than {most} octets{whose}")


def _by_address(found: Mapping[str, Mapping[str, object]]) -> Mapping[str, Mapping[str, str]]:
    people: dict[str, Mapping[str, str]] = {}
    for number, (address, values) in enumerate(found.items(), start=1):
        try:
            key = identity(checked(address))
        except (AddressInvalid, UnicodeEncodeError) as exc:
            raise MarkingInvalid(
                f"X-Signoff-User-Attributes: name {number} is no address, though it has an object"
            ) from exc
        if key in people:
            raise MarkingInvalid(
                f"X-Signoff-User-Attributes: name {number} is an address that stands there already"
            )
        people[key] = _values(values)
    return MappingProxyType(people)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MarkingInvalid("X-Signoff-User-Attributes holds a name twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _values(found: Mapping[str, object]) -> Mapping[str, str]:
    if any(not _is_whole(name) for name in found):
        raise MarkingInvalid("X-Signoff-User-Attributes holds half a character in a name")
    return MappingProxyType(
        {name: _value(value) for name, value in found.items() if value is not None}
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise MarkingInvalid(
            "X-Signoff-User-Attributes holds a value that is neither text nor number, true, false"
            " or null"
        )
    if not _is_whole(value):
        raise MarkingInvalid("X-Signoff-User-Attributes holds half a character")
    return value


def _is_whole(text: str) -> bool:
    """Say whether no half of a character stands alone in a text, as JSON can spell it; it could
    neither be encoded nor hashed.
    """
    return text.isascii() or not any(unicodedata.category(char) == "Cs" for char in text)
