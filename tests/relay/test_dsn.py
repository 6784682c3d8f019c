"""Who is notified of refused recipients, and who is not."""

import email
import email.policy
from collections.abc import Iterable
from dataclasses import replace
from email.message import EmailMessage, Message

import pytest
from structlog.testing import capture_logs

from app.core.model import OnSuppressed
from app.store.ledger_memory import MemoryLedger
from smtp_proxy.session.submission import Offers
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, relaying
from tests.support.sink import PLAIN_EXTENSIONS, Drop, Received, Say, Silence, Sink
from tests.support.upstream import connected

ANN, BOB, CID, SENDER = (
    "ann@example.net",
    "bob@example.net",
    "cid@example.net",
    "bounce@acme.example",
)
GONE, FULL = Say(b"550 5.1.1 no such user\r\n"), Say(b"552 5.2.2 mailbox full\r\n")
TO_SENDER = (b"RCPT TO:<bounce@acme.example>",)


def reports(received: Iterable[Received]) -> list[EmailMessage]:
    found = [
        email.message_from_bytes(one.content, policy=email.policy.default)
        for one in received
        if one.mail.startswith(b"MAIL FROM:<>")
    ]
    return [message for message in found if isinstance(message, EmailMessage)]


def told(message: EmailMessage) -> dict[str, str]:
    """Return the refused recipients of a notification and what was said about them."""
    (part,) = [
        part for part in message.walk() if part.get_content_type() == "message/delivery-status"
    ]
    groups = part.get_payload()
    assert isinstance(groups, list)
    return {
        group["Final-Recipient"]: group["Diagnostic-Code"]
        for group in groups[1:]
        if isinstance(group, Message)
    }


async def test_refused_ones_among_delivered_ones_make_one_notification_to_the_envelope_sender() -> (
    None
):
    """Catalogue X3, X15: 250, and one multipart/report from the null sender."""
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        relay.sink.on("DOT", FULL, recipient=CID)

        reply = await relay.relayed(PROMOTIONAL, ANN, BOB, CID)

    (report,) = reports(relay.sink.received)
    assert reply.startswith("250 2.0.0 ")
    assert {
        "rfc822; ann@example.net": "smtp; 550 5.1.1 no such user",
        "rfc822; cid@example.net": "smtp; 552 5.2.2 mailbox full",
    } == told(report)
    assert [TO_SENDER] == [
        one.recipients for one in relay.sink.received if one.mail.startswith(b"MAIL FROM:<>")
    ]
    assert "auto-replied" == report["Auto-Submitted"]


async def test_the_notification_returns_the_senders_fields_and_nothing_of_the_relays() -> None:
    """Catalogue H20, X15."""
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        await relay.relayed(PROMOTIONAL, ANN, BOB)

    (report,) = reports(relay.sink.received)
    *_, returned = report.iter_parts()
    assert isinstance(returned, EmailMessage)
    assert "Message-ID: <1@acme.example>" in str(returned.get_payload())
    assert "X-Signoff" not in str(report)


async def test_a_refusal_of_all_needs_no_notification() -> None:
    """Catalogue X2: the upstream tells its sender."""
    async with relaying() as relay:
        relay.sink.always("RCPT", GONE)
        reply = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert "550 5.1.1 no such user" == reply
    assert [] == relay.sink.received


@pytest.mark.parametrize(
    ("sender", "field"),
    [
        ("", b""),
        (SENDER, b"Auto-Submitted: auto-replied\r\n"),
        (SENDER, b"Auto-Submitted: auto-generated\r\n"),
    ],
    ids=["null sender", "auto-replied", "auto-generated"],
)
async def test_nobody_is_notified_about_what_nobody_sent(sender: str, field: bytes) -> None:
    """Catalogue X15: never to the null sender, never about an automatic answer; it is logged, for
    nobody else says it.
    """
    with capture_logs() as lines:
        async with relaying() as relay:
            relay.sink.on("RCPT", GONE, recipient=ANN)
            reply = await relay.relayed(field + PROMOTIONAL, ANN, BOB, sender=sender)

    assert reply.startswith("250 ")
    assert [BOB] == relay.sink.mailboxes
    assert ["withheld"] == [line["result"] for line in lines if line["event"] == "report_not_sent"]


async def test_the_notification_itself_passes_a_relay_and_makes_no_further_one() -> None:
    """Catalogue X15: our own, refused in part on its way back."""
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        await relay.relayed(PROMOTIONAL, ANN, BOB)
        (own,) = [
            one.content for one in relay.sink.received if one.mail.startswith(b"MAIL FROM:<>")
        ]
        # a From that the relay takes
        passed_on = own.replace(b"MAILER-DAEMON@relay.example", b"postmaster@acme.example", 1)

        relay.sink.on("RCPT", GONE, recipient=CID)
        reply = await relay.relayed(passed_on, CID, SENDER, sender="")

    assert reply.startswith("250 ")
    assert [BOB, SENDER, SENDER] == relay.sink.mailboxes


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DOT"])
async def test_a_notification_that_cannot_be_sent_now_makes_the_upstream_try_again_and_only_it_is_sent(
    stage: str,
) -> None:
    """Catalogue X3, X15: no copy leaves twice, the sender hears once."""
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        key = {"MAIL": "", "RCPT": SENDER, "DOT": SENDER}[stage]
        ok = Say(b"250 2.1.0 ok\r\n")
        # The copies and the notification open no transaction at once: each has its MAIL, and that
        # of the notification is the third.
        relay.sink.on(
            stage, *([ok, ok] if stage == "MAIL" else []), Say(b"451 4.3.0 busy\r\n"), recipient=key
        )

        first = await relay.relayed(PROMOTIONAL, ANN, BOB)
        second = await relay.relayed(PROMOTIONAL, ANN, BOB)
        # an upstream that has not heard the answer
        third = await relay.relayed(PROMOTIONAL, ANN, BOB)

    # the sink keeps what it then says it did not take
    kept = [BOB, SENDER] if stage != "DOT" else [BOB, SENDER, SENDER]
    assert "451 4.3.0 busy" == first
    assert second.startswith("250 ")
    assert third.startswith("250 ")
    assert kept == relay.sink.mailboxes


async def test_a_notification_that_nobody_will_ever_take_does_not_hold_up_the_mail() -> None:
    """Catalogue X3: what went out stays out, so 250 is the only true reply; the log has the
    rest.
    """
    with capture_logs() as lines:
        async with relaying() as relay:
            relay.sink.on("RCPT", GONE, recipient=ANN)
            relay.sink.on("RCPT", GONE, recipient=SENDER)
            reply = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert reply.startswith("250 ")
    assert ["refused"] == [line["result"] for line in lines if line["event"] == "report_not_sent"]


async def test_refused_because_they_have_left_counts_as_refused_and_makes_one_notification() -> (
    None
):
    """Catalogue X17: one for all of them, however many."""
    async with relaying(replace(ACME, on_suppressed=OnSuppressed.REJECT)) as relay:
        await relay.leave(ANN)
        await relay.leave(CID)
        reply = await relay.relayed(PROMOTIONAL, ANN, BOB, CID)

    (report,) = reports(relay.sink.received)
    assert reply.startswith("250 ")
    assert {"rfc822; ann@example.net", "rfc822; cid@example.net"} == set(told(report))
    assert all(diagnostic.startswith("smtp; 550 5.7.1 ") for diagnostic in told(report).values())


async def test_dropped_because_they_have_left_is_no_refusal() -> None:
    """Catalogue X17: the default for campaigns."""
    async with relaying() as relay:
        await relay.leave(ANN)
        reply = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert reply.startswith("250 ")
    assert [BOB] == relay.sink.mailboxes


async def _relayed_with(notify: str, sink: Sink) -> str:
    """Relay to ann, who is refused and for whom `notify` is asked, and to bob; return the reply."""
    async with relaying(sink=sink, offers=lambda: Offers(dsn=True)) as relay:
        sink.on("RCPT", GONE, recipient=ANN)
        async with connected(relay.port) as upstream:
            await upstream.say(f"MAIL FROM:<{SENDER}> ENVID=aB+2Bc RET=HDRS")
            await upstream.say(f"RCPT TO:<{ANN}>{notify} ORCPT=rfc822;Old+2Bann@Example.org")
            await upstream.say(f"RCPT TO:<{BOB}>")
            await upstream.say("DATA")
            await upstream.send(PROMOTIONAL + b".\r\n")
            return await upstream.reply()


@pytest.mark.parametrize(
    ("notify", "count"),
    [("", 1), (" NOTIFY=FAILURE,DELAY", 1), (" NOTIFY=NEVER", 0), (" NOTIFY=SUCCESS", 0)],
)
async def test_who_asked_not_to_be_notified_is_not(notify: str, count: int) -> None:
    """Catalogue S12, S17, X15: RFC 3461 4.1."""
    sink = Sink(extensions=(*PLAIN_EXTENSIONS, "DSN"))

    reply = await _relayed_with(notify, sink)

    assert reply.startswith("250 ")
    assert count == len(reports(sink.received))
    assert [
        b" ENVID=aB+2Bc" in one.mail for one in sink.received if BOB.encode() in one.recipients[0]
    ] == [True]


async def test_the_notification_names_the_envelope_and_the_original_recipient() -> None:
    """Catalogue S17: RFC 3464 2.2.1 and 2.3.1."""
    sink = Sink(extensions=(*PLAIN_EXTENSIONS, "DSN"))
    await _relayed_with("", sink)

    (content,) = [one.content for one in sink.received if one.mail.startswith(b"MAIL FROM:<>")]
    assert b"\r\nOriginal-Envelope-Id: aB+c\r\n" in content
    assert b"\r\nOriginal-Recipient: rfc822; Old+ann@Example.org\r\n" in content


async def test_a_notification_of_unknown_outcome_is_sent_again() -> None:
    """Catalogue X14, X15: twice is better than never."""
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        relay.sink.on("DOT", Drop(), recipient=SENDER)
        first = await relay.relayed(PROMOTIONAL, ANN, BOB)
        second = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert first.startswith("451 4.4.2 ")
    assert second.startswith("250 ")
    assert [BOB, SENDER, SENDER] == relay.sink.mailboxes


async def test_a_relay_that_ends_while_it_notifies_leaves_the_next_one_only_the_notification() -> (
    None
):
    """Catalogue X3, X15: what is finished is entered before the task goes."""
    sink, copies = Sink(), MemoryLedger(clock=lambda: NOW_MS)
    sink.on("RCPT", GONE, recipient=ANN)
    sink.on("RCPT", Silence(), recipient=SENDER)
    async with relaying(sink=sink, copies=copies) as relay, connected(relay.port) as upstream:
        await upstream.begin(sender=SENDER, recipients=(ANN, BOB))
        await upstream.send(PROMOTIONAL + b".\r\n")
        await sink.reached("RCPT", 3)
    async with relaying(sink=sink, copies=copies) as relay:
        reply = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert reply.startswith("250 ")
    assert [BOB, SENDER] == sink.mailboxes
