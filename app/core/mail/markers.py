"""What mailing software and our peers' customers already say in their mails, so that moving here
means changing a host name.

These fields are addressed to somebody else: they are read, never required to be well-formed, and
leave with the mail as they came (catalogue H9). They are read whatever mail software made of them
(`app.core.mail.field_text`). What of them we cannot use counts as not said; only recipients of
their own, and more groups than a mail may have, are refused.

| field | makes promotional | group | campaign |
| --- | --- | --- | --- |
| Precedence: bulk, List-Id, Feedback-ID | yes | | |
| X-SES-LIST-MANAGEMENT-OPTIONS | yes | `topicName` (or `topic`) | |
| X-SMTPAPI (SendGrid) | with a group | `asm_group_id` | `campaign_id` or `campaign`[^1] |
| X-Mailgun-Tag | yes | each tag that is a group of the brand | the first tag |
| X-PM-Message-Stream (Postmark) | unless a transactional stream | the stream | `X-PM-Tag` |

[^1]: of `unique_args`, else the first `category`

A Mailgun tag is a group only where the brand has such a group: most are labels of one sending, and
whoever left such a label would have left nothing. Where a field or a name in it stands more than
once, each group counts, so who has unsubscribed one of them gets no mail of the others either; the
first campaign that can be used is the campaign.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app.core.errors import MarkingInvalid
from app.core.mail.controls import MAX_CAMPAIGN_OCTETS, MAX_GROUPS, is_group_name, is_printable
from app.core.mail.field_text import decoded, parts_of, text_of, unquoted, word_of
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, CampaignId, GroupId

_SENDGRID_GROUP = re.compile(r'"asm_group(?:_id|s_to_display)"\s*:', re.IGNORECASE)
_SENDGRID_GROUPS = frozenset(("asm_group_id", "asm_groups_to_display"))
_WHOLE_NUMBER = re.compile(r"(-?[0-9]+)\.0+")
_SES_TOPIC = frozenset(("topicname", "topic"))
_POSTMARK_TRANSACTIONAL = frozenset(("outbound", "transactional"))
_UNREADABLE = "\ufffd"
_NOT_PLAIN = re.compile(rb'[("]|=\?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """What the fields of others say of one mail. `labels` are groups only if the brand has them."""

    promotional: bool = False
    groups: tuple[GroupId, ...] = ()
    labels: tuple[GroupId, ...] = ()
    campaign: CampaignId = NO_CAMPAIGN


_NONE, _PROMOTIONAL = Markers(), Markers(promotional=True)  # what nearly all mails say


def read(message: Message) -> Markers:
    """Return what other people's fields say. Of several senders' systems the first in the table
    above decides.

    Raises MarkingInvalid for an X-SMTPAPI field with `to`: who is to get the mail are then not the
    recipients of its envelope; and for more than MAX_GROUPS groups.
    """
    found = [field for field in message.fields if field[0] in _KNOWN]
    if not found:
        return _NONE
    promotional = any(field[0] in _MARKS and _MARKS[field[0]](field) for field in found)
    if _SAYERS.keys().isdisjoint([field[0] for field in found]):
        return _PROMOTIONAL if promotional else _NONE
    by_name: dict[bytes, list[Field]] = {}
    for field in found:
        by_name.setdefault(field.name, []).append(field)
    # Postmark's two fields have one
    sayers = dict.fromkeys(sayer for name, sayer in _SAYERS.items() if name in by_name)
    said = [sayer(by_name) for sayer in sayers]
    return Markers(
        promotional=promotional or any(one.promotional for one in said),
        groups=_groups(next((one.groups for one in said if one.groups), ())),
        labels=_groups(next((one.labels for one in said if one.labels), ())),
        campaign=next(
            (CampaignId(text) for one in said for text in one.campaigns if _is_campaign(text)),
            NO_CAMPAIGN,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    promotional: bool
    groups: Sequence[str] = ()
    labels: Sequence[str] = ()
    campaigns: Sequence[str] = ()


_ByName = Mapping[bytes, Sequence[Field]]


def _ses(fields: _ByName) -> _Said:
    values = _texts(fields, b"x-ses-list-management-options")
    pairs = [part.partition("=") for value in values for part in parts_of(value)]
    topics = [
        unquoted(topic.strip())
        for name, _, topic in pairs
        if unquoted(name.strip()).lower() in _SES_TOPIC
    ]
    return _Said(promotional=any(values), groups=[topic for topic in topics if topic])


def _sendgrid(fields: _ByName) -> _Said:
    said = [_json_object(field) for field in fields[b"x-smtpapi"]]
    if any(any(one.get("to", ())) for one in said):
        raise MarkingInvalid(
            "X-SMTPAPI has `to`, whose recipients are not those of the envelope: send the mail to"
            " each by RCPT TO"
        )
    return _Said(
        promotional=any(not _SENDGRID_GROUPS.isdisjoint(one) for one in said)
        or any(_SENDGRID_GROUP.search(text) for text in _texts(fields, b"x-smtpapi")),
        groups=[group for one in said for group in _strings(one.get("asm_group_id", ()))],
        campaigns=[campaign for one in said for campaign in _strings(_sendgrid_campaigns(one))],
    )


# an object by its names in lower case; the same name twice has both values
_Json = dict[str, list[object]]


def _sendgrid_campaigns(said: _Json) -> Iterator[object]:
    for name in ("campaign_id", "campaign"):
        for arguments in said.get("unique_args", ()):
            if isinstance(arguments, dict):
                yield from arguments.get(name, ())
    for category in said.get("category", ()):
        yield from category if isinstance(category, list) else (category,)


def _json_object(field: Field) -> _Json:
    """Return the JSON object of a field, an empty one for anything else. Encoded words stand in its
    strings, or make up all of it.
    """
    found = _json(field.value.decode("utf-8", "replace"))
    if found is None:
        found = _json(text_of(field))
    return found or {}


def _json(text: str) -> _Json | None:
    try:
        found = json.loads(
            text, object_pairs_hook=_object, parse_int=str, parse_float=_number, strict=False
        )
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _strings(values: Iterable[object]) -> Iterator[str]:
    """Yield the strings and numbers among the values of JSON, as they read without encoded words; a
    tab is a fold.
    """
    for value in values:
        if isinstance(value, str) and (
            text := decoded(value.replace("\t", " "), errors="replace").strip()
        ):
            yield text


def _object(pairs: list[tuple[str, object]]) -> _Json:
    found: _Json = {}
    for name, value in pairs:
        found.setdefault(decoded(name, errors="replace").strip().lower(), []).append(value)
    return found


def _number(text: str) -> str:
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else text


def _mailgun(fields: _ByName) -> _Said:
    tags = [unquoted(text) for text in _texts(fields, b"x-mailgun-tag")]
    return _Said(promotional=any(tags), labels=tags, campaigns=tags)


def _postmark(fields: _ByName) -> _Said:
    streams = [unquoted(parts_of(text)[0]) for text in _texts(fields, b"x-pm-message-stream")]
    lists = [
        stream for stream in streams if stream and stream.lower() not in _POSTMARK_TRANSACTIONAL
    ]
    return _Said(
        promotional=bool(lists),
        groups=lists,
        campaigns=[unquoted(text) for text in _texts(fields, b"x-pm-tag")],
    )


def _texts(fields: _ByName, name: bytes) -> list[str]:
    return [text_of(field) for field in fields.get(name, ())]


_SAYERS: Mapping[bytes, Callable[[_ByName], _Said]] = MappingProxyType(
    {
        b"x-ses-list-management-options": _ses,
        b"x-smtpapi": _sendgrid,
        b"x-mailgun-tag": _mailgun,
        b"x-pm-message-stream": _postmark,
        b"x-pm-tag": _postmark,
    }
)


def _groups(names: Iterable[str]) -> tuple[GroupId, ...]:
    groups = tuple(
        dict.fromkeys(
            GroupId(name) for name in names if is_group_name(name) and _UNREADABLE not in name
        )
    )
    if len(groups) > MAX_GROUPS:
        raise MarkingInvalid(
            f"the fields of other senders' systems name more than {MAX_GROUPS} groups"
        )
    return groups


def _is_campaign(text: str) -> bool:
    return (
        is_printable(text)
        and 0 < len(text.encode()) <= MAX_CAMPAIGN_OCTETS
        and _UNREADABLE not in text
    )


def _is_bulk(field: Field) -> bool:
    value = field.value.strip().lower()
    return value == b"bulk" or (_NOT_PLAIN.search(value) is not None and word_of(field) == "bulk")


def _is_present(field: Field) -> bool:
    return bool(field.value.strip())


_MARKS: Mapping[bytes, Callable[[Field], bool]] = MappingProxyType(
    {b"precedence": _is_bulk, b"list-id": _is_present, b"feedback-id": _is_present}
)
_KNOWN = frozenset((*_MARKS, *_SAYERS))
