"""What a downstream is asked about reports, an LMTP downstream, and the last word that the relay
has before a copy leaves.
"""

import asyncio
from dataclasses import replace

import pytest

from smtp_proxy.replies import Deferred, Delivered, Outcome, RefusedCopy, Reply, Suppressed
from tests.support.outgoing import A_COPY, copy_of, downstream_to
from tests.support.sink import PLAIN_EXTENSIONS, Drop, Say, Sink

ASKING = replace(
    A_COPY,
    mail_options=" RET=HDRS ENVID=aBc+2B",
    recipient_options=" NOTIFY=Never ORCPT=rfc822;Ann@Example.NET",
)


@pytest.mark.parametrize(
    "extensions",
    [(*PLAIN_EXTENSIONS, "DSN"), ("DSN", "SIZE 30000000")],
    ids=["pipelined", "step by step"],
)
async def test_a_downstream_that_offers_dsn_gets_the_parameters_as_they_were_written(
    extensions: tuple[str, ...],
) -> None:
    """Catalogue S12, S17: ENVID=aBc reaches the sink as aBc."""
    async with Sink(extensions=extensions) as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(ASKING)

        (received,) = sink.received
        assert isinstance(outcome, Delivered)
        assert received.mail.endswith(b" RET=HDRS ENVID=aBc+2B")
        assert (
            b"RCPT TO:<ann@example.net> NOTIFY=Never ORCPT=rfc822;Ann@Example.NET",
        ) == received.recipients


async def test_one_that_does_not_gets_none_of_them() -> None:
    """Catalogue S12."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        await downstream.send(ASKING)

        (received,) = sink.received
        assert b"ENVID" not in received.mail
        assert (b"RCPT TO:<ann@example.net>",) == received.recipients


LMTP = ("PIPELINING", "SIZE 30000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@pytest.mark.parametrize(
    ("stage", "said", "outcome"),
    [
        (
            "RCPT",
            b"550 5.1.1 no such user\r\n",
            RefusedCopy(reply=Reply(550, "5.1.1", "no such user")),
        ),
        ("RCPT", b"450 4.2.1 not now\r\n", Deferred(reply=Reply(450, "4.2.1", "not now"))),
        (
            "DOT",
            b"552 5.2.2 <ann@example.net> full\r\n",
            RefusedCopy(reply=Reply(552, "5.2.2", "<ann@example.net> full")),
        ),
        (
            "DOT",
            b"451 4.2.0 <ann@example.net> busy\r\n",
            Deferred(reply=Reply(451, "4.2.0", "<ann@example.net> busy")),
        ),
        (
            "DOT",
            b"250 2.0.0 <ann@example.net> Saved\r\n",
            Delivered(reply=Reply(250, "2.0.0", "<ann@example.net> Saved")),
        ),
    ],
)
@pytest.mark.parametrize("extensions", [LMTP, LMTP[1:]], ids=["pipelined", "step by step"])
async def test_an_lmtp_downstream_says_one_reply_for_the_one_recipient(
    extensions: tuple[str, ...], stage: str, said: bytes, outcome: Outcome
) -> None:
    """Catalogue X6, X16: RFC 2033 4.2; after it the session is as good as before."""
    async with (
        Sink(extensions=extensions) as sink,
        downstream_to(sink, scheme="lmtp") as downstream,
    ):
        sink.on(stage, Say(said))

        first = await downstream.send(A_COPY)
        second = await downstream.send(A_COPY)

        assert outcome == first
        assert isinstance(second, Delivered)
        assert b"LHLO relay.example" == sink.commands[0]
        assert 1 == len(sink.clients)


async def test_an_lmtp_downstream_that_goes_away_after_the_last_byte_leaves_the_outcome_unknown() -> (
    None
):
    """Catalogue X14, C5."""
    async with Sink() as sink, downstream_to(sink, scheme="lmtp") as downstream:
        sink.on("DOT", Drop())

        outcome = await downstream.send(A_COPY)

    assert (
        Deferred(reply=Reply(451, "4.4.2", "Connection to downstream was lost"), unknown=True)
        == outcome
    )


async def test_a_copy_that_is_no_longer_wanted_leaves_no_trace_at_the_downstream() -> None:
    """Catalogue Q1: asked when its session is free."""
    left = Suppressed(reason="unsubscribed")

    async def unwanted() -> Outcome:
        return left

    async with Sink() as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(A_COPY, unless=unwanted)

        assert left == outcome
        assert [] == sink.clients


async def test_the_last_word_comes_after_the_wait_for_a_session() -> None:
    """Catalogue Q1: who leaves while a copy waits for its session does not get it."""
    gone: list[str] = []

    async def unwanted() -> Outcome | None:
        return Suppressed(reason="unsubscribed") if gone else None

    async with Sink() as sink, downstream_to(sink, size=1) as downstream:
        sink.may_read.clear()
        first = asyncio.create_task(downstream.send(copy_of(b"first\r\n"), unless=unwanted))
        await sink.reached("DATA")
        second = asyncio.create_task(downstream.send(copy_of(b"second\r\n"), unless=unwanted))
        await asyncio.sleep(0)
        gone.append("ann")
        sink.may_read.set()

        assert isinstance(await first, Delivered)
        assert Suppressed(reason="unsubscribed") == await second
        assert 1 == len(sink.received)


async def test_a_copy_ends_when_its_message_has_to() -> None:
    """Catalogue X12: the bound of the message counts, not only that of the copy."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(A_COPY, limit=asyncio.get_running_loop().time())

        assert isinstance(outcome, Deferred)
        assert [] == sink.received
