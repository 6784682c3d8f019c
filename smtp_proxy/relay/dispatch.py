"""Copies on their way to the downstream: a bounded number of one message at once, and what became of each."""

import asyncio
from collections.abc import Sequence

from app.core.model import Recipient
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.transaction import Transaction, WireBody, wire_body
from smtp_proxy.relay.copies import CopyMaker
from smtp_proxy.relay.signing_thread import SigningThread
from smtp_proxy.replies import Outcome
from smtp_proxy.session.submission import Envelope

PARALLEL_COPIES = 20  # of one message on their way at once


class Dispatch:
    """Makes and sends the copies of a message. One instance serves all sessions of a process."""

    def __init__(self, downstream: Downstream, signing: SigningThread) -> None:
        self._downstream = downstream
        self._signing = signing

    async def send(self, envelope: Envelope, recipients: Sequence[Recipient], maker: CopyMaker) -> list[Outcome]:
        """Send each recipient's copy and return the outcomes in the order of the recipients."""
        body = wire_body(maker.base.body)
        if len(recipients) == 1:
            return [await self._send(envelope, recipients[0], maker, body)]
        waiting = iter(enumerate(recipients))
        outcomes: dict[int, Outcome] = {}

        async def send_next() -> None:
            for position, recipient in waiting:
                outcomes[position] = await self._send(envelope, recipient, maker, body)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(recipients), PARALLEL_COPIES)):
                group.create_task(send_next())
        return [outcomes[position] for position in range(len(recipients))]

    async def _send(self, envelope: Envelope, recipient: Recipient, maker: CopyMaker, body: WireBody) -> Outcome:
        return await self._downstream.send(
            Transaction(
                sender=envelope.sender,
                recipient=recipient.address,
                head=await maker.head(recipient, self._signing),
                body=body,
                body_8bit=envelope.body_8bit,
                smtputf8=envelope.smtputf8,
            )
        )
