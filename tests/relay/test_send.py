"""The copies of one message: what one of them can do to the others, and what is said when all of
them are cancelled.
"""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from structlog.testing import capture_logs

from app.core.errors import RuleViolation, StoreUnavailable
from app.core.mail import stamp
from app.core.mail.message import parse
from app.core.model import Recipient, RecipientDigest
from app.observe.log import logger
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.transaction import Transaction, wire_body
from smtp_proxy.relay.outgoing import OutgoingMessage
from smtp_proxy.relay.send import ASKED_TOGETHER, CopyTimes, Sender
from smtp_proxy.replies import Deferred, Delivered, Outcome, RefusedCopy, Suppressed
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.submission import Client, Envelope
from tests.support.outgoing import downstream_to
from tests.support.relay import PROMOTIONAL
from tests.support.sink import Silence, Sink
from tests.support.upstream import eventually

ANN, BOB, CID = "ann@example.net", "bob@example.net", "cid@example.net"
CLIENT = Client(address="127.0.0.1", helo="c", protocol="ESMTP", account=None)


def envelope(*recipients: str) -> Envelope:
    return Envelope(
        id="1",
        sender="b@acme.example",
        recipients=recipients,
        body_8bit=False,
        smtputf8=False,
        client=CLIENT,
    )


def people(*addresses: str) -> list[Recipient]:
    return [Recipient(address=address, digest=RecipientDigest(b"")) for address in addresses]


def outgoing(*recipients: str, kind: type[OutgoingMessage] = OutgoingMessage) -> OutgoingMessage:
    message = parse(PROMOTIONAL)
    return kind(
        envelope=envelope(*recipients),
        base=stamp.unchanged(message),
        received=(b"Received: for <", b">; now\r\n"),
        body=wire_body(message.body),
    )


def sender_by(downstream: Downstream, times: CopyTimes) -> Sender:
    return Sender(downstream, memory=MemoryBudget(10**6), log=logger("test"), times=times)


@pytest.mark.parametrize(
    ("error", "kind", "start"),
    [
        (RuleViolation("secret detail"), RefusedCopy, "550 5.7.1 "),
        (StoreUnavailable("secret detail"), Deferred, "451 4.3.0 "),
        (ZeroDivisionError("secret detail"), Deferred, "451 4.3.0 "),
    ],
)
async def test_a_copy_that_cannot_be_made_is_an_outcome_and_ends_no_other(
    error: Exception, kind: type[Outcome], start: str
) -> None:
    """Catalogue X3, D9: the others are delivered, and the reply says so."""

    class Failing(OutgoingMessage):
        async def copy(self, recipient: Recipient) -> Transaction:
            if recipient.address == BOB:
                raise error
            return await OutgoingMessage.copy(self, recipient)

    with capture_logs() as lines:
        async with Sink() as sink, downstream_to(sink) as downstream:
            sender = sender_by(downstream, CopyTimes())
            outcomes = await sender.send_all(
                outgoing(ANN, BOB, CID, kind=Failing), people(ANN, BOB, CID)
            )

    bob = outcomes.pop(BOB)
    assert isinstance(bob, kind)
    assert str(getattr(bob, "reply", "")).startswith(start)
    assert [Delivered, Delivered] == [type(outcome) for outcome in outcomes.values()]
    assert [ANN, CID] == sink.mailboxes
    assert isinstance(error, ZeroDivisionError) == any(
        line["event"] == "unexpected_error" for line in lines
    )


async def test_who_is_cancelled_first_says_what_is_finished() -> None:
    """Catalogue X3: at the end of a stop's grace the upstream hears nothing, and the next relay has
    to know.
    """
    finished: dict[str, Outcome] = {}

    async def hear(outcomes: Mapping[str, Outcome]) -> None:
        await asyncio.sleep(0)  # as a store does that is asked
        finished.update(outcomes)

    async with Sink() as sink, downstream_to(sink) as downstream:
        sender = sender_by(downstream, CopyTimes())
        sink.on("DOT", Silence(), recipient=BOB)
        sending = asyncio.create_task(
            sender.send_all(outgoing(ANN, BOB), people(ANN, BOB), note=hear)
        )
        await sink.reached("DOT", 2)
        # the session that carried the finished one
        assert await eventually(lambda: len(downstream._idle) == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    assert [ANN] == list(finished)
    assert isinstance(finished[ANN], Delivered)


async def test_those_who_are_asked_about_are_asked_about_together() -> None:
    """Catalogue Q1: one question for many copies, and none about a copy that has just been asked
    about.
    """
    asked: list[int] = []

    async def recheck(recipients: Sequence[Recipient]) -> Mapping[str, Outcome]:
        asked.append(len(recipients))
        return {
            recipient.address: Suppressed(reason="unsubscribed")
            for recipient in recipients
            if recipient.address == BOB
        }

    everybody = people(
        *(f"user{number:03}@a.example" for number in range(ASKED_TOGETHER + 50)), BOB
    )
    async with Sink() as sink, downstream_to(sink) as downstream:
        always = await sender_by(downstream, CopyTimes(fresh=0)).send_all(
            outgoing(), everybody, recheck=recheck
        )
        questions, asked = asked, []
        never = await sender_by(downstream, CopyTimes(fresh=3600)).send_all(
            outgoing(), everybody, recheck=recheck
        )

    assert Suppressed(reason="unsubscribed") == always[BOB]
    assert ASKED_TOGETHER == max(questions)
    assert len(everybody) == len(always) == len(never)
    assert isinstance(never[BOB], Delivered)
    assert [] == asked


async def test_a_question_that_cannot_be_answered_defers_the_copy() -> None:
    """Catalogue Q1: nobody gets a mail because the store is away."""

    async def recheck(_: Sequence[Recipient]) -> Mapping[str, Outcome]:
        raise StoreUnavailable("away")

    async with Sink() as sink, downstream_to(sink) as downstream:
        sender = sender_by(downstream, CopyTimes(fresh=0))
        outcomes = await sender.send_all(outgoing(ANN, BOB), people(ANN, BOB), recheck=recheck)

        assert [Deferred, Deferred] == [type(outcome) for outcome in outcomes.values()]
        assert [] == sink.clients
