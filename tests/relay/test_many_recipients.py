"""One message, many recipients, one reply: nobody gets it twice, nobody is lost, and the reply is
true.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.core.model import OnSuppressed
from app.store.ledger_memory import MemoryLedger
from smtp_proxy.relay.send import CopyTimes
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, relaying
from tests.support.sink import Say, Sink
from tests.support.upstream import connected

ANN, BOB, CID = "ann@example.net", "bob@example.net", "cid@example.net"
PLAIN = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
BUSY, GONE = Say(b"450 4.2.1 mailbox busy\r\n"), Say(b"550 5.1.1 no such user\r\n")
BOTH_CLASSES = pytest.mark.parametrize(
    "mail", [PROMOTIONAL, PLAIN], ids=["promotional", "transactional"]
)


def ledger() -> MemoryLedger:
    """The ledger in the store, which outlives each relay."""
    return MemoryLedger(clock=lambda: NOW_MS)


@BOTH_CLASSES
async def test_a_deferred_copy_beside_a_delivered_one_is_the_only_one_sent_again(
    mail: bytes,
) -> None:
    """Catalogue X3: each recipient has exactly one copy after the upstream's retry."""
    async with relaying() as relay:
        relay.sink.on("RCPT", BUSY, recipient=BOB)

        first = await relay.relayed(mail, ANN, BOB)
        second = await relay.relayed(mail, ANN, BOB)

    assert "451 4.2.1 mailbox busy" == first
    assert second.startswith("250 2.0.0 ")
    assert [ANN, BOB] == relay.sink.mailboxes


@BOTH_CLASSES
async def test_a_relay_that_was_restarted_and_another_relay_know_what_is_finished(
    mail: bytes,
) -> None:
    """Catalogue X3: the ledger is in the store."""
    sink, copies = Sink(), ledger()
    sink.on("DOT", BUSY, BUSY, recipient=BOB)

    replies = []
    for _ in range(3):
        async with relaying(sink=sink, copies=copies) as relay:
            replies.append(await relay.relayed(mail, ANN, BOB, CID))

    assert ["451", "451", "250"] == [reply[:3] for reply in replies]
    # the sink keeps what it then says it did not take
    assert {ANN: 1, BOB: 3, CID: 1} == Counter(sink.mailboxes)


async def test_an_upstream_that_groups_its_recipients_anew_causes_no_second_copy() -> None:
    """Catalogue X3: a queue that has only some left sends them as it likes."""
    async with relaying() as relay:
        relay.sink.on("RCPT", BUSY, recipient=BOB)
        await relay.relayed(PROMOTIONAL, ANN, BOB, CID)

        alone = [await relay.relayed(PROMOTIONAL, recipient) for recipient in (ANN, BOB, CID)]

    assert [True] * 3 == [reply.startswith("250 ") for reply in alone]
    assert [ANN, BOB, CID] == relay.sink.mailboxes


async def test_another_mail_is_another_mail() -> None:
    """Catalogue X3: what differs in sender, Message-ID, Date, length or body is not taken for a
    retry.
    """
    others = [
        PROMOTIONAL.replace(b"<1@", b"<2@"),
        PROMOTIONAL.replace(b"09:00:00", b"09:00:01"),
        PROMOTIONAL.replace(b"Hello Ann", b"Hello Bob"),
        PROMOTIONAL.replace(b"Hello Ann", b"Hello all"),
        PROMOTIONAL.replace(b"Hello Ann", b"Hello"),
    ]
    async with relaying() as relay:
        relay.sink.on("RCPT", BUSY, recipient=BOB)
        await relay.relayed(PROMOTIONAL, ANN, BOB)

        for other in others:
            await relay.relayed(other, ANN)
        await relay.relayed(PROMOTIONAL, ANN, sender="other@acme.example")

    assert 1 + len(others) + 1 == len(relay.sink.received)


async def test_trace_fields_that_a_filtering_upstream_writes_anew_change_nothing() -> None:
    """Catalogue X3: the mail is the same, though an upstream without a queue of its own stamps each
    try.
    """
    async with relaying() as relay:
        relay.sink.on("RCPT", BUSY, recipient=BOB)
        for number in (1, 2):
            await relay.relayed(
                b"Received: from a by mx.example id %d; now\r\n" % number + PROMOTIONAL, ANN, BOB
            )

    assert [ANN, BOB] == relay.sink.mailboxes


async def test_a_mail_without_a_message_id_is_known_by_all_its_fields_but_those_of_trace() -> None:
    nameless = PROMOTIONAL.replace(b"Message-ID: <1@acme.example>\r\n", b"")
    async with relaying() as relay:
        relay.sink.on("RCPT", BUSY, BUSY, recipient=BOB)
        await relay.relayed(nameless, ANN, BOB)
        await relay.relayed(b"Received: from a by mx.example id 2; now\r\n" + nameless, ANN, BOB)
        await relay.relayed(nameless.replace(b"Spring", b"Summer"), ANN)

    assert [ANN, ANN] == relay.sink.mailboxes


async def test_what_is_finished_at_once_writes_nothing() -> None:
    """Catalogue X14: a mail that is delivered costs the ledger one look-up."""
    writes: list[bytes] = []

    class Counting(MemoryLedger):
        def keep(self, message: bytes, entries: object, *, keep_seconds: int) -> None:
            writes.append(message)

    async with relaying(copies=Counting(clock=lambda: NOW_MS)) as relay:
        relay.sink.on("RCPT", GONE, recipient=CID)
        await relay.relayed(PROMOTIONAL, ANN)
        await relay.relayed(PROMOTIONAL, ANN, BOB)
        await relay.relayed(PROMOTIONAL, ANN, CID)
        await relay.relayed(PROMOTIONAL, CID)

    assert [] == writes


async def test_refused_and_deferred_ones_are_told_together_once_all_are_finished() -> None:
    """Catalogue X3, X15: the refusal of the first try is remembered, and one notification tells of
    both.
    """
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        relay.sink.on("RCPT", BUSY, GONE, recipient=BOB)

        first = await relay.relayed(PROMOTIONAL, ANN, BOB, CID)
        notified_early = relay.sink.mailboxes
        second = await relay.relayed(PROMOTIONAL, ANN, BOB, CID)

    assert first.startswith("451 4.2.1 ")
    assert [CID] == notified_early
    assert second.startswith("250 ")
    assert ["bounce@acme.example", CID] == relay.sink.mailboxes
    (report,) = [
        received.content
        for received in relay.sink.received
        if received.mail.startswith(b"MAIL FROM:<>")
    ]
    assert 2 == report.count(b"Final-Recipient: ")


async def test_all_refused_over_two_tries_is_refused() -> None:
    """Catalogue X2: nobody has it, so the reply says it, and no notification is needed."""
    async with relaying() as relay:
        relay.sink.on("RCPT", GONE, recipient=ANN)
        relay.sink.on("RCPT", BUSY, GONE, recipient=BOB)

        await relay.relayed(PROMOTIONAL, ANN, BOB)
        reply = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert "550 5.1.1 no such user" == reply
    assert [] == relay.sink.received


async def test_who_was_served_and_left_since_is_neither_served_again_nor_counted_as_suppressed() -> (
    None
):
    """Catalogue X3, Q1."""
    async with relaying(replace(ACME, on_suppressed=OnSuppressed.REJECT)) as relay:
        relay.sink.on("RCPT", BUSY, recipient=BOB)
        await relay.relayed(PROMOTIONAL, ANN, BOB)
        await relay.leave(ANN)

        with capture_logs() as lines:
            reply = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert reply.startswith("250 ")
    assert [ANN, BOB] == relay.sink.mailboxes
    assert [] == [line for line in lines if line["event"] == "copy_suppressed"]


async def test_a_client_that_retries_what_got_452_has_three_messages_and_no_duplicate() -> None:
    """Catalogue X1: `recipients = "one"`."""
    left, rounds = [ANN, BOB, CID], 0
    async with relaying(one_recipient=True) as relay:
        while left:
            rounds += 1
            async with connected(relay.port) as upstream:
                await upstream.say("MAIL FROM:<bounce@acme.example>")
                heard = {
                    recipient: await upstream.say(f"RCPT TO:<{recipient}>") for recipient in left
                }
                taken = [
                    recipient for recipient, reply in heard.items() if reply.startswith("250 ")
                ]
                assert {
                    reply[:9] for recipient, reply in heard.items() if recipient not in taken
                } <= {"452 4.5.3"}
                await upstream.say("DATA")
                await upstream.send(PROMOTIONAL + b".\r\n")
                assert (await upstream.reply()).startswith("250 ")
            left = [recipient for recipient in left if recipient not in taken]

    assert 3 == rounds
    assert [ANN, BOB, CID] == relay.sink.mailboxes


async def test_copies_that_cannot_start_in_time_are_deferred_and_the_next_try_sends_only_them() -> (
    None
):
    """Catalogue X12, X3."""
    copies = ledger()
    sink = Sink()
    async with relaying(sink=sink, copies=copies, times=CopyTimes(start=0)) as relay:
        too_late = await relay.relayed(PROMOTIONAL, ANN, BOB)
    async with relaying(sink=sink, copies=copies) as relay:
        in_time = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert too_late.startswith("451 4.4.7 ")
    assert in_time.startswith("250 ")
    assert [ANN, BOB] == sink.mailboxes


def outcomes(lines: Sequence[Mapping[str, object]], event: str) -> list[object]:
    return [line["reply"] for line in lines if line["event"] == event]


async def test_each_copy_that_was_not_taken_has_a_log_line_with_the_digest_and_clean_text() -> None:
    """Catalogue X6, L9."""
    with capture_logs() as lines:
        async with relaying() as relay:
            relay.sink.on(
                "RCPT", Say(b"550 5.1.1 \x1b[31mno\x00\xff such\tuser\r\n"), recipient=ANN
            )
            relay.sink.on("RCPT", BUSY, recipient=BOB)
            await relay.relayed(PROMOTIONAL, ANN, BOB, CID)
            digests = {
                relay.codec.digest(address, brand=ACME.number).hex() for address in (ANN, BOB)
            }

    assert ["550 5.1.1 ?[31mno? such user"] == outcomes(lines, "copy_refused")
    assert ["450 4.2.1 mailbox busy"] == outcomes(lines, "copy_deferred")
    assert digests == {
        line["recipient"] for line in lines if line["event"] in {"copy_refused", "copy_deferred"}
    }
    assert not any(address in str(line) for line in lines for address in (ANN, BOB, CID))
