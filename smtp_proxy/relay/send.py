"""Send the copies of one message: a bounded number at once, and what became of each.

1. One recipient a transaction, in the order of their domains, so that a downstream finds those of
   one destination together.
2. Ask again whether a copy is wanted, right before it is handed over, if the last answer is older
   than `fresh` seconds: a copy ages while it waits behind others of its message or for a free
   session. Those next in line are asked about together with it.
3. The upstream waits for one reply, so a message has a time in which its copies may start, and one
   in which they end. What has not started by then is deferred.
4. A copy with a body of its own is made when memory for it is free, and holds that until its
   outcome is known.
5. Whatever happens to one copy is its outcome and never ends the others. On cancellation, at the
   end of a stop's grace or by the session's deadline, note the finished copies first: the next try
   must know.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from app.core.errors import SignoffError
from app.core.model import Recipient
from app.observe.log import LogEvent, Logger
from smtp_proxy import replies
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.relay.outgoing import OutgoingMessage
from smtp_proxy.replies import Deferred, Outcome, RefusedCopy, Reply, Suppressed
from smtp_proxy.session.memory import MemoryBudget

PARALLEL_COPIES = 20  # of one message on their way at once
ASKED_TOGETHER = 100
NO_TIME_LEFT = Deferred(
    reply=Reply(451, "4.4.7", "Not all recipients could be served in time, try again later")
)

# the outcomes of those who are no longer wanted, by address
Recheck = Callable[[Sequence[Recipient]], Awaitable[Mapping[str, Outcome]]]
Heard = Callable[[str, Outcome], None]
Note = Callable[[Mapping[str, Outcome]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTimes:
    """Seconds that the copies of one message have."""

    # for how long an answer holds: far below the seconds in which an unsubscribe has to be
    # effective
    fresh: float = 1.0
    start: float = 420.0  # from the message's arrival, for its last copy to start
    total: float = 540.0  # and for it to end: below the session's 570 for one answer


DEFAULT_TIMES = CopyTimes()


@dataclass(slots=True, kw_only=True, eq=False)
class _Progress:
    """How far one message is: who waits for a turn, what became of the others, and who was asked
    about when.
    """

    message: OutgoingMessage
    waiting: deque[Recipient]
    recheck: Recheck | None
    heard: Heard | None
    began: float
    last_start: float
    limit: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    unwanted: dict[str, Outcome] = field(default_factory=dict)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sender:
    """Makes and sends copies. One instance serves all sessions of a process, and shares the memory
    of their content.
    """

    def __init__(
        self,
        downstream: Downstream,
        *,
        memory: MemoryBudget,
        log: Logger,
        times: CopyTimes = DEFAULT_TIMES,
    ) -> None:
        self._downstream = downstream
        self._memory = memory
        self._log = log
        self._times = times

    async def send_all(
        self,
        message: OutgoingMessage,
        recipients: Sequence[Recipient],
        *,
        recheck: Recheck | None = None,
        heard: Heard | None = None,
        note: Note | None = None,
    ) -> dict[str, Outcome]:
        """Send each recipient's copy and return the outcomes by address.

        `recheck` is asked about copies whose turn comes later than `CopyTimes.fresh` from now.
        `heard` is called with each copy of a message with several as soon as it is finished, `note`
        on cancellation with all that are.
        """
        now, several = asyncio.get_running_loop().time(), len(recipients) > 1
        progress = _Progress(
            message=message,
            waiting=deque(sorted(recipients, key=_domain) if several else recipients),
            recheck=recheck,
            heard=heard if several else None,
            began=now,
            last_start=now + self._times.start,
            limit=now + self._times.total,
        )
        try:
            if several:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(len(recipients), message.at_once(PARALLEL_COPIES))):
                        group.create_task(self._send_waiting(progress))
            else:
                await self._send_waiting(progress)
        except asyncio.CancelledError:
            if note is not None:
                await note(progress.outcomes)
            raise
        return progress.outcomes

    async def _send_waiting(self, progress: _Progress) -> None:
        """Send one copy after the other until nobody waits."""
        time, own_octets = asyncio.get_running_loop().time, progress.message.own_octets
        while progress.waiting:
            recipient = progress.waiting.popleft()
            try:
                if time() >= progress.last_start:
                    outcome: Outcome = NO_TIME_LEFT
                elif own_octets:
                    async with self._memory.room(own_octets, until=progress.last_start):
                        outcome = await self._send(progress, recipient)
                else:
                    outcome = await self._send(progress, recipient)
            except SignoffError as error:
                outcome = _outcome_of(error)
            except Exception:
                self._log.exception(LogEvent.UNEXPECTED_ERROR, id=progress.message.envelope.id)
                outcome = Deferred(reply=replies.LOCAL_ERROR)
            progress.outcomes[recipient.address] = outcome
            if progress.heard is not None:
                progress.heard(recipient.address, outcome)

    async def _send(self, progress: _Progress, recipient: Recipient) -> Outcome:
        transaction = await progress.message.copy(recipient)
        unless = (
            partial(self._refusal, progress, recipient) if progress.recheck is not None else None
        )
        return await self._downstream.send(transaction, unless=unless, limit=progress.limit)

    async def _refusal(self, progress: _Progress, recipient: Recipient) -> Outcome | None:
        """Return the outcome of a copy that is no longer wanted; None: it may go."""
        if progress.recheck is not None and not self._is_fresh(progress, recipient):
            async with progress.asking:
                if not self._is_fresh(progress, recipient):
                    next_in_line = [
                        other
                        for other in islice(progress.waiting, ASKED_TOGETHER - 1)
                        if not _is_decided(progress, other)
                    ]
                    asked, recipients = (
                        asyncio.get_running_loop().time(),
                        [recipient, *next_in_line],
                    )
                    progress.unwanted.update(await progress.recheck(recipients))
                    progress.asked.update((one.address, asked) for one in recipients)
        return progress.unwanted.get(recipient.address)

    def _is_fresh(self, progress: _Progress, recipient: Recipient) -> bool:
        asked = progress.asked.get(recipient.address, progress.began)
        return asyncio.get_running_loop().time() - asked < self._times.fresh or _is_decided(
            progress, recipient
        )


def _is_decided(progress: _Progress, recipient: Recipient) -> bool:
    """Say whether a copy was found unwanted: nobody asks again. A deferred one may be wanted
    yet.
    """
    return isinstance(progress.unwanted.get(recipient.address), Suppressed | RefusedCopy)


def _outcome_of(error: SignoffError) -> Outcome:
    """Return what an error of ours means for one copy: it says of itself whether trying again can
    help.
    """
    reply = replies.for_error(error)
    return RefusedCopy(reply=reply) if reply.code >= 500 else Deferred(reply=reply)  # noqa: PLR2004 - the first digit of RFC 5321 4.2.1


def _domain(recipient: Recipient) -> str:
    return recipient.address.rpartition("@")[2].lower()
