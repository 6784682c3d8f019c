"""Tells the sender of a mail which of its recipients were refused, when the reply could not say so (RFC 3464, RFC 3461, catalogue X3, X15).

A mail with refused recipients among others is answered 250, since a 5yz would make the upstream tell its sender that nobody has it. So
the refused ones are told by one notification, from the null sender, through the downstream like any mail. None goes out about a mail that
came from the null sender or that a machine sent as an answer, nor about recipients for whom NOTIFY asks for none: that loses no mail, and
is logged.
"""

import asyncio
from collections.abc import Callable, Mapping

from app.core.mail.dsn import FailedRecipient, Report, may_be_reported, returned_fields
from app.core.mail.message import Message
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.transaction import Transaction, wire_body
from smtp_proxy.relay.trace import rfc5322_date
from smtp_proxy.replies import Deferred, Delivered, Refused, final
from smtp_proxy.session.submission import Envelope

SECONDS = 20.0  # what the session's time for an answer leaves beyond that of the copies


class Reports:
    """Writes and sends notifications. One instance serves all sessions of a process."""

    def __init__(self, downstream: Downstream, *, hostname: str, clock: Callable[[], int], new_id: Callable[[], str], log: Logger) -> None:
        self._downstream = downstream
        self._hostname = hostname
        self._clock = clock
        self._new_id = new_id
        self._log = log

    async def tell(self, envelope: Envelope, message: Message, refused: Mapping[str, Refused]) -> Deferred | None:
        """Notify the envelope sender once of all refused recipients; what is returned is why that has to be tried again."""
        failed = [_failed(envelope, recipient, outcome) for recipient, outcome in refused.items()]
        failed = [recipient for recipient in failed if envelope.options_of(recipient.address).wants_failures]
        if not (failed and envelope.sender and may_be_reported(message)):
            self._note(envelope, "withheld", recipients=len(refused))
            return None
        limit = asyncio.get_running_loop().time() + SECONDS
        outcome = await self._downstream.send(self._notification(envelope, message, failed), limit=limit)
        if isinstance(outcome, Delivered):
            self._note(envelope, "sent", recipients=len(failed))
        elif isinstance(outcome, Deferred):
            self._note(envelope, "deferred", recipients=len(failed), reply=str(outcome.reply))
            return outcome
        else:  # whoever takes no notification cannot be told, now or later: the copies that went out stay out, so the reply stays 250
            self._note(envelope, "refused", recipients=len(failed), reply=str(outcome.reply if isinstance(outcome, Refused) else ""))
        return None

    def _notification(self, envelope: Envelope, message: Message, failed: list[FailedRecipient]) -> Transaction:
        report = Report(
            host=self._hostname,
            sender=envelope.sender,
            date=rfc5322_date(self._clock() // 1000),
            unique=self._new_id(),
            failed=failed,
            returned=returned_fields(message),
            envelope_id=envelope.options.envid,
        )
        return Transaction(sender="", recipient=envelope.sender, head=report.head(), body=wire_body(report.body()))

    def _note(self, envelope: Envelope, result: str, **details: object) -> None:
        labelled(metrics.REPORTS, result).inc()
        say = self._log.info if result == "sent" else self._log.warning
        say(LogEvent.REPORT_SENT if result == "sent" else LogEvent.REPORT_NOT_SENT, id=envelope.id, result=result, **details)


def _failed(envelope: Envelope, recipient: str, outcome: Refused) -> FailedRecipient:
    reply = final(outcome.reply)
    return FailedRecipient(address=recipient, status=reply.enhanced, diagnostic=str(reply), original=envelope.options_of(recipient).orcpt)
