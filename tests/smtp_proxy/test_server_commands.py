"""The dialogue over real connections."""

import asyncio
import re
import smtplib

import pytest

from app.core import errors
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.submission import Client, Envelope, Offers
from tests.support.upstream import Recorder, connected, listening

BODY = b"Subject: x\r\n\r\nhello\r\n"
END = b".\r\n"


async def test_a_mail_arrives_as_it_was_sent() -> None:
    """Catalogue S6, S9."""
    handler = Recorder()
    content = b"Subject: gr\xc3\xbc\xdfe\r\n\r\n\xff\xfe 8-bit\r\n"

    async with listening(handler, new_id=lambda: "4f2") as (_, port), connected(port) as upstream:
        await upstream.begin(
            sender="", recipients=("Bob@X.example",), parameters=" BODY=8BITMIME SIZE=40"
        )
        await upstream.send(content + END)
        answer = await upstream.reply()

    client = Client(address="127.0.0.1", helo="client.example", protocol="ESMTP", account=None)
    envelope = Envelope(
        id="4f2",
        sender="",
        recipients=("Bob@X.example",),
        body_8bit=True,
        smtputf8=False,
        client=client,
    )
    assert "250 2.0.0 Message accepted" == answer
    assert [envelope] == handler.envelopes
    assert [content] == handler.contents


async def test_what_is_offered_is_what_is_done() -> None:
    """Catalogue S7, S9, S13, S14, S15, S18."""
    async with (
        listening(Recorder(), offers=lambda: Offers(smtputf8=True)) as (_, port),
        connected(port, hello="") as upstream,
    ):
        answer = await upstream.say("EHLO client.example")

    assert answer.splitlines() == [
        "250-relay.example",
        "250-SIZE 26214400",
        "250-8BITMIME",
        "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES",
        "250 SMTPUTF8",
    ]


async def test_a_client_is_held_to_what_it_was_told_whatever_is_learnt_meanwhile() -> None:
    """Catalogue S9: what was offered at EHLO is taken at MAIL and RCPT; what was not is refused."""
    told = Offers(eightbit=True, smtputf8=True, dsn=True)
    async with listening(Recorder(), offers=lambda: told) as (_, port), connected(port) as upstream:
        told = Offers(eightbit=False)
        sender = await upstream.say("MAIL FROM:<a@acme.example> BODY=8BITMIME SMTPUTF8 RET=HDRS")
        recipient = await upstream.say("RCPT TO:<j\u00f6rg@x.example> NOTIFY=NEVER")
        again = await upstream.say("EHLO client.example")
        refused = await upstream.say("MAIL FROM:<a@acme.example> BODY=8BITMIME")

    assert [sender[:3], recipient[:3], refused[:3]] == ["250", "250", "555"]
    assert "8BITMIME" not in again


async def test_smtputf8_is_offered_only_while_the_downstream_has_it() -> None:
    """Catalogue S9."""
    async with listening(Recorder()) as (_, port), connected(port, hello="") as upstream:
        answer = await upstream.say("EHLO client.example")
        refusal = await upstream.say("MAIL FROM:<a@b> SMTPUTF8")

    assert "SMTPUTF8" not in answer
    assert refusal.startswith("555 5.5.4")


async def test_the_greeting_tells_a_name_and_nothing_else() -> None:
    """Catalogue S18."""
    async with listening(Recorder(), hostname="mx.example") as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        greeting = await reader.readline()
        writer.close()

    assert b"220 mx.example ESMTP\r\n" == greeting


@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("HELP", "214 2.0.0"),
        ("HELP MAIL", "214 2.0.0"),
        ("VRFY root", "252 2.5.0"),
        ("EXPN staff", "502 5.5.1"),
        ("BDAT 5 LAST", "502 5.5.1"),
        ("NOOP", "250 2.0.0"),
        ("NOOP x", "250 2.0.0"),
        ("noop", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("RSET x", "501 5.5.4"),
        ("QUIT x", "501 5.5.4"),
        ("DATA x", "503 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("EHLO a(b)", "501 5.5.4"),
        ("EHLO a\x1b[2J", "501 5.5.4"),
        ("STARTTLS", "502 5.5.1"),
        ("FROB", "500 5.5.1"),
        ("", "500 5.5.1"),
        ("MAIL", "501 5.1.7"),
        ("MAIL FROM:a@b>", "501 5.1.7"),
        ("MAIL FROM:<a@b> RET=HDRS", "555 5.5.4"),
        ("MAIL FROM:<a@b> REQUIRETLS", "555 5.5.4"),
        ("MAIL FROM:<a@b> AUTH=<>", "250 2.1.0"),
        ("MAIL FROM:<ü@b>", "550 5.6.7"),
        ("RCPT TO:<a@b>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("AUTH PLAIN AGEAYg==", "538 5.7.11"),
    ],
)
async def test_a_command_has_one_reply_with_an_enhanced_code(command: str, start: str) -> None:
    """Catalogue S5, S12, S13, S14, S15, S18."""
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        answer = await upstream.say(command)
        after = await upstream.say("NOOP")

    assert answer.startswith(start)
    assert re.fullmatch(r"[245]\d\d [245]\.\d+\.\d+ [ -~]+", answer)
    assert "250 2.0.0 OK" == after


async def test_every_reply_of_a_whole_dialogue_has_an_enhanced_code() -> None:
    """Catalogue S13."""
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(BODY + END)
        said = [await upstream.reply(), await upstream.say("RSET"), await upstream.say("QUIT")]
        rest = await upstream.rest()

    assert all(re.fullmatch(r"[245]\d\d [245]\.\d+\.\d+ .+", line) for line in said)
    assert "221 2.0.0 Goodbye" == said[-1]
    assert b"" == rest


async def test_mail_needs_a_hello_first() -> None:
    async with listening(Recorder()) as (_, port), connected(port, hello="") as upstream:
        answer = await upstream.say("MAIL FROM:<a@b>")

    assert answer.startswith("503 5.5.1")


async def test_an_old_client_that_says_helo_can_send() -> None:
    handler = Recorder()

    async with listening(handler) as (_, port), connected(port, hello="") as upstream:
        hello = await upstream.say("HELO old.example")
        answer = await upstream.mail(BODY + END)

    assert "250 relay.example" == hello
    assert answer.startswith("250 2.0.0")
    assert "SMTP" == handler.envelopes[0].client.protocol


async def test_hello_and_rset_forget_an_open_transaction() -> None:
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        await upstream.say("MAIL FROM:<a@b>")
        nested = await upstream.say("MAIL FROM:<a@b>")
        await upstream.say("RSET")
        after_rset = await upstream.say("MAIL FROM:<a@b>")
        await upstream.say("EHLO client.example")
        after_hello = await upstream.say("RCPT TO:<a@b>")

    assert nested.startswith("503 5.5.1")
    assert after_rset.startswith("250 2.1.0")
    assert after_hello.startswith("503 5.5.1")


async def test_a_pipelined_burst_is_answered_in_order() -> None:
    """Catalogue S14."""
    handler = Recorder()
    burst = b"MAIL FROM:<a@b>\r\nRCPT TO:<no\r\nRCPT TO:<c@d>\r\nRCPT TO:<e f@g>\r\nDATA\r\n"

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.send(burst)
        codes = [(await upstream.reply())[:3] for _ in range(5)]
        await upstream.send(BODY + END + b"MAIL FROM:<>\r\nRCPT TO:<bad\r\nDATA\r\nQUIT\r\n")
        codes += [(await upstream.reply())[:3] for _ in range(5)]

    assert ["250", "501", "250", "501", "354", "250", "250", "501", "554", "221"] == codes
    assert [("c@d",)] == [envelope.recipients for envelope in handler.envelopes]


async def test_what_is_sent_ahead_while_a_mail_is_handed_on_waits_its_turn() -> None:
    """Catalogue S14."""
    release = asyncio.Event()

    async def slow(_: Envelope) -> Reply:
        await release.wait()
        return replies.ACCEPTED

    handler = Recorder(slow)
    mail = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + BODY + END

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.send(mail + b"NOOP\r\n" * 40_000)  # beyond what the server takes ahead
        release.set()
        codes = [(await upstream.reply())[:3] for _ in range(4 + 40_000)]

    assert ["250", "250", "354", "250"] == codes[:4]
    assert {"250"} == set(codes[4:])


@pytest.mark.parametrize(
    "command",
    [
        b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\r\n",
        b"MAIL FROM:<a@b>\n",
        b"MAIL FROM:<a@b>\rRCPT TO:<c@d>\r\n",
    ],
)
async def test_a_command_without_crlf_is_refused_and_has_no_effect(command: bytes) -> None:
    """Catalogue S2."""
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        await upstream.send(command)
        answer = await upstream.reply()
        data = await upstream.say("DATA")

    assert answer.startswith("500 5.5.2")
    assert data.startswith("503 5.5.1")


async def test_a_nul_in_a_command_is_refused() -> None:
    """Catalogue S2, C2."""
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        answer = await upstream.say(b"MAIL FROM:<a\0@b>")

    assert answer.startswith("500 5.5.2")


@pytest.mark.parametrize("length", [2049, 100_000])
async def test_an_overlong_line_is_refused_once_and_the_next_command_is_heard(length: int) -> None:
    """Catalogue S16."""
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        await upstream.send(b"NOOP " + b"x" * length + b"\r\nRSET\r\n")
        answers = [await upstream.reply(), await upstream.reply()]

    assert ["500 5.5.2 Command line too long", "250 2.0.0 OK"] == answers


async def test_a_command_may_come_one_octet_at_a_time() -> None:
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        for octet in b"MAIL FROM:<a@b>\r\n":
            await upstream.send(bytes([octet]))
            await asyncio.sleep(0)
        answer = await upstream.reply()

    assert answer.startswith("250 2.1.0")


async def test_recipients_beyond_the_cap_are_put_off() -> None:
    """Catalogue S10."""
    handler = Recorder()

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.say("MAIL FROM:<a@b>")
        await upstream.send(
            b"".join(b"RCPT TO:<r%d@x.example>\r\n" % number for number in range(1001))
        )
        codes = [(await upstream.reply())[:9] for _ in range(1001)]
        again = await upstream.say("RCPT TO:<r0@X.example>")
        await upstream.say("DATA")
        await upstream.send(BODY + END)
        await upstream.reply()

    assert {"250 2.1.5"} == set(codes[:1000])
    assert "452 4.5.3" == codes[1000]
    assert again.startswith("250 2.1.5")
    assert 1000 == len(handler.envelopes[0].recipients)


async def test_one_recipient_a_transaction_puts_the_second_off() -> None:
    """Catalogue X1."""
    handler = Recorder()

    async with listening(handler, one_recipient=True) as (_, port), connected(port) as upstream:
        await upstream.say("MAIL FROM:<a@b>")
        codes = [(await upstream.say(f"RCPT TO:<{name}@x.example>"))[:9] for name in "abc"]
        await upstream.say("DATA")
        await upstream.send(BODY + END)
        await upstream.reply()

    assert ["250 2.1.5", "452 4.5.3", "452 4.5.3"] == codes
    assert [("a@x.example",)] == [envelope.recipients for envelope in handler.envelopes]


async def test_the_same_recipient_twice_is_one() -> None:
    """Catalogue S11."""
    handler = Recorder()

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.begin(recipients=("a@x.example", "a@X.EXAMPLE"))
        await upstream.send(BODY + END)
        await upstream.reply()

    assert [("a@x.example",)] == [envelope.recipients for envelope in handler.envelopes]


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (ValueError("a secret"), "451 4.3.0"),
        (IndexError("a secret"), "451 4.3.0"),
        (errors.AddressInvalid("a secret"), "553 5.1.3"),
        (errors.StoreUnavailable("a secret"), "451 4.3.0"),
        (errors.SignerUnavailable("a secret"), "451 4.3.5"),
        (errors.MailLoop("a secret"), "554 5.4.6"),
    ],
)
async def test_an_error_is_answered_without_its_text_and_the_connection_goes_on(
    error: Exception, start: str
) -> None:
    """Catalogue D9."""

    async def fail(_: Envelope) -> Reply:
        raise error

    async with listening(Recorder(fail)) as (_, port), connected(port) as upstream:
        first = await upstream.mail(BODY + END)
        second = await upstream.mail(BODY + END)

    assert first.startswith(start)
    assert "secret" not in first
    assert first == second


async def test_a_multi_line_text_from_the_handler_stays_one_line() -> None:
    """Catalogue S13, X6."""
    async with (
        listening(Recorder(Reply(550, "5.7.1", "a\r\n250 b ü"))) as (_, port),
        connected(port) as upstream,
    ):
        answer = await upstream.mail(BODY + END)

    assert "550 5.7.1 a??250 b ?" == answer


async def test_smtplib_sends_a_mail() -> None:
    handler = Recorder()

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
            return client.sendmail("a@acme.example", ["b@x.example"], b"Subject: x\r\n\r\n.dot\r\n")

    async with listening(handler) as (_, port):
        refused = await asyncio.to_thread(send, port)

    assert {} == refused
    assert [b"Subject: x\r\n\r\n.dot\r\n"] == handler.contents


async def test_an_address_outside_ascii_travels_with_smtputf8() -> None:
    handler = Recorder()

    async with (
        listening(handler, offers=lambda: Offers(smtputf8=True)) as (_, port),
        connected(port) as upstream,
    ):
        await upstream.begin(recipients=("用户@例え.jp",), parameters=" SMTPUTF8")
        await upstream.send(BODY + END)
        await upstream.reply()

    (envelope,) = handler.envelopes
    assert ("用户@例え.jp",) == envelope.recipients
    assert (True, "UTF8SMTP") == (envelope.smtputf8, envelope.client.protocol)


async def test_a_thousand_mails_may_use_one_connection() -> None:
    handler = Recorder()
    mail = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + BODY + END

    async with (
        listening(handler, limits=Limits(max_commands=5000)) as (server, port),
        connected(port) as upstream,
    ):
        for _ in range(1000):
            await upstream.send(mail)
            codes = [(await upstream.reply())[:3] for _ in range(4)]
            assert ["250", "250", "354", "250"] == codes

        assert 0 == server.memory.used
    assert 1000 == len(handler.envelopes)
    assert 1000 == len({envelope.id for envelope in handler.envelopes})
