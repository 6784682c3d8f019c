"""Copies on their way to the downstream: a bounded number of one message at once, and what became of each.

1. One recipient a transaction, in the order of their domains, so that a downstream finds those of one destination together (catalogue X16).
2. Whether a copy is still wanted is asked again right before it is handed over, when the last answer has aged (catalogue Q1). A copy ages
   while it waits behind others of its message or for a free session; one that does neither costs no question. Who is asked about is asked
   together with those next in line.
3. The upstream waits for one reply, so a message has a time in which its copies may start, and one in which they end; what has not started
   by then is deferred (catalogue X12).
4. A copy with a body of its own is made when memory for it is free, and holds that until its outcome is known (catalogue X13).
5. Whatever happens to one copy is its outcome and never ends the others. Who is cancelled all the same, at the end of a stop's grace or by
   the session's deadline, first says what is finished: the next try must know.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from app.core.errors import SignoffError
from app.core.model import Recipient
from app.observe.log import LogEvent, Logger
from smtp_proxy import replies
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.transaction import Transaction
from smtp_proxy.relay.copies import CopyMaker
from smtp_proxy.relay.signing_thread import SigningThread
from smtp_proxy.replies import Deferred, Outcome, Refused, Reply, Suppressed
from smtp_proxy.session.delivery_options import NO_OPTIONS
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.submission import Envelope

PARALLEL_COPIES = 20  # of one message on their way at once
ASKED_TOGETHER = 100
NO_TIME_LEFT = Deferred(reply=Reply(451, "4.4.7", "Not all recipients could be served in time, try again later"))

Recheck = Callable[[Sequence[Recipient]], Awaitable[Mapping[str, Outcome]]]  # the outcomes of those who are no longer wanted, by address
Finished = Callable[[Mapping[str, Outcome]], Awaitable[None]]
Heard = Callable[[str, Outcome], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that the copies of one message have."""

    fresh: float = 1.0  # for how long somebody counts as asked: far below the seconds in which an unsubscribe has to be effective
    start: float = 420.0  # from the message's arrival, for its last copy to start
    total: float = 540.0  # and for it to end: below the session's 570 for one answer


DEFAULT_PATIENCE = Patience()


class Dispatch:
    """Makes and sends the copies of a message. One instance serves all sessions of a process, and shares the memory of their content."""

    def __init__(
        self,
        downstream: Downstream,
        signing: SigningThread,
        *,
        memory: MemoryBudget,
        log: Logger,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self._downstream = downstream
        self._signing = signing
        self._memory = memory
        self._log = log
        self._patience = patience

    async def send(  # noqa: PLR0913 - a message, and who hears of its copies
        self,
        envelope: Envelope,
        recipients: Sequence[Recipient],
        maker: CopyMaker,
        *,
        recheck: Recheck | None = None,
        heard: Heard | None = None,
        when_cancelled: Finished | None = None,
    ) -> dict[str, Outcome]:
        """Send each recipient's copy and return the outcomes by address.

        `recheck`: asked about copies whose turn comes later than `Patience.fresh` from now. `heard` hears of each copy of a message
        with several as soon as it is finished; `when_cancelled` hears of all that are.
        """
        message = _Sending(envelope, recipients, maker, recheck=recheck, heard=heard, patience=self._patience)
        try:
            if len(recipients) == 1:
                await self._send_next(message)
            else:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(len(recipients), maker.at_once(PARALLEL_COPIES))):
                        group.create_task(self._send_next(message))
        except asyncio.CancelledError:
            if when_cancelled is not None:
                await when_cancelled(message.outcomes)
            raise
        return message.outcomes

    async def _send_next(self, message: "_Sending") -> None:
        send = self._send_in_room if message.maker.own_octets else self._send
        while message.waiting:
            recipient = message.waiting.popleft()
            try:
                outcome = await send(message, recipient) if message.has_time() else NO_TIME_LEFT
            except SignoffError as error:
                outcome = _outcome_of(error)
            except Exception:
                self._log.exception(LogEvent.UNEXPECTED_ERROR, id=message.envelope.id)
                outcome = Deferred(reply=replies.LOCAL_ERROR)
            message.outcomes[recipient.address] = outcome
            if message.heard is not None:
                message.heard(recipient.address, outcome)

    async def _send_in_room(self, message: "_Sending", recipient: Recipient) -> Outcome:
        async with self._memory.room(message.maker.own_octets, until=message.last_start):
            return await self._send(message, recipient)

    async def _send(self, message: "_Sending", recipient: Recipient) -> Outcome:
        envelope = message.envelope
        head, body = await message.maker.copy(recipient, self._signing)
        transaction = Transaction(
            sender=envelope.sender,
            recipient=recipient.address,
            head=head,
            body=body,
            body_8bit=envelope.body_8bit,
            smtputf8=envelope.smtputf8,
            mail_options=message.mail_options,
            recipient_options=str(envelope.options_of(recipient.address)) if envelope.recipient_options else "",
            forwarded=envelope.forwarded,
        )
        return await self._downstream.send(transaction, unless=partial(message.wanted.refusal, recipient), limit=message.limit)


class _Sending:
    """One message's copies: those that wait for their turn, and what became of the others."""

    def __init__(  # noqa: PLR0913 - as above
        self,
        envelope: Envelope,
        recipients: Sequence[Recipient],
        maker: CopyMaker,
        *,
        recheck: Recheck | None,
        heard: Heard | None,
        patience: Patience,
    ) -> None:
        self._time = asyncio.get_running_loop().time
        self.last_start = self._time() + patience.start
        self.limit = self._time() + patience.total
        self.envelope = envelope
        self.mail_options = "" if envelope.options is NO_OPTIONS else str(envelope.options)
        self.maker = maker
        self.waiting = deque(sorted(recipients, key=_domain))
        self.wanted = _Wanted(self.waiting, recheck, patience.fresh, self._time)
        self.heard = heard if len(recipients) > 1 else None
        self.outcomes: dict[str, Outcome] = {}

    def has_time(self) -> bool:
        """Say whether a copy may still start."""
        return self._time() < self.last_start


class _Wanted:
    """Whether the copies of one message are still wanted."""

    def __init__(self, waiting: deque[Recipient], recheck: Recheck | None, fresh_seconds: float, time: Callable[[], float]) -> None:
        self._waiting = waiting
        self._recheck = recheck
        self._fresh_seconds = fresh_seconds
        self._time = time
        self._began = time()
        self._asked: dict[str, float] = {}
        self._unwanted: dict[str, Outcome] = {}
        self._asking = asyncio.Lock()

    async def refusal(self, recipient: Recipient) -> Outcome | None:
        """Return the outcome of a copy that is no longer wanted; None: it may go."""
        if self._recheck is None or self._is_fresh(recipient):
            return self._unwanted.get(recipient.address)
        async with self._asking:
            if not self._is_fresh(recipient):
                next_in_line = [other for other in islice(self._waiting, ASKED_TOGETHER - 1) if not self._is_decided(other)]
                await self._ask(self._recheck, [recipient, *next_in_line])
        return self._unwanted.get(recipient.address)

    def _is_decided(self, recipient: Recipient) -> bool:
        """Say whether a copy was found unwanted: that is counted and logged, so nobody asks again. A deferred one may be wanted yet."""
        return isinstance(self._unwanted.get(recipient.address), Suppressed | Refused)

    def _is_fresh(self, recipient: Recipient) -> bool:
        return self._is_decided(recipient) or self._time() - self._asked.get(recipient.address, self._began) < self._fresh_seconds

    async def _ask(self, recheck: Recheck, recipients: Sequence[Recipient]) -> None:
        asked = self._time()
        self._unwanted.update(await recheck(recipients))
        self._asked.update((recipient.address, asked) for recipient in recipients)


def _outcome_of(error: SignoffError) -> Outcome:
    """Return what an error of ours means for one copy: it says of itself whether trying again can help."""
    reply = replies.for_error(error)
    return Refused(reply=reply) if reply.code >= 500 else Deferred(reply=reply)  # noqa: PLR2004 - the first digit of RFC 5321 4.2.1


def _domain(recipient: Recipient) -> str:
    return recipient.address.rpartition("@")[2].lower()
