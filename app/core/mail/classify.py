"""What a mail is: its class, its campaign, its groups, and whom it may reach. Serves catalogue H10, H12.

1. `X-Signoff-Class` decides alone.
2. Else a campaign or a field of groups makes the mail promotional: it says that the mail belongs to a sending that people can leave.
3. Else the brand's rule: always, never, or by the marks that mailing software and our peers' customers already set.
4. Without any of these a mail is transactional and passes unchanged: a password reset must never be lost to a suppression.

Campaign and groups of our own fields win over those of others (`app.core.mail.markers`), which never change the class but as rule 3 says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.core.errors import MarkingInvalid
from app.core.mail import controls, markers
from app.core.mail.controls import Controls
from app.core.mail.markers import Markers
from app.core.mail.message import Message
from app.core.model import NO_CAMPAIGN, Campaign, GroupId, MailClass, Promotional


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """How one message is to be treated. Groups are as the sender names them: by id or by name."""

    class_: MailClass
    campaign: Campaign
    labels: tuple[GroupId, ...] = ()  # further groups of the campaign, as far as the brand has them
    required: tuple[GroupId, ...] = ()  # only to those subscribed to all of these
    excluded: tuple[GroupId, ...] = ()  # not to those subscribed to any of these
    override: bool = False  # also to those who have opted out
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def classify(message: Message, default: Promotional) -> Marking:
    """Return how to treat a message; `default` is the brand's rule for mail whose sender does not say.

    Raises MarkingInvalid for a control field that is repeated, has a value outside its rules, or contradicts another.
    """
    said, others = controls.read(message), markers.read(message)
    class_ = said.class_ or _implied_class(said, others, default)
    if class_ is MailClass.TRANSACTIONAL and (said.required or said.excluded):
        raise MarkingInvalid(
            "a transactional mail goes to whomever it is addressed; x-signoff-require-groups and -exclude-groups are not for it"
        )
    campaign = Campaign(id=said.campaign or others.campaign, groups=said.groups or others.groups, test=said.test)
    return Marking(
        class_=class_,
        campaign=campaign,
        labels=() if said.groups else others.labels,
        required=said.required,
        excluded=said.excluded,
        override=said.override,
        attributes=said.attributes,
    )


def _implied_class(said: Controls, others: Markers, default: Promotional) -> MailClass:
    belongs = said.campaign != NO_CAMPAIGN or said.groups or said.required or said.excluded
    if belongs or default is Promotional.ALWAYS or (default is Promotional.MARKED and others.promotional):
        return MailClass.PROMOTIONAL
    return MailClass.TRANSACTIONAL
