"""Tells the sender of a mail which of its recipients were refused, when the reply could not say so
(RFC 3464, RFC 3461).

A mail with refused recipients among others is answered 250, since a 5yz would make the upstream
tell its sender that nobody has it. So the refused ones are told by one notification, from the null
sender, through the downstream like any mail. None goes out about a mail that came from the null
sender or that a machine sent as an answer, nor about recipients for whom NOTIFY asks for none: that
loses no mail, and is logged.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from app.core.mail.dsn import FailedRecipient, Report, may_be_reported, returned_fields
from app.core.mail.message import Message
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.transaction import Transaction, wire_body
from smtp_proxy.relay.outgoing import rfc5322_date
from smtp_proxy.replies import Deferred, Delivered, Outcome, RefusedCopy, final
from smtp_proxy.session.submission import Envelope

SECONDS = 20.0  # what the session's time for an answer leaves beyond that of the copies


class Notified(NamedTuple):
    """What became of one notification: a metric label, about how many recipients it is, and what
    the downstream said to it.
    """

    result: Literal["sent", "withheld", "deferred", "refused"]
    recipients: int
    outcome: Outcome | None = None


class Notifier:
    """Writes and sends notifications. One instance serves all sessions of a process."""

    def __init__(
        self,
        downstream: Downstream,
        *,
        hostname: str,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._downstream = downstream
        self._hostname = hostname
        self._clock = clock
        self._new_id = new_id

    async def notify(
        self, envelope: Envelope, message: Message, refused: Mapping[str, RefusedCopy]
    ) -> Notified:
        """Notify the envelope sender once of all refused recipients."""
        failed = [_failed(envelope, recipient, outcome) for recipient, outcome in refused.items()]
        failed = [
            recipient
            for recipient in failed
            if envelope.options_of(recipient.address).wants_failures
        ]
        if not (failed and envelope.sender and may_be_reported(message)):
            return Notified("withheld", len(refused))
        limit = asyncio.get_running_loop().time() + SECONDS
        outcome = await self._downstream.send(
            self._notification(envelope, message, failed), limit=limit
        )
        if isinstance(outcome, Delivered):
            return Notified("sent", len(failed))
        # Whoever refuses a notification cannot be told, now or later: the copies that went out stay
        # out, so the reply stays 250.
        return Notified(
            "deferred" if isinstance(outcome, Deferred) else "refused", len(failed), outcome
        )

    def _notification(
        self, envelope: Envelope, message: Message, failed: list[FailedRecipient]
    ) -> Transaction:
        report = Report(
            host=self._hostname,
            sender=envelope.sender,
            date=rfc5322_date(self._clock() // 1000),
            unique=self._new_id(),
            failed=failed,
            returned=returned_fields(message),
            envelope_id=envelope.options.envid,
        )
        return Transaction(
            sender="", recipient=envelope.sender, head=report.head(), body=wire_body(report.body())
        )


def _failed(envelope: Envelope, recipient: str, outcome: RefusedCopy) -> FailedRecipient:
    reply = final(outcome.reply)
    return FailedRecipient(
        address=recipient,
        status=reply.enhanced,
        diagnostic=str(reply),
        original=envelope.options_of(recipient).orcpt,
    )
