"""Which session carries which copy, and what the pool does when there is none."""

import asyncio

import pytest

from app.core.errors import DownstreamUnavailable
from smtp_proxy.downstream.connection import Timeouts
from smtp_proxy.replies import Deferred, Delivered, RefusedCopy, Reply
from tests.support.outgoing import A_COPY, IMPATIENT, copy_of, downstream_to
from tests.support.sink import Drop, Reset, Say, Silence, Sink

BUSY = Deferred(reply=Reply(451, "4.3.2", "Too many mails on their way to downstream"))


async def test_copies_one_after_another_share_a_session() -> None:
    """Catalogue C5."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        outcomes = [await downstream.send(A_COPY) for _ in range(5)]

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [0] * 5 == [received.connection for received in sink.received]


async def test_the_session_used_last_is_used_first() -> None:
    """So that the others become idle and close."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        await asyncio.gather(downstream.send(A_COPY), downstream.send(A_COPY))
        last = sink.received[-1].connection

        for _ in range(4):
            await downstream.send(A_COPY)

        assert [last] * 5 == [received.connection for received in sink.received[1:]]


async def test_a_session_is_left_after_its_number_of_mails() -> None:
    async with Sink() as sink, downstream_to(sink, mails_per_session=2) as downstream:
        for _ in range(4):
            await downstream.send(A_COPY)

        assert [0, 0, 1, 1] == [received.connection for received in sink.received]
        await sink.reached("QUIT")


async def test_a_refused_copy_leaves_the_session_good() -> None:
    """Catalogue C5: RSET goes before the next one, so that no transaction is nested in what the
    refusal left open.
    """
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.on("RCPT", Say(b"550 5.1.1 no\r\n"))

        refused = await downstream.send(A_COPY)
        delivered = await downstream.send(A_COPY)

        assert isinstance(refused, RefusedCopy)
        assert isinstance(delivered, Delivered)
        assert [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"MAIL", b"RCPT", b"DATA"] == [
            line[:4] for line in sink.commands
        ]


async def test_a_session_that_refuses_to_reset_is_replaced() -> None:
    """Catalogue C5."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.on("RCPT", Say(b"550 5.1.1 no\r\n"))
        sink.on("RSET", Say(b"502 5.5.1 no\r\n"))

        await downstream.send(A_COPY)
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert [1] == [received.connection for received in sink.received]


async def test_a_peer_that_closes_after_three_mails_gets_the_fourth_on_a_new_session() -> None:
    """Catalogue C5."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        ok = Say(b"250 2.1.0 ok\r\n")
        sink.on("MAIL", ok, ok, ok, Say(b"421 4.7.0 enough\r\n", close=True))

        outcomes = [await downstream.send(A_COPY) for _ in range(4)]

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [0, 0, 0, 1] == [received.connection for received in sink.received]


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("action", [Drop(), Reset(), Silence()], ids=["drop", "reset", "silence"])
async def test_an_idle_session_that_turns_out_dead_is_replaced_once(
    stage: str, action: Drop | Reset | Silence
) -> None:
    """Catalogue C5: no octet of content was written, so nobody can have the copy."""
    async with Sink() as sink, downstream_to(sink, timeouts=IMPATIENT) as downstream:
        await downstream.send(A_COPY)
        sink.on(stage, action)

        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert [0, 1] == [received.connection for received in sink.received]


async def test_a_second_dead_session_is_not_replaced() -> None:
    """Catalogue C5: one retry."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        await downstream.send(A_COPY)
        sink.always("MAIL", Drop())

        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Deferred)
        assert 2 == len(sink.clients)


async def test_nothing_is_sent_again_after_the_final_dot() -> None:
    """Catalogue C5: drop after the dot → 451, not a silent second copy."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        await downstream.send(A_COPY)
        sink.on("DOT", Drop())

        outcome = await downstream.send(A_COPY)

        assert (
            Deferred(reply=Reply(451, "4.4.2", "Connection to downstream was lost"), unknown=True)
            == outcome
        )
        assert 2 == len(sink.received)
        assert 1 == len(sink.clients)


async def test_a_session_that_the_peer_closed_is_never_picked() -> None:
    """Catalogue C5."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        await asyncio.gather(*(downstream.send(A_COPY) for _ in range(3)))
        await sink.disconnect()

        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert 3 == sink.received[-1].connection


async def test_a_word_said_to_an_idle_session_ends_it() -> None:
    """Catalogue C5: such as the 421 before an idle session is closed; it must not answer the next
    MAIL.
    """
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.on("DOT", Say(b"250 2.0.0 ok\r\n421 4.4.2 idle\r\n"))

        outcomes = [await downstream.send(A_COPY) for _ in range(2)]

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [0, 1] == [received.connection for received in sink.received]


async def test_half_a_reply_behind_the_last_one_ends_the_session() -> None:
    """Catalogue C5, C7."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.on("DOT", Say(b"250 2.0.0 ok\r\n250"))

        outcomes = [await downstream.send(A_COPY) for _ in range(2)]

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [0, 1] == [received.connection for received in sink.received]


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "DATA", "DOT"])
async def test_a_cancelled_send_ends_its_session(stage: str) -> None:
    """Catalogue C5: never used again after a cancel, and its place is free again."""
    async with Sink() as sink, downstream_to(sink, size=1) as downstream:
        sink.on(stage, Silence())
        sending = asyncio.create_task(downstream.send(A_COPY))
        await sink.reached(stage)

        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert 1 == sink.received[-1].connection


async def test_sessions_never_outnumber_the_bound() -> None:
    async with Sink() as sink, downstream_to(sink, size=3) as downstream:
        outcomes = await asyncio.gather(*(downstream.send(A_COPY) for _ in range(40)))

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert 3 == len(sink.clients)


async def test_a_full_queue_defers_at_once() -> None:
    """Catalogue X5: a bound and a decided answer when it is reached."""
    async with Sink() as sink, downstream_to(sink, size=1, waiting=1) as downstream:
        sink.on("DOT", Silence())
        first = asyncio.create_task(downstream.send(A_COPY))
        second = asyncio.create_task(downstream.send(A_COPY))
        await sink.reached("DOT")

        third = await downstream.send(A_COPY)
        first.cancel()

        assert BUSY == third
        assert isinstance(await second, Delivered)


async def test_waiting_for_a_session_has_an_end() -> None:
    async with (
        Sink() as sink,
        downstream_to(sink, size=1, timeouts=Timeouts(queue=0.05)) as downstream,
    ):
        sink.on("DOT", Silence())
        first = asyncio.create_task(downstream.send(A_COPY))
        await sink.reached("DOT")

        second = await downstream.send(A_COPY)
        first.cancel()

        assert BUSY == second


async def test_an_idle_session_says_goodbye() -> None:
    async with Sink() as sink, downstream_to(sink, timeouts=Timeouts(idle=0.05)) as downstream:
        await downstream.send(A_COPY)

        await sink.reached("QUIT")
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert [0, 1] == [received.connection for received in sink.received]


async def test_a_probe_learns_what_is_offered_and_its_session_is_used() -> None:
    """Catalogue C3."""
    async with (
        Sink(extensions=("PIPELINING", "SIZE 5000000", "smtputf8")) as sink,
        downstream_to(sink) as downstream,
    ):
        before = downstream.capabilities

        await downstream.probe()
        await downstream.send(A_COPY)

        after = downstream.capabilities
        assert (None, False, True, True, True) == (
            before.size,
            before.pipelining,
            before.eightbit,
            before.smtputf8,
            before.dsn,
        )
        assert (5_000_000, True, False, True) == (
            after.size,
            after.pipelining,
            after.eightbit,
            after.smtputf8,
        )
        assert 1 == len(sink.clients)


async def test_a_probe_of_a_dead_peer_raises() -> None:
    """Catalogue X5."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.always("CONNECT", Drop())

        with pytest.raises(DownstreamUnavailable):
            await downstream.probe()


async def test_closing_ends_what_still_runs_as_deferred() -> None:
    """Catalogue X5: nothing is lost, and nothing is said to be delivered that was not."""
    async with Sink() as sink:
        downstream = downstream_to(sink)
        sink.on("DATA", Silence())
        sending = asyncio.create_task(downstream.send(A_COPY))
        await sink.reached("DATA")

        await downstream.close()

        assert isinstance(await sending, Deferred)
        assert isinstance(await downstream.send(A_COPY), Deferred)


async def test_many_large_and_small_copies_keep_their_bytes_apart() -> None:
    """Catalogue C1, C5."""
    bodies = [
        b"%d\r\n.%d\r\n" % (number, number) * (20_000 if number % 5 == 0 else 1)
        for number in range(40)
    ]
    async with Sink() as sink, downstream_to(sink, size=4) as downstream:
        copies = [
            copy_of(body, recipient=f"r{number}@example.net") for number, body in enumerate(bodies)
        ]
        await asyncio.gather(*(downstream.send(copy) for copy in copies))

        expected = {
            b"RCPT TO:<%s>" % copy.recipient.encode(): copy.head + bytes(copy.body.view)
            for copy in copies
        }
        assert expected == {received.recipients[0]: received.content for received in sink.received}
