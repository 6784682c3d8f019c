"""An upstream that left after its last byte and comes again while its first try is under way, in
this process or another one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from app.store.ledger_memory import MemoryLedger
from smtp_proxy.relay import ledger as relay_ledger
from tests.support.relay import NOW_MS, PROMOTIONAL, Relay, relaying
from tests.support.sink import Say, Sink
from tests.support.upstream import Upstream, connected, eventually

ANN, BOB, CID = "ann@example.net", "bob@example.net", "cid@example.net"
SENDER = "bounce@acme.example"


def joined(where: str) -> float:
    return REGISTRY.get_sample_value("signoff_tries_joined_total", {"where": where}) or 0.0


@asynccontextmanager
async def left(relay: Relay, *recipients: str) -> AsyncIterator[None]:
    """A try whose upstream has left, and whose copies wait for the sink."""
    relay.sink.may_read.clear()
    async with connected(relay.port) as upstream:
        await upstream.begin(sender=SENDER, recipients=recipients)
        await upstream.send(PROMOTIONAL + b".\r\n")
        await relay.sink.reached("DATA", len(recipients))
        upstream.drop()
        assert await eventually(
            lambda: not any(one.envelope.listens() for one in relay.ledger.tries)
        )
    yield
    relay.sink.may_read.set()


async def again(upstream: Upstream, *recipients: str) -> None:
    await upstream.begin(sender=SENDER, recipients=recipients)
    await upstream.send(PROMOTIONAL + b".\r\n")


@pytest.mark.parametrize("final", [b"250 2.0.0 queued as 1\r\n", b"450 4.2.0 later\r\n"])
async def test_the_second_try_waits_for_the_first_and_hears_the_same(final: bytes) -> None:
    """Catalogue N27."""
    before = joined("process")
    async with relaying() as relay, connected(relay.port) as upstream:
        relay.sink.always("DOT", Say(final))
        async with left(relay, ANN):
            await again(upstream, ANN)
            assert await eventually(lambda: joined("process") == before + 1)
        reply = await upstream.reply()

    assert final.decode().strip() == reply
    assert [ANN] == relay.sink.mailboxes


async def test_recipients_that_the_first_try_did_not_have_get_their_copies() -> None:
    """Catalogue N27: an upstream may put its recipients together otherwise."""
    before = joined("process")
    async with relaying() as relay, connected(relay.port) as upstream:
        async with left(relay, ANN, BOB):
            await again(upstream, BOB, CID)
            assert await eventually(lambda: joined("process") == before + 1)
        reply = await upstream.reply()

    assert reply.startswith("250 ")
    assert [ANN, BOB, CID] == sorted(relay.sink.mailboxes)


async def test_others_of_the_same_message_wait_for_nobody() -> None:
    """An upstream that sends one message in several transactions at once is served as before."""
    async with relaying() as relay, connected(relay.port) as upstream:
        async with left(relay, ANN):
            await again(upstream, BOB)
            await relay.sink.reached("DATA", 2)
        reply = await upstream.reply()

    assert reply.startswith("250 ")
    assert [ANN, BOB] == sorted(relay.sink.mailboxes)


async def test_another_process_waits_for_the_mark_of_the_first_and_hears_the_same() -> None:
    """Catalogue N27: two relays with a ledger in common."""
    copies, sink, before = MemoryLedger(clock=lambda: NOW_MS), Sink(), joined("store")
    async with (
        relaying(sink=sink, copies=copies) as first,
        relaying(downstream_port=first.sink.port, copies=copies) as second,
        left(first, ANN),
        connected(second.port) as upstream,
    ):
        assert await eventually(lambda: bool(copies._messages))
        await again(upstream, ANN)
        assert await eventually(lambda: joined("store") == before + 1)
        sink.may_read.set()
        reply = await upstream.reply()

    assert reply.startswith("250 ")
    assert [ANN] == sink.mailboxes


async def test_a_try_that_stays_under_way_elsewhere_is_451(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue N27: the wait is bounded."""
    monkeypatch.setattr(relay_ledger, "WAIT_SECONDS", 0.0)
    copies, sink = MemoryLedger(clock=lambda: NOW_MS), Sink()
    async with (
        relaying(sink=sink, copies=copies) as first,
        relaying(downstream_port=first.sink.port, copies=copies) as second,
        left(first, ANN),
    ):
        assert await eventually(lambda: bool(copies._messages))
        reply = await second.relayed(PROMOTIONAL, ANN)

    assert "451 4.3.0 An earlier try of this message is still under way, try again later" == reply
    assert [ANN] == sink.mailboxes


async def test_the_mark_of_a_process_that_died_ends_by_itself() -> None:
    """Catalogue N27: nobody renews it, so it holds nothing once its time is over."""
    now = NOW_MS
    copies, sink = MemoryLedger(clock=lambda: NOW_MS), Sink()
    async with relaying(sink=sink, copies=copies) as first, left(first, ANN):
        assert await eventually(lambda: bool(copies._messages))
        (entries,) = [dict(entries) for _, entries in copies._messages.values()]
        (name,) = copies._messages
    left_over = MemoryLedger(clock=lambda: now)
    left_over.keep(name, entries, keep_seconds=60)
    now += relay_ledger.MARK_MS + 1
    async with relaying(sink=Sink(), copies=left_over, clock=lambda: now) as second:
        reply = await asyncio.wait_for(second.relayed(PROMOTIONAL, ANN), 60)

    assert reply.startswith("250 ")
    assert [ANN] == second.sink.mailboxes
