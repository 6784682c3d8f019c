"""The `X-Signoff-*` fields: what the sender says about one mail, read strictly.

A field that cannot be understood is refused, and so is a name that we do not know: guessing would send wrong mail. Mail software encodes
and folds what it does not know, so encoded words (RFC 2047) are read, and a fold is a space. Every `X-Signoff-*` field is dropped before a
mail leaves (`app.core.mail.stamp`).

The text of each error names the field and the fault. The sender reads it in the SMTP reply, so foreign text in it is bounded and escaped.
"""

import binascii
import difflib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from app.core.address import checked, identity
from app.core.errors import AddressInvalid, MarkingInvalid
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, CampaignId, GroupId, MailClass
from app.core.visible import plain

CONTROL_PREFIX = b"x-signoff"

MAX_CAMPAIGN_OCTETS = 200
MAX_GROUPS = 50
MAX_GROUP_CHARS = 100
MAX_ATTRIBUTES_OCTETS = 8192  # of one recipient
MAX_ATTRIBUTE_MAP_OCTETS = 65_536  # of all recipients of a message

_CLASS, _CAMPAIGN, _TEST = b"x-signoff-class", b"x-signoff-campaign", b"x-signoff-test"
_GROUPS, _REQUIRED, _EXCLUDED = b"x-signoff-groups", b"x-signoff-require-groups", b"x-signoff-exclude-groups"
_OVERRIDE, _ATTRIBUTES = b"x-signoff-override-opt-out", b"x-signoff-user-attributes"
_NAMES: Mapping[bytes, str] = MappingProxyType(
    {
        _CLASS: "X-Signoff-Class",
        _CAMPAIGN: "X-Signoff-Campaign",
        _TEST: "X-Signoff-Test",
        _GROUPS: "X-Signoff-Groups",
        _REQUIRED: "X-Signoff-Require-Groups",
        _EXCLUDED: "X-Signoff-Exclude-Groups",
        _OVERRIDE: "X-Signoff-Override-Opt-Out",
        _ATTRIBUTES: "X-Signoff-User-Attributes",
    }
)
_LIKE_OURS = 0.8  # how close a name must come to one of ours to be taken for a slip of the pen

_FORBIDDEN_IN_GROUP = frozenset("<>")  # as `app.core.groups`: no group is called so
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))  # Unicode categories: control, surrogate, line and paragraph separator
_YES_NO: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9-]+)(?:\*[A-Za-z0-9-]+)?\?([bqBQ])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
_CHARSETS = frozenset(("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"))
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What the sender says of people: of the one recipient (`flat`), or of each (`by_address`, whose keys are as `identity` gives them)."""

    flat: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    by_address: Mapping[str, Mapping[str, str]] | None = None

    def of(self, address: str) -> Mapping[str, str]:
        """Return what is said of one recipient, nothing for an address that a map does not name. Raises AddressInvalid."""
        return self.flat if self.by_address is None else self.by_address.get(identity(address), _NOTHING)


NO_ATTRIBUTES = Attributes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the control fields of one mail say. Groups are as the sender names them: by id or by name."""

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

    Raises MarkingInvalid for a name that is none of theirs, and for a field that is repeated or has a value outside its rules.
    """
    found = [field for field in message.fields if field[0].startswith(CONTROL_PREFIX)]
    if not found:
        return _SILENT
    texts: dict[bytes, str] = {}
    for one in found:
        if one.name not in _NAMES:
            raise MarkingInvalid(_unknown(one))
        if one.name in texts:
            raise MarkingInvalid(f"{_NAMES[one.name]} stands more than once")
        texts[one.name] = _text(one)
    return Controls(
        class_=_class(texts),
        campaign=_campaign(texts),
        groups=_groups(texts, _GROUPS),
        required=_groups(texts, _REQUIRED),
        excluded=_groups(texts, _EXCLUDED),
        override=_yes(texts, _OVERRIDE),
        test=_yes(texts, _TEST),
        attributes=_attributes(texts),
    )


def is_group_name(name: str) -> bool:
    """Say whether a group may be called so, by its id or its name."""
    quoted = name[:1] == name[-1:] == '"'  # somebody's list syntax, not a name; a group that is called so goes by its id
    return 0 < len(name) <= MAX_GROUP_CHARS and not quoted and _FORBIDDEN_IN_GROUP.isdisjoint(name) and is_printable(name)


def is_printable(text: str) -> bool:
    """Say whether text can stand in a log line and in a header field (catalogue L2)."""
    return text.isprintable() or not any(unicodedata.category(char) in _UNPRINTABLE for char in text)


def _unknown(field: Field) -> str:
    """Say which field nobody knows, and which one may have been meant."""
    name = field.raw[: len(field.name)].decode("ascii")
    known = {ours.lower(): ours for ours in _NAMES.values()}
    meant = difflib.get_close_matches(name[:100].lower(), known, n=1, cutoff=_LIKE_OURS)
    return f"{plain(name)} is no field of ours" + "".join(f"; did you mean {known[one]}?" for one in meant)


def _text(field: Field) -> str:
    name = _NAMES[field.name]
    try:
        text = _decoded(name, field.value.decode().replace("\t", " ").strip(" "))  # a tab is what some software folds with
    except UnicodeDecodeError as exc:
        raise MarkingInvalid(f"{name} is not UTF-8") from exc
    if not text:
        raise MarkingInvalid(f"{name} is empty")
    if not is_printable(text):
        raise MarkingInvalid(f"{name} holds a control character")
    return text


def _decoded(name: str, value: str) -> str:
    """Return a value with its encoded words read, white space between two of them dropped (RFC 2047 6.2)."""
    return _ENCODED_WORD.sub(lambda word: _word(name, word), _BETWEEN_WORDS.sub("", value)) if "=?" in value else value


def _word(name: str, found: re.Match[str]) -> str:
    charset, encoding, text = found[1].lower(), found[2].lower(), found[3].encode()
    if charset not in _CHARSETS:
        raise MarkingInvalid(f"{name} holds an encoded word in a charset that is not read here")
    try:
        if encoding == "b":
            return binascii.a2b_base64(text).decode(charset)
        return _HEX.sub(lambda byte: bytes.fromhex(byte[1].decode("ascii")), text.replace(b"_", b" ")).decode(charset)
    except binascii.Error as exc:
        raise MarkingInvalid(f"{name} holds an encoded word that is not Base64") from exc


def _class(texts: Mapping[bytes, str]) -> MailClass | None:
    if _CLASS not in texts:
        return None
    try:
        return MailClass(texts[_CLASS].lower())
    except ValueError as exc:
        raise MarkingInvalid("X-Signoff-Class is neither promotional nor transactional") from exc


def _campaign(texts: Mapping[bytes, str]) -> CampaignId:
    campaign = texts.get(_CAMPAIGN, NO_CAMPAIGN)
    if len(campaign.encode()) > MAX_CAMPAIGN_OCTETS:
        raise MarkingInvalid(f"X-Signoff-Campaign is longer than {MAX_CAMPAIGN_OCTETS} octets")
    return CampaignId(campaign)


def _groups(texts: Mapping[bytes, str], field: bytes) -> tuple[GroupId, ...]:
    if field not in texts:
        return ()
    names = tuple(dict.fromkeys(name.strip(" ") for name in texts[field].split(",")))
    if len(names) > MAX_GROUPS:
        raise MarkingInvalid(f"{_NAMES[field]} names more than {MAX_GROUPS} groups")
    for name in names:
        if not is_group_name(name):
            raise MarkingInvalid(f'{_NAMES[field]} holds "{plain(name)}", a name that no group can have')
    return tuple(map(GroupId, names))


def _yes(texts: Mapping[bytes, str], field: bytes) -> bool:
    answer = texts.get(field, "no").lower()
    if answer not in _YES_NO:
        raise MarkingInvalid(f"{_NAMES[field]} is neither yes nor no")
    return _YES_NO[answer]


def _attributes(texts: Mapping[bytes, str]) -> Attributes:
    """Return the attributes as text, numbers spelled as they came; null is as good as absent."""
    if _ATTRIBUTES not in texts:
        return NO_ATTRIBUTES
    text = texts[_ATTRIBUTES]
    _check_length(text, MAX_ATTRIBUTE_MAP_OCTETS, "")
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise MarkingInvalid("X-Signoff-User-Attributes is no JSON") from exc
    if not isinstance(found, dict):
        raise MarkingInvalid("X-Signoff-User-Attributes is no JSON object")
    people = {address: values for address, values in found.items() if isinstance(values, dict)}
    if not people:
        _check_length(text, MAX_ATTRIBUTES_OCTETS, " for one recipient")
        return Attributes(flat=_values(found))
    if len(people) < len(found):
        raise MarkingInvalid("X-Signoff-User-Attributes holds values beside objects: write values, or one object for each address")
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
            raise MarkingInvalid(f"X-Signoff-User-Attributes: name {number} is no address, though it has an object") from exc
        if key in people:
            raise MarkingInvalid(f"X-Signoff-User-Attributes: name {number} is an address that stands there already")
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
    return MappingProxyType({name: _value(value) for name, value in found.items() if value is not None})


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise MarkingInvalid("X-Signoff-User-Attributes holds a value that is neither text nor number, true, false or null")
    if not value.isascii() and any(unicodedata.category(char) == "Cs" for char in value):
        raise MarkingInvalid("X-Signoff-User-Attributes holds half a character")
    return value
