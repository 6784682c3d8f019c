"""The end of a message: its copies' outcomes become what is remembered, who is notified, and what the upstream hears.

Serves catalogue X1 to X7, X14 and X17.

    SMTP, some deferred        4yz, and the ledger holds the finished ones: the upstream's next try sends the rest only
    SMTP, all refused          the downstream's own 5yz
    SMTP, refused and others   250, once the sender has been notified of the refused ones; until then 451, and the next try only notifies
    SMTP, anything else        250
    LMTP                       each recipient's own reply; nothing is combined, so nobody is notified
    an upstream that has gone  the same, and all of it is remembered: it comes again, as RFC 1047 tells

A recipient who was refused because they have left (`on_suppressed = "reject"`) counts as refused: one notification tells of all of them.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.core.errors import AddressInvalid
from app.core.mail.message import Message
from app.core.model import Brand, BrandNumber, Campaign, CampaignId, MailClass, RecipientDigest
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from smtp_proxy.relay.dsn import Reports
from smtp_proxy.relay.ledger import Page
from smtp_proxy.replies import Answer, Deferred, Delivered, Outcome, Refused, Reply, Suppressed, combine
from smtp_proxy.session.submission import Envelope

NO_BRAND = BrandNumber(0)  # a mail of no brand's sender: its recipients' digests in the log are those of nobody's records

Identify = Callable[..., RecipientDigest]  # (address, *, brand)
Tally = Callable[[BrandNumber, CampaignId], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message on its way: as it came, its page in the ledger, and what the relay decided about it."""

    envelope: Envelope
    message: Message
    page: Page
    brand: Brand | None
    class_: MailClass
    campaign: Campaign | None = None  # of a mail that is stamped


class Conclusion:
    """Concludes messages. `identify` gives the digest by which the log names a recipient; `tally` counts each copy of a campaign."""

    def __init__(self, *, reports: Reports, identify: Identify, tally: Tally, log: Logger) -> None:
        self._reports = reports
        self._tally = tally
        self._identify = identify
        self._log = log

    async def answer(self, mail: Mail, outcomes: Mapping[str, Outcome]) -> Answer:
        """Conclude one message; `outcomes` has every recipient of the envelope, those of earlier tries as the page told them."""
        for recipient, outcome in outcomes.items():
            if recipient not in mail.page.known:
                self._note(mail, recipient, outcome)
        labelled(metrics.MESSAGES, mail.class_, _told(outcomes)).inc()
        answer = await (self._each(mail, outcomes) if mail.envelope.each else self._combined(mail, outcomes))
        mail.page.answered(outcomes)
        self._log.info(
            LogEvent.MESSAGE_RELAYED,
            id=mail.envelope.id,
            brand=mail.brand.id if mail.brand else None,
            mail_class=mail.class_,
            recipients=len(outcomes),
            remembered=len(mail.page.known),
            reply=str(answer) if isinstance(answer, Reply) else [str(reply) for reply in dict.fromkeys(answer)],
        )
        return answer

    async def _each(self, mail: Mail, outcomes: Mapping[str, Outcome]) -> Answer:
        unknown = {recipient: outcome for recipient, outcome in outcomes.items() if _is_unknown(outcome)}
        if unknown:
            await mail.page.note(outcomes if not mail.envelope.listens() else unknown)
        else:
            await mail.page.conclude(outcomes, reported=False)
        return tuple(combine([outcomes[recipient]]) for recipient in mail.envelope.recipients)

    async def _combined(self, mail: Mail, outcomes: Mapping[str, Outcome]) -> Reply:
        page, reply = mail.page, combine(list(outcomes.values()))
        if any(isinstance(outcome, Deferred) for outcome in outcomes.values()):
            await page.note(outcomes)
            return reply
        refused = {recipient: outcome for recipient, outcome in outcomes.items() if isinstance(outcome, Refused)}
        told_by_reply = not refused or len(refused) == len(outcomes)
        if not told_by_reply and not page.reported:
            try:
                unable = await self._reports.tell(mail.envelope, mail.message, refused)
            except asyncio.CancelledError:
                await page.note(outcomes)  # the upstream hears nothing and comes again
                raise
            if unable is not None:
                await page.note(outcomes)
                return combine([unable])
            page.reported = True
        await page.conclude(outcomes, reported=not told_by_reply)
        return reply

    def _note(self, mail: Mail, recipient: str, outcome: Outcome) -> None:
        labelled(metrics.COPIES, mail.class_, _LABELS[type(outcome)]).inc()
        if isinstance(outcome, Delivered):
            self._count(mail)
        if isinstance(outcome, Delivered | Suppressed):  # a suppression was noted where it was decided
            return
        unknown = _is_unknown(outcome)
        if unknown:
            labelled(metrics.COPIES_UNKNOWN, "seen").inc()
        self._log.info(
            LogEvent.COPY_REFUSED if isinstance(outcome, Refused) else LogEvent.COPY_DEFERRED,
            id=mail.envelope.id,
            brand=mail.brand.id if mail.brand else None,
            recipient=self._digest(recipient, mail.brand),
            reply=str(outcome.reply),
            **({"unknown": True} if unknown else {}),
        )

    def _count(self, mail: Mail) -> None:
        campaign = mail.campaign
        if mail.brand and campaign and campaign.id and not campaign.test:
            self._tally(mail.brand.number, campaign.id)

    def _digest(self, recipient: str, brand: Brand | None) -> str:
        try:
            return self._identify(recipient, brand=brand.number if brand else NO_BRAND).hex()
        except AddressInvalid:
            return ""


def _told(outcomes: Mapping[str, Outcome]) -> str:
    """Return the outcome of the whole message: one copy that must be sent again says so for all, one that went out outweighs the rest."""
    kinds = {type(outcome) for outcome in outcomes.values()}
    return _LABELS[next(kind for kind in (Deferred, Delivered, Refused, Suppressed) if kind in kinds)]


def _is_unknown(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and outcome.unknown


_LABELS = {kind: kind.__name__.lower() for kind in (Delivered, Suppressed, Deferred, Refused)}
