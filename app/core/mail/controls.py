"""The `X-Signoff-*` fields: what the sender says about one mail, read strictly.

A field that cannot be understood is refused: guessing its meaning would send wrong mail. Mail software encodes and folds what it does not
know, so encoded words (RFC 2047) are read, and a fold is a space. Every `X-Signoff-*` field is dropped before a mail leaves, known or not
(`app.core.mail.stamp`, catalogue H20).
"""

import binascii
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from app.core.errors import MarkingInvalid
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, CampaignId, GroupId, MailClass

CONTROL_PREFIX = b"x-signoff-"

MAX_CAMPAIGN_OCTETS = 200
MAX_GROUPS = 50
MAX_GROUP_CHARS = 100
MAX_ATTRIBUTES_OCTETS = 8192

_CLASS, _CAMPAIGN, _TEST = b"x-signoff-class", b"x-signoff-campaign", b"x-signoff-test"
_GROUPS, _REQUIRED, _EXCLUDED = b"x-signoff-groups", b"x-signoff-require-groups", b"x-signoff-exclude-groups"
_OVERRIDE, _ATTRIBUTES = b"x-signoff-override-opt-out", b"x-signoff-user-attributes"
_CONTROLS = frozenset((_CLASS, _CAMPAIGN, _TEST, _GROUPS, _REQUIRED, _EXCLUDED, _OVERRIDE, _ATTRIBUTES))

_FORBIDDEN_IN_GROUP = frozenset("<>")  # as `app.core.groups`: no group is called so
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))  # Unicode categories: control, surrogate, line and paragraph separator
_YES_NO: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9-]+)(?:\*[A-Za-z0-9-]+)?\?([bqBQ])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
_CHARSETS = frozenset(("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"))
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


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
    attributes: Mapping[str, str] = field(default_factory=lambda: _NO_ATTRIBUTES)


_SILENT = Controls()


def read(message: Message) -> Controls:
    """Return what the control fields say. Raises MarkingInvalid for one that is repeated or has a value outside its rules."""
    found = [field for field in message.fields if field[0] in _CONTROLS]
    if not found:
        return _SILENT
    texts = {field.name: _text(field) for field in found}
    if len(texts) < len(found):
        raise MarkingInvalid("an x-signoff field stands more than once")
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


def _text(field: Field) -> str:
    name = field.name.decode("ascii")
    try:
        text = _decoded(field.value.decode().replace("\t", " ").strip(" "))  # a tab is what some software folds with
    except UnicodeDecodeError as exc:
        raise MarkingInvalid(f"{name} is not UTF-8") from exc
    if not text:
        raise MarkingInvalid(f"{name} is empty")
    if not is_printable(text):
        raise MarkingInvalid(f"{name} holds a control character")
    return text


def _decoded(text: str) -> str:
    """Return a value with its encoded words read, white space between two of them dropped (RFC 2047 6.2)."""
    return _ENCODED_WORD.sub(_word, _BETWEEN_WORDS.sub("", text)) if "=?" in text else text


def _word(found: re.Match[str]) -> str:
    charset, encoding, text = found[1].lower(), found[2].lower(), found[3].encode()
    if charset not in _CHARSETS:
        raise MarkingInvalid("an x-signoff field holds an encoded word in a charset that is not read here")
    try:
        if encoding == "b":
            return binascii.a2b_base64(text).decode(charset)
        return _HEX.sub(lambda byte: bytes.fromhex(byte[1].decode("ascii")), text.replace(b"_", b" ")).decode(charset)
    except binascii.Error as exc:
        raise MarkingInvalid("an x-signoff field holds an encoded word that is not Base64") from exc


def _class(texts: Mapping[bytes, str]) -> MailClass | None:
    if _CLASS not in texts:
        return None
    try:
        return MailClass(texts[_CLASS].lower())
    except ValueError as exc:
        raise MarkingInvalid("x-signoff-class is neither promotional nor transactional") from exc


def _campaign(texts: Mapping[bytes, str]) -> CampaignId:
    campaign = texts.get(_CAMPAIGN, NO_CAMPAIGN)
    if len(campaign.encode()) > MAX_CAMPAIGN_OCTETS:
        raise MarkingInvalid(f"x-signoff-campaign is longer than {MAX_CAMPAIGN_OCTETS} octets")
    return CampaignId(campaign)


def _groups(texts: Mapping[bytes, str], field: bytes) -> tuple[GroupId, ...]:
    if field not in texts:
        return ()
    names = tuple(dict.fromkeys(name.strip(" ") for name in texts[field].split(",")))
    if len(names) > MAX_GROUPS:
        raise MarkingInvalid(f"{field.decode('ascii')} names more than {MAX_GROUPS} groups")
    if not all(is_group_name(name) for name in names):
        raise MarkingInvalid(f"{field.decode('ascii')} holds a name that no group can have")
    return tuple(map(GroupId, names))


def _yes(texts: Mapping[bytes, str], field: bytes) -> bool:
    answer = texts.get(field, "no").lower()
    if answer not in _YES_NO:
        raise MarkingInvalid(f"{field.decode('ascii')} is neither yes nor no")
    return _YES_NO[answer]


def _attributes(texts: Mapping[bytes, str]) -> Mapping[str, str]:
    """Return the attributes as text, numbers spelled as they came; null is as good as absent."""
    if _ATTRIBUTES not in texts:
        return _NO_ATTRIBUTES
    text = texts[_ATTRIBUTES]
    if len(text.encode()) > MAX_ATTRIBUTES_OCTETS:
        raise MarkingInvalid(f"x-signoff-user-attributes is longer than {MAX_ATTRIBUTES_OCTETS} octets")
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise MarkingInvalid("x-signoff-user-attributes is no JSON") from exc
    if not isinstance(found, dict):
        raise MarkingInvalid("x-signoff-user-attributes is no JSON object")
    return MappingProxyType({name: _value(value) for name, value in found.items() if value is not None})


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MarkingInvalid("x-signoff-user-attributes names an attribute twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise MarkingInvalid("x-signoff-user-attributes holds a value that is neither text nor number, true, false or null")
    if not value.isascii() and any(unicodedata.category(char) == "Cs" for char in value):
        raise MarkingInvalid("x-signoff-user-attributes holds half a character")
    return value
