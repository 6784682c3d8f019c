"""What the sender says about a mail: its class, its campaign, its groups. Serves catalogue H10, H12, H20.

1. `X-Signoff-Class` decides alone.
2. Else a campaign or groups field makes the mail promotional: it says that the mail belongs to a sending that people can leave.
3. Else the brand's rule: always, never, or by the marks that mailing software and our peers' customers already set.
4. Without any of these a mail is transactional and passes unchanged: a password reset must never be lost to a suppression.

A control field that cannot be understood is refused: guessing its meaning would send wrong mail. Every `X-Signoff-*` field is dropped
before a mail leaves, known or not, whatever its class (`app.core.mail.stamp`).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.core.errors import RuleViolation
from app.core.mail.message import Field, Message
from app.core.model import NO_CAMPAIGN, Campaign, CampaignId, GroupId, MailClass, Promotional

CONTROL_PREFIX = b"x-signoff-"

MAX_CAMPAIGN_OCTETS = 200
MAX_GROUPS = 50
MAX_GROUP_OCTETS = 100

_CLASS, _CAMPAIGN, _GROUPS, _TEST = b"x-signoff-class", b"x-signoff-campaign", b"x-signoff-groups", b"x-signoff-test"
_CONTROLS = frozenset((_CLASS, _CAMPAIGN, _GROUPS, _TEST))
_FORBIDDEN_IN_GROUP = frozenset("<>&\"'")  # CleverTap's pages print group names without escaping
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))  # Unicode categories: control, surrogate, line and paragraph separator
_YES_NO: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
_SENDGRID_GROUP = re.compile(rb'"asm_group(?:_id|s_to_display)"\s*:')
_POSTMARK_TRANSACTIONAL = frozenset((b"outbound", b"transactional"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """How one message is to be treated."""

    class_: MailClass
    campaign: Campaign


def classify(message: Message, default: Promotional) -> Marking:
    """Return class and campaign of a message; `default` is the brand's rule for mail whose sender does not say.

    Raises RuleViolation for a control field that is repeated or has a value outside its rules.
    """
    controls = _controls(message)
    campaign = Campaign(id=_campaign(controls), groups=_groups(controls), test=_test(controls))
    return Marking(class_=_explicit_class(controls) or _implied_class(message, campaign, default), campaign=campaign)


def _controls(message: Message) -> dict[bytes, str]:
    found = [field for field in message.fields if field[0] in _CONTROLS]
    controls = {field.name: _text(field) for field in found}
    if len(controls) < len(found):
        raise RuleViolation("an x-signoff field stands more than once")
    return controls


def _text(field: Field) -> str:
    name = field.name.decode("ascii")
    try:
        text = field.value.decode().replace("\t", " ").strip(" ")  # a tab is what some software folds with
    except UnicodeDecodeError as exc:
        raise RuleViolation(f"{name} is not UTF-8") from exc
    if not text:
        raise RuleViolation(f"{name} is empty")
    if not text.isprintable() and any(unicodedata.category(char) in _UNPRINTABLE for char in text):
        raise RuleViolation(f"{name} holds a control character")  # catalogue L2
    return text


def _explicit_class(controls: Mapping[bytes, str]) -> MailClass | None:
    if _CLASS not in controls:
        return None
    try:
        return MailClass(controls[_CLASS].lower())
    except ValueError as exc:
        raise RuleViolation("x-signoff-class is neither promotional nor transactional") from exc


def _implied_class(message: Message, campaign: Campaign, default: Promotional) -> MailClass:
    said = campaign.id != NO_CAMPAIGN or campaign.groups
    if said or default is Promotional.ALWAYS or (default is Promotional.MARKED and _is_marked(message)):
        return MailClass.PROMOTIONAL
    return MailClass.TRANSACTIONAL


def _campaign(controls: Mapping[bytes, str]) -> CampaignId:
    campaign = controls.get(_CAMPAIGN, NO_CAMPAIGN)
    if len(campaign.encode()) > MAX_CAMPAIGN_OCTETS:
        raise RuleViolation(f"x-signoff-campaign is longer than {MAX_CAMPAIGN_OCTETS} octets")
    return CampaignId(campaign)


def _groups(controls: Mapping[bytes, str]) -> tuple[GroupId, ...]:
    if _GROUPS not in controls:
        return ()
    names = tuple(dict.fromkeys(name.strip(" ") for name in controls[_GROUPS].split(",")))
    if len(names) > MAX_GROUPS:
        raise RuleViolation(f"x-signoff-groups names more than {MAX_GROUPS} groups")
    for name in names:
        if not 0 < len(name.encode()) <= MAX_GROUP_OCTETS or not _FORBIDDEN_IN_GROUP.isdisjoint(name):
            raise RuleViolation("x-signoff-groups holds a name that no group can have")
    return tuple(map(GroupId, names))


def _test(controls: Mapping[bytes, str]) -> bool:
    answer = controls.get(_TEST, "no").lower()
    if answer not in _YES_NO:
        raise RuleViolation("x-signoff-test is neither yes nor no")
    return _YES_NO[answer]


def _is_marked(message: Message) -> bool:
    return any(_MARKS[field.name](field.value.strip().lower()) for field in message.fields if field[0] in _MARKS)


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
