"""What a relay that ends, in order or not, leaves to the next one: the ledger in the real store,
and nothing half done.
"""

import signal
from pathlib import Path

import pytest

from tests.support.relay import PROMOTIONAL
from tests.support.relay_process import relay_process
from tests.support.sink import PLAIN_EXTENSIONS, Say, Silence, Sink
from tests.support.upstream import connected

ANN, BOB = "ann@example.net", "bob@example.net"
SENDER = "bounce@acme.example"


async def relayed(port: int, *recipients: str) -> str:
    async with connected(port) as upstream:
        await upstream.begin(sender=SENDER, recipients=recipients)
        await upstream.send(PROMOTIONAL + b".\r\n")
        return await upstream.reply()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_the_next_process_sends_only_what_is_missing(
    end: signal.Signals, tmp_path: Path
) -> None:
    """Catalogue X3: the upstream's retry meets another process, which finds the ledger in the
    embedded store.
    """
    replies = []
    async with Sink() as sink:
        sink.on("RCPT", Say(b"450 4.2.1 busy\r\n"), recipient=BOB)
        for _ in range(2):
            async with relay_process(tmp_path, sink) as relay:
                replies.append(await relayed(await relay.port(), ANN, BOB))
                relay.send(end)
                await relay.ended()

    assert ["451", "250"] == [reply[:3] for reply in replies]
    assert [ANN, BOB] == sink.mailboxes


@pytest.mark.parametrize(("stage", "copies"), [("RCPT", 1), ("DATA", 1), ("DOT", 2)])
async def test_a_relay_that_is_killed_before_it_answered_leaves_at_most_the_known_second_copy(
    stage: str, copies: int, tmp_path: Path
) -> None:
    """Catalogue X2, X14: only where the downstream has taken the last byte may the retry make a
    second copy (RFC 1047).
    """
    async with Sink() as sink:
        sink.on(stage, Silence())
        async with (
            relay_process(tmp_path, sink) as relay,
            connected(await relay.port()) as upstream,
        ):
            await upstream.begin(sender=SENDER, recipients=(ANN,))
            await upstream.send(PROMOTIONAL + b".\r\n")
            await sink.reached(stage)
            relay.send(signal.SIGKILL)
            await relay.ended()
            unheard = await upstream.rest()
        async with relay_process(tmp_path, sink) as relay:
            reply = await relayed(await relay.port(), ANN)

    assert b"" == unheard
    assert reply.startswith("250 ")
    assert [ANN] * copies == sink.mailboxes


async def test_the_relay_listens_for_lmtp_and_offers_dsn_when_its_downstream_does(
    tmp_path: Path,
) -> None:
    """Catalogue X4, S12, S17."""
    async with Sink(extensions=(*PLAIN_EXTENSIONS, "DSN")) as sink:
        sink.on("RCPT", Say(b"550 5.1.1 no such user\r\n"), recipient=BOB)
        relaying = relay_process(tmp_path, sink, RELAY__RECIPIENTS="one")
        async with (
            relaying as relay,
            connected(await relay.port("lmtp_listen"), hello="") as upstream,
        ):
            offers = await upstream.say("LHLO client.example")
            await upstream.say(f"MAIL FROM:<{SENDER}> ENVID=aBc RET=HDRS")
            for recipient in (ANN, BOB, ANN):
                await upstream.say(f"RCPT TO:<{recipient}> NOTIFY=NEVER")
            await upstream.say("DATA")
            await upstream.send(PROMOTIONAL + b".\r\n")
            heard = [await upstream.reply() for _ in range(3)]

    (received,) = sink.received
    assert "DSN" in {line[4:] for line in offers.split("\n")}
    assert ["250", "550", "250"] == [reply[:3] for reply in heard]
    assert b" ENVID=aBc" in received.mail
    assert (b"RCPT TO:<ann@example.net> NOTIFY=NEVER",) == received.recipients


async def test_an_lmtp_downstream_takes_what_an_smtp_upstream_sends(tmp_path: Path) -> None:
    """Catalogue X6: `relay.downstream = "lmtp://…"`."""
    async with (
        Sink() as sink,
        relay_process(
            tmp_path, sink, RELAY__DOWNSTREAM=f"lmtp://127.0.0.1:{sink.port}?tls=none"
        ) as relay,
    ):
        reply = await relayed(await relay.port(), ANN, BOB)

    assert reply.startswith("250 ")
    assert {line for line in sink.commands if b"HLO" in line} >= {sink.commands[0]}
    assert sink.commands[0].startswith(b"LHLO ")
    assert [ANN, BOB] == sink.mailboxes
