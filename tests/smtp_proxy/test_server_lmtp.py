"""LMTP sessions (RFC 2033): how they begin, and one reply for each recipient that was accepted."""

import asyncio

import pytest

from app.core.errors import MessageTooLarge
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.submission import Envelope
from tests.support.upstream import Recorder, Upstream, connected, listening

OK = Reply(250, "2.0.0", "Ok: queued as 4F2")
GONE = Reply(550, "5.1.1", "No such user")
FULL = Reply(452, "4.2.2", "Mailbox full")


async def replies_of(
    upstream: Upstream,
    *recipients: str,
    content: bytes = b"Subject: x\r\n\r\nHello\r\n.\r\n",
    most: int = 9,
) -> list[str]:
    """Send a message, and return all replies to its content: those before the answer to a NOOP
    behind it.
    """
    await upstream.begin(recipients=recipients)
    await upstream.send(b"Subject: x\r\n\r\nHello\r\n.\r\nNOOP\r\n")
    heard: list[str] = []
    while not (reply := await upstream.reply()).startswith("250 2.0.0 OK") and len(heard) < 9:
        heard.append(reply)
    return heard


@pytest.mark.parametrize("verb", ["HELO", "EHLO", "helo"])
async def test_it_begins_with_lhlo_and_nothing_else(verb: str) -> None:
    """RFC 2033 4.1: HELO and EHLO must not be accepted."""
    async with listening(Recorder(), lmtp=True) as (_, port), connected(port, hello="") as upstream:
        refused = await upstream.say(f"{verb} client.example")
        too_early = await upstream.say("MAIL FROM:<a@acme.example>")
        greeted = await upstream.say("LHLO client.example")

    assert refused.startswith("500 5.5.1 ")
    assert too_early.startswith("503 ")
    assert {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"} <= {
        line[4:] for line in greeted.split("\n")
    }


async def test_an_smtp_listener_does_not_know_lhlo() -> None:
    async with listening(Recorder()) as (_, port), connected(port, hello="") as upstream:
        assert (await upstream.say("LHLO client.example")).startswith("500 5.5.1 ")


async def test_the_greeting_names_the_protocol() -> None:
    async with listening(Recorder(), lmtp=True) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        greeting = await reader.readline()
        writer.close()

    assert b"220 relay.example LMTP\r\n" == greeting


async def test_three_recipients_of_whom_two_are_equal_get_three_replies_and_make_one_copy_each() -> (
    None
):
    """Catalogue X4, S11: in order, duplicates included."""

    async def answer(envelope: Envelope) -> Answer:
        return tuple(
            {"b@x.example": OK, "c@x.example": GONE}[recipient] for recipient in envelope.recipients
        )

    handler = Recorder(answer)
    async with (
        listening(handler, lmtp=True) as (_, port),
        connected(port, hello="LHLO c") as upstream,
    ):
        heard = await replies_of(upstream, "b@x.example", "c@x.example", "b@X.example")

    assert [str(OK), str(GONE), str(OK)] == heard
    assert [("b@x.example", "c@x.example")] == [
        envelope.recipients for envelope in handler.envelopes
    ]
    assert [True] == [envelope.each for envelope in handler.envelopes]
    assert ["LMTP"] == [envelope.client.protocol for envelope in handler.envelopes]


async def test_what_holds_for_the_whole_message_is_told_of_each_recipient() -> None:
    """Catalogue X4: also an error of ours, and content that is refused."""

    async def fail(_: Envelope) -> Reply:
        raise MessageTooLarge("one octet too many")

    async with (
        listening(Recorder(fail), lmtp=True) as (_, port),
        connected(port, hello="LHLO c") as upstream,
    ):
        too_large = await replies_of(upstream, "b@x.example", "c@x.example")

    async with (
        listening(Recorder(FULL), lmtp=True) as (_, port),
        connected(port, hello="LHLO c") as upstream,
    ):
        full = await replies_of(upstream, "b@x.example", "c@x.example", "d@x.example")

    assert ["552 5.3.4 Message is larger than the limit: one octet too many"] * 2 == too_large
    assert [str(FULL)] * 3 == full


async def test_refused_recipients_have_no_reply_to_the_content() -> None:
    """RFC 2033 4.2: one for each RCPT that was accepted."""
    async with (
        listening(Recorder(OK), lmtp=True) as (_, port),
        connected(port, hello="LHLO c") as upstream,
    ):
        await upstream.say("MAIL FROM:<a@acme.example>")
        refused = await upstream.say("RCPT TO:<nobody>")
        await upstream.say("RCPT TO:<b@x.example>")
        await upstream.say("DATA")
        await upstream.send(b"Hello\r\n.\r\nNOOP\r\n")
        heard = [await upstream.reply(), await upstream.reply()]

    assert refused.startswith("501 ")
    assert [str(OK), "250 2.0.0 OK"] == heard


async def test_data_without_a_recipient_is_503() -> None:
    """RFC 2033 4.2."""
    async with (
        listening(Recorder(), lmtp=True) as (_, port),
        connected(port, hello="LHLO c") as upstream,
    ):
        await upstream.say("MAIL FROM:<a@acme.example>")
        await upstream.say("RCPT TO:<nobody>")

        assert (await upstream.say("DATA")).startswith("503 5.5.1 ")


async def test_content_whose_end_is_in_doubt_is_refused_for_each_and_ends_the_session() -> None:
    """Catalogue S1, X4."""
    handler = Recorder()
    async with (
        listening(handler, lmtp=True) as (_, port),
        connected(port, hello="LHLO c") as upstream,
    ):
        await upstream.begin(recipients=("b@x.example", "c@x.example"))
        await upstream.send(b"Hello\n.\nMAIL FROM:<e@x.example>\r\n.\r\n")
        heard = (await upstream.rest()).split(b"\r\n")

    assert [b"550 5.6.0", b"550 5.6.0", b"421 4.7.0", b""] == [line[:9] for line in heard]
    assert [] == handler.envelopes
