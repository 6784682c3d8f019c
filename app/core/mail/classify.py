"""What a mail is: its class, its campaign, its groups, and whom it may reach. Serves catalogue H10,
H12.

1. `X-Signoff-Class` decides alone.
2. Else a campaign or a field of groups makes the mail promotional: it says that the mail belongs to
   a sending that people can leave.
3. Else a mail that a machine writes to one person, such as a bounce or an automatic reply, is
   transactional (`app.core.mail.automatic`).
4. Else the brand's rule: always, never, or by the marks that mailing software and our peers'
   customers already set.
5. Without any of these a mail is transactional and passes unchanged: a password reset must never be
   lost to a suppression.

Campaign and groups of our own fields win over those of others (`app.core.mail.markers`), which
never change the class but as rule 4 says.
"""

from dataclasses import dataclass

from app.core.errors import MarkingInvalid
from app.core.mail import controls, markers
from app.core.mail.attributes import NO_ATTRIBUTES, Attributes
from app.core.mail.automatic import is_automatic
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
    attributes: Attributes = NO_ATTRIBUTES


def classify(message: Message, default: Promotional, *, null_sender: bool = False) -> Marking:
    """Return how to treat a message; `default` is the brand's rule for mail whose sender does not
    say, `null_sender`: it came from `<>`.

    Raises MarkingInvalid for a control field that is unknown or repeated, has a value outside its
    rules, or contradicts another, and for another sender's field that names recipients.
    """
    said, others = controls.read(message), markers.read(message)
    claims = _claims(said)
    class_ = said.class_ or _implied_class(claims, others, default)
    if (
        class_ is MailClass.PROMOTIONAL
        and not claims
        and is_automatic(message, null_sender=null_sender)
    ):
        class_ = MailClass.TRANSACTIONAL
    if class_ is MailClass.TRANSACTIONAL and (said.required or said.excluded):
        raise MarkingInvalid(
            "X-Signoff-Require-Groups and X-Signoff-Exclude-Groups are not for a transactional"
            " mail, which goes to whomever it is addressed"
        )
    campaign = Campaign(
        id=said.campaign or others.campaign, groups=said.groups or others.groups, test=said.test
    )
    return Marking(
        class_=class_,
        campaign=campaign,
        labels=() if said.groups else others.labels,
        required=said.required,
        excluded=said.excluded,
        override=said.override,
        attributes=said.attributes,
    )


def _claims(said: Controls) -> bool:
    """Say whether our own fields make a mail promotional."""
    return said.class_ is MailClass.PROMOTIONAL or bool(
        said.campaign != NO_CAMPAIGN or said.groups or said.required or said.excluded
    )


def _implied_class(claims: bool, others: Markers, default: Promotional) -> MailClass:
    if (
        claims
        or default is Promotional.ALWAYS
        or (default is Promotional.MARKED and others.promotional)
    ):
        return MailClass.PROMOTIONAL
    return MailClass.TRANSACTIONAL
