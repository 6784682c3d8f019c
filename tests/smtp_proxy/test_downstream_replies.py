"""Every stage of the dialogue against every way a peer can answer it (docs/requirements.md)."""

import pytest

from smtp_proxy.downstream.connection import Timeouts
from smtp_proxy.replies import Deferred, Delivered, Outcome, RefusedCopy, Reply
from tests.support.outgoing import A_COPY, IMPATIENT, copy_of, downstream_to
from tests.support.sink import Action, Drop, Reset, Say, Silence, Sink

PLAIN = ("SIZE 30000000", "8BITMIME", "SMTPUTF8")
PIPELINED = (*PLAIN, "PIPELINING")
BOTH_WAYS = pytest.mark.parametrize(
    "extensions", [PLAIN, PIPELINED], ids=["step by step", "pipelined"]
)

ENVELOPE = ("MAIL", "RCPT", "DATA")
GARBAGE = {
    "no number": b"hello\r\n",
    "two digits": b"25 ok\r\n",
    "first digit": b"950 ok\r\n",
    "no mark": b"250ok\r\n",
    "8-bit": b"\xff\xfe\r\n",
    "code changes": b"250-one\r\n251 two\r\n",
    "empty line": b"\r\n",
    "endless line": b"250 " + b"x" * 40_000,
    "endless reply": b"250-more\r\n" * 4_000,
    "NUL": b"\0\0\0\r\n",
}


async def _outcome(
    extensions: tuple[str, ...], stage: str, action: Action, timeouts: Timeouts = IMPATIENT
) -> Outcome:
    async with Sink(extensions=extensions) as sink:
        sink.always(stage, action)
        async with downstream_to(sink, timeouts=timeouts) as downstream:
            return await downstream.send(A_COPY)


@BOTH_WAYS
@pytest.mark.parametrize("stage", [*ENVELOPE, "DOT"])
async def test_a_refusal_passes_with_its_code_and_text(
    stage: str, extensions: tuple[str, ...]
) -> None:
    """Catalogue X6, X2."""
    outcome = await _outcome(extensions, stage, Say(b"554 5.7.1 we do not like x\r\n"))

    assert RefusedCopy(reply=Reply(554, "5.7.1", "we do not like x")) == outcome


@BOTH_WAYS
@pytest.mark.parametrize("stage", [*ENVELOPE, "DOT"])
async def test_a_temporary_refusal_passes_with_its_code_and_text(
    stage: str, extensions: tuple[str, ...]
) -> None:
    """Catalogue X6."""
    outcome = await _outcome(extensions, stage, Say(b"452 4.2.2 mailbox full\r\n"))

    assert Deferred(reply=Reply(452, "4.2.2", "mailbox full")) == outcome


@BOTH_WAYS
@pytest.mark.parametrize("stage", [*ENVELOPE, "DOT"])
async def test_421_becomes_451_and_ends_only_the_downstream_session(
    stage: str, extensions: tuple[str, ...]
) -> None:
    """Catalogue X6, C5."""
    outcome = await _outcome(extensions, stage, Say(b"421 4.3.2 shutting down\r\n"))

    assert Deferred(reply=Reply(451, "4.3.2", "shutting down")) == outcome


@BOTH_WAYS
@pytest.mark.parametrize("action", [Drop(), Reset(), Silence()], ids=["drop", "reset", "silence"])
@pytest.mark.parametrize("stage", ENVELOPE)
async def test_a_peer_lost_before_the_content_is_no_answer(
    stage: str, action: Action, extensions: tuple[str, ...]
) -> None:
    """Catalogue X5, X6."""
    outcome = await _outcome(extensions, stage, action)

    assert isinstance(outcome, Deferred)
    assert (451, "4.4.1", False) == (outcome.reply.code, outcome.reply.enhanced, outcome.unknown)


@BOTH_WAYS
@pytest.mark.parametrize("action", [Drop(), Reset(), Silence()], ids=["drop", "reset", "silence"])
async def test_a_peer_lost_after_the_final_dot_leaves_the_outcome_unknown(
    action: Action, extensions: tuple[str, ...]
) -> None:
    """Catalogue X6, C5."""
    outcome = await _outcome(extensions, "DOT", action)

    assert isinstance(outcome, Deferred)
    assert (451, "4.4.2", True) == (outcome.reply.code, outcome.reply.enhanced, outcome.unknown)


@BOTH_WAYS
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("stage", [*ENVELOPE, "DOT"])
async def test_garbage_is_a_protocol_error(
    stage: str, garbage: bytes, extensions: tuple[str, ...]
) -> None:
    """Catalogue C7, X6."""
    outcome = await _outcome(extensions, stage, Say(garbage), Timeouts())

    assert isinstance(outcome, Deferred)
    assert (451, "4.5.0", stage == "DOT") == (
        outcome.reply.code,
        outcome.reply.enhanced,
        outcome.unknown,
    )


@BOTH_WAYS
@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("MAIL", b"354 go on\r\n"),
        ("RCPT", b"334 what\r\n"),
        ("DATA", b"250 ok\r\n"),
        ("DATA", b"355 nearly\r\n"),
        ("DOT", b"354 more\r\n"),
    ],
)
async def test_a_reply_that_cannot_stand_there_is_a_protocol_error(
    stage: str, reply: bytes, extensions: tuple[str, ...]
) -> None:
    """Catalogue C7."""
    outcome = await _outcome(extensions, stage, Say(reply), Timeouts())

    assert isinstance(outcome, Deferred)
    assert (451, "4.5.0") == (outcome.reply.code, outcome.reply.enhanced)


@pytest.mark.parametrize(
    "action",
    [
        Say(b"554 5.3.2 no service\r\n"),
        Say(b"554-go\r\n554 away\r\n"),
        Say(b"421 4.3.2 busy\r\n"),
        Say(b"450 later\r\n"),
        Say(b"nonsense\r\n"),
        Say(b"220" + b"-x\r\n" * 10_000),
        Say(b"334 strange\r\n"),
        Drop(),
        Reset(),
        Silence(),
    ],
    ids=[
        "554",
        "554 of two lines",
        "421",
        "450",
        "garbage",
        "endless",
        "334",
        "drop",
        "reset",
        "silence",
    ],
)
@pytest.mark.parametrize("stage", ["CONNECT", "EHLO"])
async def test_a_session_that_does_not_begin_is_451(stage: str, action: Action) -> None:
    """Catalogue C7, X5, X6: the mail is not at fault, so even 554 in the greeting defers it."""
    outcome = await _outcome(PIPELINED, stage, action)

    assert isinstance(outcome, Deferred)
    assert (451, "4.4.1", False) == (outcome.reply.code, outcome.reply.enhanced, outcome.unknown)


async def test_an_unreachable_peer_is_451_and_the_next_mail_goes_when_it_is_back() -> None:
    """Catalogue X5."""
    sink = Sink()
    async with sink:
        pass
    async with downstream_to(sink) as downstream:
        outcome = await downstream.send(A_COPY)

    assert (
        Deferred(reply=Reply(451, "4.4.1", "Downstream cannot be reached or does not answer"))
        == outcome
    )


async def test_success_carries_the_queue_id() -> None:
    """Catalogue X2."""
    outcome = await _outcome(PIPELINED, "DOT", Say(b"250 2.6.0 Ok: queued as 4XyZ\r\n"))

    assert Delivered(reply=Reply(250, "2.0.0", "Ok: queued as 4XyZ")) == outcome


@BOTH_WAYS
async def test_the_refusal_of_the_only_recipient_is_the_outcome(
    extensions: tuple[str, ...],
) -> None:
    """Catalogue X7."""
    async with Sink(extensions=extensions) as sink, downstream_to(sink) as downstream:
        sink.on("RCPT", Say(b"550 5.1.1 no such person\r\n"))

        outcome = await downstream.send(A_COPY)

        assert RefusedCopy(reply=Reply(550, "5.1.1", "no such person")) == outcome
        assert [] == sink.received


async def test_354_without_a_recipient_is_answered_by_a_lone_dot() -> None:
    """Catalogue X7: RFC 2920 3.1; no content reaches a peer that refused its recipient, and the
    session goes on.
    """
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.on("RCPT", Say(b"550 5.1.1 no such person\r\n"))
        sink.on("DATA", Say(b"354 go on all the same\r\n"))

        refused = await downstream.send(A_COPY)
        delivered = await downstream.send(A_COPY)

        assert isinstance(refused, RefusedCopy)
        assert isinstance(delivered, Delivered)
        assert [b"", A_COPY.head + bytes(A_COPY.body.view)] == [
            received.content for received in sink.received
        ]
        assert 1 == len(sink.clients)


async def test_no_lone_dot_goes_to_a_recipient_taken_without_its_sender() -> None:
    """Catalogue X7: the peer is broken, and a dot would send that person an empty mail."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.on("MAIL", Say(b"550 5.7.1 not you\r\n"))
        sink.on("RCPT", Say(b"250 2.1.5 but you\r\n"))

        outcome = await downstream.send(A_COPY)

        assert RefusedCopy(reply=Reply(550, "5.7.1", "not you")) == outcome
        assert [] == sink.received


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"])
async def test_a_reply_may_come_octet_by_octet(stage: str) -> None:
    """Catalogue C7."""
    replies = {
        "CONNECT": b"220-a\r\n220 b\r\n",
        "EHLO": b"250-a\r\n250 PIPELINING\r\n",
        "DATA": b"354 go\r\n",
    }
    outcome = await _outcome(
        PIPELINED, stage, Say(replies.get(stage, b"250-2.0.0 o\r\n250 2.0.0 k\r\n"), split=True)
    )

    assert isinstance(outcome, Delivered)


async def test_a_long_reply_after_the_dot_counts_and_is_cut() -> None:
    """Catalogue C7: over 512 octets; to throw it away would mean a second copy."""
    outcome = await _outcome(PIPELINED, "DOT", Say(b"250 2.0.0 " + b"long " * 300 + b"\r\n"))

    assert isinstance(outcome, Delivered)
    assert 399 == len(outcome.reply.text)


async def test_a_refusal_that_closes_at_once_still_counts() -> None:
    """Catalogue X6: `550` and a closed connection is a refusal, not a lost connection."""
    outcome = await _outcome(PIPELINED, "MAIL", Say(b"550 5.7.1 blocked\r\n", close=True))

    assert RefusedCopy(reply=Reply(550, "5.7.1", "blocked")) == outcome


@pytest.mark.parametrize("code", [b"530", b"535"])
async def test_a_demand_for_authentication_is_our_affair(code: bytes) -> None:
    """Catalogue X6: the upstream must not bounce mail because our own credentials are wrong."""
    outcome = await _outcome(PIPELINED, "MAIL", Say(code + b" 5.7.0 authenticate first\r\n"))

    assert (
        Deferred(
            reply=Reply(
                451, "4.7.0", f"Downstream declined: {code.decode()} 5.7.0 authenticate first"
            )
        )
        == outcome
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"554 5.6.0 bad words\r\n", RefusedCopy(reply=Reply(554, "5.6.0", "bad words"))),
        (b"421 4.3.0 disk full\r\n", Deferred(reply=Reply(451, "4.3.0", "disk full"))),
        (
            b"250 2.0.0 thanks\r\n",
            Deferred(reply=Reply(451, "4.5.0", "Downstream broke the protocol")),
        ),
    ],
)
async def test_an_answer_in_the_middle_of_the_content_ends_the_copy(
    reply: bytes, expected: Outcome
) -> None:
    """Catalogue C7, X6: the session is not used again, because the copy is half written."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        sink.may_read.clear()
        sink.on("DATA", Say(b"354 go on\r\n" + reply))

        outcome = await downstream.send(copy_of(b"x" * 70 + b"\r\n" + b"y" * 25_000_000 + b"\r\n"))
        sink.may_read.set()

        assert expected == outcome
        assert [] == sink.received


def test_a_whole_send_ends_before_the_upstream_loses_its_patience() -> None:
    """Catalogue X12: RFC 5321 4.5.3.2.6 gives the final reply ten minutes."""
    timeouts = Timeouts()

    assert timeouts.total <= 570
    opening = timeouts.queue + timeouts.connect + 2 * timeouts.greeting
    assert opening + timeouts.command + timeouts.final < timeouts.total


async def test_the_total_bounds_every_other_wait() -> None:
    """Catalogue X12: a peer that is patient at each stage cannot keep a send beyond its total."""
    outcome = await _outcome(PIPELINED, "DOT", Silence(), Timeouts(total=0.3))

    assert isinstance(outcome, Deferred)
    assert ("4.4.2", True) == (outcome.reply.enhanced, outcome.unknown)
