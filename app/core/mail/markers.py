"""What mailing software and our peers' customers already say in their mails, so that moving here means changing a host name.

These fields are addressed to somebody else: they are read, never required to be well-formed, and leave with the mail as they came
(catalogue H9). What of them we cannot use counts as not said; only recipients of their own are refused.

| field | makes promotional | group | campaign |
| --- | --- | --- | --- |
| Precedence: bulk, List-Id, Feedback-ID | yes | | |
| X-SES-LIST-MANAGEMENT-OPTIONS | yes | `topicName` (or `topic`) | |
| X-SMTPAPI (SendGrid) | with a group | `asm_group_id` | `campaign_id` or `campaign` of `unique_args`, else the first `category` |
| X-Mailgun-Tag | yes | each tag that is a group of the brand | the first tag |
| X-PM-Message-Stream (Postmark) | unless a transactional stream | the stream | `X-PM-Tag` |

A Mailgun tag is a group only where the brand has such a group: most are labels of one sending, and whoever left such a label would have
left nothing.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.core.errors import MarkingInvalid
from app.core.mail.controls import MAX_CAMPAIGN_OCTETS, is_group_name, is_printable
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, CampaignId, GroupId

_SENDGRID_GROUP = re.compile(rb'"asm_group(?:_id|s_to_display)"\s*:', re.IGNORECASE)
_SES_TOPIC = frozenset(("topicname", "topic"))
_POSTMARK_TRANSACTIONAL = frozenset((b"outbound", b"transactional"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """What the fields of others say of one mail. `labels` are groups only if the brand has them."""

    promotional: bool = False
    groups: tuple[GroupId, ...] = ()
    labels: tuple[GroupId, ...] = ()
    campaign: CampaignId = NO_CAMPAIGN


_NONE, _PROMOTIONAL = Markers(), Markers(promotional=True)  # what nearly all mails say


def read(message: Message) -> Markers:
    """Return what other people's fields say. Of several senders' systems the first in the table above decides.

    Raises MarkingInvalid for an X-SMTPAPI field with `to`: who is to get the mail are then not the recipients of its envelope.
    """
    found = [field for field in message.fields if field[0] in _KNOWN]
    if not found:
        return _NONE
    promotional = any(_marks(field) for field in found)
    if _SAYERS.keys().isdisjoint([field[0] for field in found]):
        return _PROMOTIONAL if promotional else _NONE
    values: dict[bytes, list[str]] = {}
    for field in found:
        values.setdefault(field.name, []).append(field.value.decode("utf-8", "replace").strip())
    said = [reader(values) for name, reader in _SAYERS.items() if name in values]
    return Markers(
        promotional=promotional,
        groups=_groups(next((one.groups for one in said if one.groups), ())),
        labels=_groups(next((one.labels for one in said if one.labels), ())),
        campaign=next((CampaignId(one.campaign) for one in said if _is_campaign(one.campaign)), NO_CAMPAIGN),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    groups: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    campaign: str = ""


_Values = Mapping[bytes, list[str]]


def _ses(values: _Values) -> _Said:
    pairs = [part.partition("=") for part in values[b"x-ses-list-management-options"][0].split(";")]
    topics = [value.strip() for name, _, value in pairs if name.strip().lower() in _SES_TOPIC]
    return _Said(groups=tuple(topics[:1]))


def _sendgrid(values: _Values) -> _Said:
    said, *others = map(_json_object, values[b"x-smtpapi"])
    if any(one.get("to") for one in (said, *others)):
        raise MarkingInvalid("X-SMTPAPI has `to`, whose recipients are not those of the envelope: send the mail to each by RCPT TO")
    arguments = said.get("unique_args")
    named = [arguments.get(name) for name in ("campaign_id", "campaign")] if isinstance(arguments, dict) else []
    category = said.get("category")
    categories = category if isinstance(category, list) else [category]
    group = said.get("asm_group_id")
    return _Said(
        groups=(group,) if isinstance(group, str) else (),
        campaign=next((text for text in (*named, *categories) if isinstance(text, str) and text), ""),
    )


def _json_object(text: str) -> Mapping[str, object]:
    """Return the JSON object of a text, an empty one for anything else."""
    try:
        found = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _mailgun(values: _Values) -> _Said:
    tags = tuple(values[b"x-mailgun-tag"])
    return _Said(labels=tags, campaign=tags[0])


def _postmark(values: _Values) -> _Said:
    streams = values.get(b"x-pm-message-stream", [])
    lists = tuple(stream for stream in streams[:1] if stream.lower().encode() not in _POSTMARK_TRANSACTIONAL)
    return _Said(groups=lists, campaign=values.get(b"x-pm-tag", [""])[0])


_SAYERS: Mapping[bytes, Callable[[_Values], _Said]] = MappingProxyType(
    {
        b"x-ses-list-management-options": _ses,
        b"x-smtpapi": _sendgrid,
        b"x-mailgun-tag": _mailgun,
        b"x-pm-message-stream": _postmark,
        b"x-pm-tag": _postmark,
    }
)


def _groups(names: Iterable[str]) -> tuple[GroupId, ...]:
    return tuple(dict.fromkeys(GroupId(name) for name in names if is_group_name(name)))


def _is_campaign(text: str) -> bool:
    return 0 < len(text.encode()) <= MAX_CAMPAIGN_OCTETS and is_printable(text)


def _marks(field: Field) -> bool:
    return field.name in _MARKS and _MARKS[field.name](field.value.strip().lower())


def _present(value: bytes) -> bool:
    return bool(value)


# Values come stripped and in lower case.
_MARKS: Mapping[bytes, Callable[[bytes], bool]] = MappingProxyType(
    {
        b"precedence": lambda value: value == b"bulk",
        b"list-id": _present,
        b"feedback-id": _present,
        b"x-ses-list-management-options": _present,
        b"x-smtpapi": lambda value: _SENDGRID_GROUP.search(value) is not None,
        b"x-mailgun-tag": _present,
        b"x-pm-message-stream": lambda value: bool(value) and value not in _POSTMARK_TRANSACTIONAL,
    }
)
_KNOWN = frozenset((*_MARKS, *_SAYERS))
