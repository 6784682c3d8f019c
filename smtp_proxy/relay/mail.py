"""One message on its way through the relay: as it came, and what the parts of the relay have found
out about it.

A record that each part reads and adds to, made once a message. `finish` counts and logs what stands
here at the end.
"""

from dataclasses import dataclass, field

from app.core.mail.classify import Marking
from app.core.mail.message import Message
from app.core.model import Brand, Campaign, GroupId, MailClass, RecipientDigest
from app.core.preferences import SuppressionReason, Targeting
from smtp_proxy.replies import Outcome
from smtp_proxy.session.submission import Envelope

_ANYBODY = Targeting()

Found = tuple[RecipientDigest, SuppressionReason]


@dataclass(slots=True, kw_only=True, eq=False)
class Mail:
    """A message that passes unchanged, with the brand that it is of."""

    envelope: Envelope
    message: Message
    brand: Brand | None  # None: of no sender here
    class_: MailClass = MailClass.TRANSACTIONAL
    campaign: Campaign | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class PromotionalMail(Mail):
    """A message of a brand that is stamped, and goes only to those who may get it. Everything by
    address, each address once.
    """

    brand: Brand
    campaign: Campaign  # with its groups by their ids, once `recipients` has resolved them
    marking: Marking
    class_: MailClass = MailClass.PROMOTIONAL
    targeting: Targeting = _ANYBODY
    unknown_groups: tuple[GroupId, ...] = ()
    # whose state could not be read, where the mail waits for states
    unread: dict[str, Outcome] = field(default_factory=dict)
    states_missed: str = ""  # why states could not be read, where the mail goes out without them
    suppressed: dict[str, Found] = field(default_factory=dict)
    # who has opted out and is sent a copy, on the sender's word
    overridden: dict[str, Found] = field(default_factory=dict)
