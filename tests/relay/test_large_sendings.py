"""A mail to many: what is done once, what is bounded, and when the last word about a copy falls."""

import asyncio
import tracemalloc

import pytest

from smtp_proxy.relay.send import PARALLEL_COPIES, CopyTimes
from smtp_proxy.relay.sign import MessageSignature
from tests.support.relay import PROMOTIONAL, relaying
from tests.support.sink import Say, Sink
from tests.support.upstream import connected

ANN, BOB = "ann@example.net", "bob@example.net"
PLAIN = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
GONE = Say(b"550 5.1.1 no such user\r\n")


async def test_copies_of_one_destination_leave_together_one_recipient_each() -> None:
    """Catalogue X16."""
    recipients = [
        f"{name}@{domain}"
        for name in ("a", "b", "c")
        for domain in ("gmail.example", "Yahoo.example", "aol.example")
    ]
    async with relaying(sink=Sink(extensions=("8BITMIME", "SMTPUTF8"))) as relay:
        await relay.relayed(PROMOTIONAL, *recipients)

    starts = [
        line.partition(b"@")[2].lower() for line in relay.sink.commands if line.startswith(b"RCPT")
    ]
    assert [1] * 9 == [len(received.recipients) for received in relay.sink.received]
    assert sorted(recipients) == relay.sink.mailboxes
    assert sorted(starts) == starts


async def test_a_thousand_recipients_of_five_megabytes_hash_the_body_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catalogue D17, S10: all refused at RCPT, so that only the relay's own work is done a thousand
    times.
    """
    hashed: list[int] = []
    hash_body = MessageSignature.hash_body

    async def counted(signature: MessageSignature, body: bytes | memoryview) -> bytes:
        hashed.append(len(body))
        return await hash_body(signature, body)

    monkeypatch.setattr(MessageSignature, "hash_body", counted)
    mail = PROMOTIONAL + (b"x" * 998 + b"\r\n") * 5 * 1024
    async with relaying() as relay:
        relay.sink.always("RCPT", GONE)
        reply = await relay.relayed(mail, *(f"user{number}@example.net" for number in range(1000)))

    assert "550 5.1.1 no such user" == reply
    assert 1000 == relay.sink.stages.count("RCPT")
    assert 1 == len(hashed)


async def test_a_downstream_that_stops_reading_holds_a_bounded_part_of_the_copies() -> None:
    """Catalogue X13: at most so many copies of one message are begun, and none is copied whole for
    its connection.
    """
    mail = PLAIN + (b"x" * 998 + b"\r\n") * 8192
    recipients = [f"user{number}@example.net" for number in range(PARALLEL_COPIES + 1)]
    async with relaying(sink=Sink(keep=False)) as relay:
        relay.sink.may_read.clear()
        tracemalloc.start()
        sending = asyncio.create_task(relay.relayed(mail, *recipients))
        await relay.sink.reached("DATA", PARALLEL_COPIES)
        begun = len(relay.sink.clients)
        for _ in range(50):
            await asyncio.sleep(0.001)
        # of both sides: the sink's readers hold 2 MB each
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        relay.sink.may_read.set()
        reply = await sending

    assert reply.startswith("250 ")
    assert PARALLEL_COPIES == begun
    assert peak < len(mail) * PARALLEL_COPIES // 2


async def test_who_leaves_while_copies_wait_in_line_gets_none() -> None:
    """Catalogue Q1: between two queued copies, the second is dropped."""
    recipients = [f"user{number:02}@example.net" for number in range(PARALLEL_COPIES + 3)]
    async with relaying(times=CopyTimes(fresh=0)) as relay:
        relay.sink.may_read.clear()
        sending = asyncio.create_task(relay.relayed(PROMOTIONAL, *recipients))
        await relay.sink.reached("DATA", PARALLEL_COPIES)
        await relay.leave(recipients[-1])
        relay.sink.may_read.set()
        reply = await sending

    assert reply.startswith("250 ")
    assert recipients[:-1] == relay.sink.mailboxes


async def test_who_leaves_before_the_end_of_data_gets_no_copy() -> None:
    """Catalogue Q1: between RCPT and the end of DATA."""
    async with relaying() as relay, connected(relay.port) as upstream:
        await upstream.begin(sender="bounce@acme.example", recipients=(ANN, BOB))
        await relay.leave(ANN)
        await upstream.send(PROMOTIONAL + b".\r\n")
        reply = await upstream.reply()

    assert reply.startswith("250 ")
    assert [BOB] == relay.sink.mailboxes
