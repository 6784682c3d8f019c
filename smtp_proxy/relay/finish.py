"""The end of a message: its copies' outcomes are counted, logged and remembered, its sender is
notified, and the upstream gets its reply.

    SMTP, some deferred        4yz, and the ledger holds the finished ones: the upstream's next
                               try sends the rest only
    SMTP, all refused          the downstream's own 5yz
    SMTP, refused and others   250, once the sender has been notified of the refused ones; until
                               then 451, and the next try only notifies
    SMTP, anything else        250
    LMTP                       each recipient's own reply; nothing is combined, so nobody is
                               notified
    an upstream that has gone  the same, and all of it is remembered: it comes again, as
                               RFC 1047 tells

A recipient who was refused because they have left (`on_suppressed = "reject"`) counts as refused:
one notification tells of all of them. What becomes of a message and its copies is counted here and
nowhere else; what stops a message earlier is counted where that is found.
"""

import asyncio
from collections.abc import Callable, Mapping

from app.core.audit import AuditAction
from app.core.errors import AddressInvalid
from app.core.model import Brand, BrandNumber, RecipientDigest
from app.core.tally import Count, copy_tick
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.auditing import Auditing
from smtp_proxy.relay.dsn import Notified, Notifier
from smtp_proxy.relay.ledger import Ledger, Try
from smtp_proxy.relay.mail import Mail, PromotionalMail
from smtp_proxy.replies import (
    Answer,
    Deferred,
    Delivered,
    Outcome,
    RefusedCopy,
    Reply,
    Suppressed,
    combine,
)

# a mail of no brand's sender: its recipients' digests in the log are those of nobody's records
NO_BRAND = BrandNumber(0)

Identify = Callable[..., RecipientDigest]  # (address, *, brand)


class Finisher:
    """Ends messages. `identify` gives the digest by which the log names a recipient; `count` counts
    each copy of a campaign, by day.
    """

    def __init__(  # noqa: PLR0913 - everybody who is told of a message's end
        self,
        *,
        ledger: Ledger,
        notifier: Notifier,
        identify: Identify,
        count: Count,
        clock: Callable[[], int],
        log: Logger,
        auditing: Auditing | None = None,
    ) -> None:
        self._ledger = ledger
        self._notifier = notifier
        self._count = count
        self._clock = clock
        self._identify = identify
        self._log = log
        self._auditing = auditing

    async def finish(self, mail: Mail, one: Try, outcomes: Mapping[str, Outcome]) -> Answer:
        """End one message; `outcomes` has every recipient of the envelope, those of earlier tries
        as the ledger told them.
        """
        if isinstance(mail, PromotionalMail) and (
            mail.suppressed or mail.overridden or mail.unknown_groups or mail.states_missed
        ):
            self.tell_of_states(mail)
            await self._audit_overridden(mail)
        for recipient, outcome in outcomes.items():
            if recipient not in one.known:
                self._tell_of_copy(mail, recipient, outcome)
        kinds = {type(outcome) for outcome in outcomes.values()}
        # One copy that must be sent again says so for all, one that went out outweighs the rest.
        label = OUTCOME_LABELS[
            (
                Deferred
                if Deferred in kinds
                else (
                    Delivered
                    if Delivered in kinds
                    else RefusedCopy
                    if RefusedCopy in kinds
                    else Suppressed
                )
            )
        ]
        labelled(metrics.MESSAGES, mail.class_, label).inc()
        answer: Answer
        if mail.envelope.each:
            answer = await self._answer_each(mail, one, outcomes)
        else:
            answer = await self._answer_all(mail, one, outcomes, kinds)
        one.answered = outcomes
        self._log.info(
            LogEvent.MESSAGE_RELAYED,
            id=mail.envelope.id,
            brand=mail.brand.id if mail.brand else None,
            mail_class=mail.class_,
            recipients=len(outcomes),
            remembered=len(one.known),
            reply=(
                str(answer)
                if isinstance(answer, Reply)
                else [str(reply) for reply in dict.fromkeys(answer)]
            ),
        )
        return answer

    async def _answer_each(self, mail: Mail, one: Try, outcomes: Mapping[str, Outcome]) -> Answer:
        unknown = {
            recipient: outcome for recipient, outcome in outcomes.items() if _is_unknown(outcome)
        }
        if unknown:
            await self._ledger.note(one, outcomes if not mail.envelope.listens() else unknown)
        else:
            await self._ledger.conclude(one, outcomes, reported=False)
        return tuple(combine([outcomes[recipient]]) for recipient in mail.envelope.recipients)

    async def _answer_all(
        self, mail: Mail, one: Try, outcomes: Mapping[str, Outcome], kinds: set[type[Outcome]]
    ) -> Reply:
        reply = combine(list(outcomes.values()))
        if Deferred in kinds:
            await self._ledger.note(one, outcomes)
            return reply
        told_by_reply = RefusedCopy not in kinds or len(kinds) == 1
        if not told_by_reply and not one.reported:
            refused = {
                recipient: outcome
                for recipient, outcome in outcomes.items()
                if isinstance(outcome, RefusedCopy)
            }
            try:
                notified = await self._notifier.notify(mail.envelope, mail.message, refused)
            except asyncio.CancelledError:
                await self._ledger.note(one, outcomes)  # the upstream hears nothing and comes again
                raise
            self._tell_of_notification(mail, notified)
            if isinstance(notified.outcome, Deferred):
                await self._ledger.note(one, outcomes)
                return combine([notified.outcome])
            one.reported = True
        await self._ledger.conclude(one, outcomes, reported=not told_by_reply)
        return reply

    def tell_of_states(self, mail: PromotionalMail) -> None:
        """Count and log what was found when the recipients' states were read."""
        id_, brand = mail.envelope.id, mail.brand.id
        if mail.unknown_groups:
            metrics.UNKNOWN_GROUPS.inc(len(mail.unknown_groups))
            self._log.warning(
                LogEvent.GROUP_UNKNOWN, id=id_, brand=brand, groups=list(mail.unknown_groups)
            )
        if mail.states_missed:
            self._log.error(LogEvent.STATES_UNKNOWN, id=id_, brand=brand, reason=mail.states_missed)
        for event, counter, found in (
            (LogEvent.COPY_SUPPRESSED, metrics.RECIPIENTS_SUPPRESSED, mail.suppressed),
            (LogEvent.OPT_OUT_OVERRIDDEN, metrics.OPT_OUTS_OVERRIDDEN, mail.overridden),
        ):
            for digest, reason in found.values():
                labelled(counter, reason).inc()
                self._log.info(
                    event,
                    id=id_,
                    brand=brand,
                    campaign=mail.campaign.id,
                    recipient=digest.hex(),
                    reason=reason,
                )

    async def _audit_overridden(self, mail: PromotionalMail) -> None:
        """Write into the brand's audit how many copies went to who has opted out, on the sender's
        word.
        """
        if mail.overridden and self._auditing:
            detail = {"campaign": mail.campaign.id, "copies": str(len(mail.overridden))}
            await self._auditing.note(
                mail.brand, "relay", AuditAction.OPT_OUTS_OVERRIDDEN, mail.envelope.id, **detail
            )

    def _tell_of_copy(self, mail: Mail, recipient: str, outcome: Outcome) -> None:
        labelled(metrics.COPIES, mail.class_, OUTCOME_LABELS[type(outcome)]).inc()
        if isinstance(outcome, Delivered):
            if mail.brand and mail.campaign and mail.campaign.id and not mail.campaign.test:
                self._count(copy_tick(mail.brand.number, mail.campaign.id, now_ms=self._clock()))
            return
        if isinstance(outcome, Suppressed):
            return
        unknown = _is_unknown(outcome)
        if unknown:
            labelled(metrics.COPIES_UNKNOWN, "seen").inc()
        self._log.info(
            LogEvent.COPY_REFUSED if isinstance(outcome, RefusedCopy) else LogEvent.COPY_DEFERRED,
            id=mail.envelope.id,
            brand=mail.brand.id if mail.brand else None,
            recipient=self._digest(recipient, mail.brand),
            reply=str(outcome.reply),
            **({"unknown": True} if unknown else {}),
        )

    def _tell_of_notification(self, mail: Mail, notified: Notified) -> None:
        labelled(metrics.REPORTS, notified.result).inc()
        details: dict[str, object] = {
            "id": mail.envelope.id,
            "result": notified.result,
            "recipients": notified.recipients,
        }
        if notified.outcome is not None:
            details["reply"] = (
                "" if isinstance(notified.outcome, Suppressed) else str(notified.outcome.reply)
            )
        if notified.result == "sent":
            self._log.info(LogEvent.REPORT_SENT, **details)
        else:
            self._log.warning(LogEvent.REPORT_NOT_SENT, **details)

    def _digest(self, recipient: str, brand: Brand | None) -> str:
        try:
            return self._identify(recipient, brand=brand.number if brand else NO_BRAND).hex()
        except AddressInvalid:
            return ""


def _is_unknown(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and outcome.unknown


OUTCOME_LABELS: Mapping[type[Outcome], str] = {
    Delivered: "delivered",
    Suppressed: "suppressed",
    Deferred: "deferred",
    RefusedCopy: "refused",
}
