"""Copies of which nobody knows whether the downstream took them, and a ledger that cannot be
reached.
"""

import asyncio
from collections.abc import Awaitable, Mapping

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core.errors import StoreUnavailable
from app.store.ledger_memory import MemoryLedger
from smtp_proxy.relay.policy import Policy, UnknownOutcome
from tests.support.relay import NOW_MS, PROMOTIONAL, relaying
from tests.support.sink import Drop, Reset, Say, Sink
from tests.support.upstream import connected, eventually

ANN, BOB, CID = "ann@example.net", "bob@example.net", "cid@example.net"
BUSY = Say(b"450 4.2.1 mailbox busy\r\n")
DROPPING = Policy(hostname="relay.example", unknown=UnknownOutcome.DROP)


def ledger() -> MemoryLedger:
    return MemoryLedger(clock=lambda: NOW_MS)


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("signoff_copies_unknown_total", {"result": result}) or 0.0


@pytest.mark.parametrize("end", [Drop(), Reset()], ids=["drop", "reset"])
async def test_a_copy_of_unknown_outcome_is_451_and_sent_again(end: Drop | Reset) -> None:
    """Catalogue X14, X2: perhaps twice, never lost; seen and sent again are counted."""
    seen, again = counted("seen"), counted("resend")
    with capture_logs() as lines:
        async with relaying() as relay:
            relay.sink.on("DOT", end)
            first = await relay.relayed(PROMOTIONAL)
            second = await relay.relayed(PROMOTIONAL)

    assert first.startswith("451 4.4.2 ")
    assert second.startswith("250 ")
    assert [ANN, ANN] == relay.sink.mailboxes
    assert (1, 1) == (counted("seen") - seen, counted("resend") - again)
    assert [True] == [line["unknown"] for line in lines if line["event"] == "copy_deferred"]


async def test_an_operator_may_have_it_dropped_even_by_another_relay() -> None:
    """Catalogue X14: perhaps lost, never twice; others of the mail are not concerned."""
    sink, copies, dropped = Sink(), ledger(), counted("drop")
    sink.on("DOT", Drop(), recipient=ANN)
    sink.on("RCPT", BUSY, recipient=BOB)
    replies = []
    for _ in range(2):
        async with relaying(sink=sink, copies=copies, policy=DROPPING) as relay:
            replies.append(await relay.relayed(PROMOTIONAL, ANN, BOB))

    assert ["451", "250"] == [reply[:3] for reply in replies]
    assert [ANN, BOB] == sink.mailboxes
    assert 1 == counted("drop") - dropped


async def test_a_drop_before_the_last_byte_is_no_unknown_outcome() -> None:
    """Catalogue X5, X14: nobody has it, so it is sent again whatever the operator prefers."""
    async with relaying(policy=DROPPING) as relay:
        relay.sink.on("DATA", Drop())
        first = await relay.relayed(PROMOTIONAL)
        second = await relay.relayed(PROMOTIONAL)

    assert first.startswith("451 4.4.1 ")
    assert second.startswith("250 ")
    assert [ANN] == relay.sink.mailboxes


async def test_lmtp_says_each_recipients_own_reply_and_notifies_nobody() -> None:
    """Catalogue X4, X1: three RCPT, two of them equal, are three replies and one copy for the
    two.
    """
    async with relaying(lmtp=True) as relay:
        relay.sink.on("RCPT", Say(b"550 5.1.1 no such user\r\n"), recipient=BOB)
        async with connected(relay.port, hello="LHLO c") as upstream:
            await upstream.begin(sender="bounce@acme.example", recipients=(ANN, BOB, ANN))
            await upstream.send(PROMOTIONAL + b".\r\n")
            heard = [await upstream.reply() for _ in range(3)]

    assert ["250 2.0.0 ", "550 5.1.1 ", "250 2.0.0 "] == [reply[:10] for reply in heard]
    assert heard[0] == heard[2]
    assert [ANN] == relay.sink.mailboxes


async def test_an_lmtp_upstream_sends_again_only_what_it_was_told_to() -> None:
    """Catalogue X4, X14."""
    async with relaying(lmtp=True, policy=DROPPING) as relay:
        relay.sink.on("DOT", Drop(), recipient=BOB)
        relay.sink.on("RCPT", BUSY, recipient=CID)
        left, tries = [ANN, BOB, CID], []
        while left:
            async with connected(relay.port, hello="LHLO c") as upstream:
                await upstream.begin(sender="bounce@acme.example", recipients=tuple(left))
                await upstream.send(PROMOTIONAL + b".\r\n")
                heard = {recipient: await upstream.reply() for recipient in left}
            tries.append([reply[:9] for reply in heard.values()])
            left = [recipient for recipient, reply in heard.items() if reply.startswith("4")]

    assert [["250 2.0.0", "451 4.4.2", "450 4.2.1"], ["250 2.0.0", "250 2.0.0"]] == tries
    assert [ANN, BOB, CID] == relay.sink.mailboxes


class AwayLedger(MemoryLedger):
    """A ledger whose store is away for reading, for writing, or for both."""

    def __init__(self, *ways: str) -> None:
        super().__init__(clock=lambda: NOW_MS)
        self.ways = ways

    def entries(self, message: bytes) -> Awaitable[Mapping[bytes, bytes]]:
        found = super().entries(message)
        if "read" in self.ways:
            return _away()
        return found

    async def note(
        self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int
    ) -> None:
        if "write" in self.ways:
            raise StoreUnavailable("away")
        await super().note(message, entries, keep_seconds=keep_seconds)


async def _away() -> Mapping[bytes, bytes]:
    raise StoreUnavailable("away")


async def test_a_store_that_cannot_keep_what_is_finished_loses_nothing_and_the_same_relay_still_knows() -> (
    None
):
    """Catalogue X3: 451 all the same, since 250 would lose the deferred one."""
    with capture_logs() as lines:
        async with relaying(copies=AwayLedger("write")) as relay:
            relay.sink.on("RCPT", BUSY, recipient=BOB)
            first = await relay.relayed(PROMOTIONAL, ANN, BOB)
            second = await relay.relayed(PROMOTIONAL, ANN, BOB)

    assert first.startswith("451 4.2.1 ")
    assert second.startswith("250 ")
    assert [ANN, BOB] == relay.sink.mailboxes
    assert any(line["event"] == "ledger_failed" for line in lines)


async def test_promotional_mail_waits_while_the_ledger_cannot_be_read() -> None:
    """Catalogue X3, Q11: it waits for the store anyway, and a retry might be under way."""
    async with relaying(copies=AwayLedger("read")) as relay:
        reply = await relay.relayed(PROMOTIONAL)

    assert reply.startswith("451 4.3.0 ")
    assert [] == relay.sink.received


async def test_transactional_mail_passes_without_the_ledger() -> None:
    """Catalogue Q11: a password reset waits for no store."""
    async with relaying(copies=AwayLedger("read", "write")) as relay:
        relay.sink.on("RCPT", BUSY, recipient=BOB)
        mail = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
        first = await relay.relayed(mail, ANN, BOB)
        second = await relay.relayed(mail, ANN, BOB)

    assert first.startswith("451 ")
    assert second.startswith("250 ")
    assert [ANN, BOB] == relay.sink.mailboxes


async def test_an_entry_that_cannot_be_read_is_as_good_as_none() -> None:
    """Catalogue X3: whatever wrote it, the mail is not lost."""

    class Spoilt(MemoryLedger):
        def known(self, message: bytes) -> Mapping[bytes, bytes]:
            return dict.fromkeys(super().known(message), b"9?")

    sink, copies, replies = Sink(), Spoilt(clock=lambda: NOW_MS), []
    sink.on("RCPT", BUSY, recipient=BOB)
    for _ in range(2):
        async with relaying(sink=sink, copies=copies) as relay:
            replies.append(await relay.relayed(PROMOTIONAL, ANN, BOB))

    assert ["451", "250"] == [reply[:3] for reply in replies]
    assert [ANN, ANN, BOB] == sink.mailboxes


@pytest.mark.parametrize("lmtp", [False, True], ids=["smtp", "lmtp"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "fin"])
async def test_an_upstream_that_left_before_the_answer_and_comes_again_causes_no_second_copy(
    lmtp: bool, reset: bool
) -> None:
    """Catalogue X14, RFC 1047: it has heard nothing, so it sends everything again, perhaps by
    another relay; refused ones are told once.
    """
    sink, copies, hello = Sink(), ledger(), "LHLO c" if lmtp else "EHLO c"
    sink.always("RCPT", Say(b"550 5.1.1 no such user\r\n"), recipient=BOB)
    async with relaying(sink=sink, copies=copies, lmtp=lmtp) as relay:
        sink.may_read.clear()
        async with connected(relay.port, hello=hello) as upstream:
            await upstream.begin(sender="bounce@acme.example", recipients=(ANN, BOB))
            await upstream.send(PROMOTIONAL + b".\r\n")
            await sink.reached("DATA")
            if reset:
                upstream.drop()
            else:
                upstream.writer.close()
            for _ in range(100):  # turns of the loop, in which the relay sees it
                await asyncio.sleep(0)
            sink.may_read.set()
        assert await eventually(lambda: relay.server.connections == 0)
    first = list(sink.mailboxes)
    async with (
        relaying(sink=sink, copies=copies, lmtp=lmtp) as relay,
        connected(relay.port, hello=hello) as upstream,
    ):
        await upstream.begin(sender="bounce@acme.example", recipients=(ANN, BOB))
        await upstream.send(PROMOTIONAL + b".\r\n")
        heard = [await upstream.reply() for _ in range(2 if lmtp else 1)]

    assert ([ANN] if lmtp else [ANN, "bounce@acme.example"]) == first == sink.mailboxes
    assert (["250", "550"] if lmtp else ["250"]) == [reply[:3] for reply in heard]
