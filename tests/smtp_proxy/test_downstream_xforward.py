"""XFORWARD on the way out: what came in from a listed proxy reaches a downstream that asks for
it.
"""

import ipaddress
from dataclasses import replace

import pytest

from smtp_proxy.downstream.xforward import commands
from smtp_proxy.replies import Delivered
from tests.support.outgoing import A_COPY, downstream_to
from tests.support.relay import PROMOTIONAL, relaying
from tests.support.sink import Say, Sink
from tests.support.upstream import connected

OFFER = "XFORWARD NAME ADDR PROTO HELO"
FORWARDED = (
    (b"NAME", b"spike.example"),
    (b"ADDR", b"203.0.113.9"),
    (b"PORT", b"40000"),
    (b"HELO", b"[UNAVAILABLE]"),
)
# the sink does not ask for PORT
COMMAND = b"XFORWARD NAME=spike.example ADDR=203.0.113.9 HELO=[UNAVAILABLE]"


@pytest.mark.parametrize("pipelining", [("PIPELINING",), ()], ids=["pipelined", "in turns"])
async def test_attributes_go_before_the_sender_with_every_copy_that_has_some(
    pipelining: tuple[str, ...],
) -> None:
    """Catalogue S20."""
    async with Sink(extensions=(*pipelining, OFFER)) as sink, downstream_to(sink) as downstream:
        for forwarded in (FORWARDED, (), FORWARDED):
            assert isinstance(
                await downstream.send(replace(A_COPY, forwarded=forwarded)), Delivered
            )

    assert [line for line in sink.commands if line[:4] in (b"XFOR", b"MAIL")] == [
        COMMAND,
        b"MAIL FROM:<bounce@acme.example>",
        b"MAIL FROM:<bounce@acme.example>",
        COMMAND,
        b"MAIL FROM:<bounce@acme.example>",
    ]


@pytest.mark.parametrize("pipelining", [("PIPELINING",), ()], ids=["pipelined", "in turns"])
async def test_a_downstream_that_refuses_them_gets_the_mail_all_the_same(
    pipelining: tuple[str, ...],
) -> None:
    """Catalogue S20, C5: also after a refused recipient, when the dialogue begins with RSET."""
    long = tuple((name, b"x" * 250) for name in (b"NAME", b"ADDR", b"PROTO", b"HELO"))

    async with Sink(extensions=(*pipelining, OFFER)) as sink, downstream_to(sink) as downstream:
        sink.always("XFORWARD", Say(b"550 5.7.0 no\r\n"))
        sink.on("RCPT", Say(b"550 5.1.1 nobody\r\n"))
        await downstream.send(replace(A_COPY, forwarded=FORWARDED))
        outcome = await downstream.send(replace(A_COPY, forwarded=long))

    assert isinstance(outcome, Delivered)
    verbs = [line[:4] for line in sink.commands]
    assert verbs[verbs.index(b"RSET") :][:6] == [
        b"RSET",
        b"XFOR",
        b"XFOR",
        b"XFOR",
        b"XFOR",
        b"MAIL",
    ]


async def test_a_downstream_that_does_not_ask_hears_nothing() -> None:
    """Catalogue S20."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        await downstream.send(replace(A_COPY, forwarded=FORWARDED))

    assert not any(line.startswith(b"XFORWARD") for line in sink.commands)


def test_a_command_stays_within_its_line_and_nothing_is_left_out() -> None:
    """Catalogue S20."""
    forwarded = tuple(
        (name, b"x" * length)
        for name, length in ((b"NAME", 255), (b"ADDR", 200), (b"HELO", 30), (b"PROTO", 255))
    )

    lines = list(commands(forwarded, frozenset(OFFER.split()[1:])))

    assert all(len(line) <= 512 and line.endswith(b"\r\n") for line in lines)
    assert [attribute for line in lines for attribute in line.split()[1:]] == [
        name + b"=" + value for name, value in forwarded
    ]


async def test_what_a_listed_proxy_forwards_is_seen_downstream_and_xclient_never_is() -> None:
    """Catalogue S20."""
    networks = (ipaddress.ip_network("127.0.0.0/8"),)
    sink = Sink(extensions=("PIPELINING", "8BITMIME", OFFER, "XCLIENT NAME ADDR"))

    async with (
        relaying(sink=sink, xclient_networks=networks, trusted_networks=networks) as relay,
        connected(relay.port) as upstream,
    ):
        await upstream.say("XCLIENT NAME=mail.example ADDR=127.0.0.77")
        await upstream.say("EHLO mail.example")
        await upstream.say(
            "XFORWARD NAME=spike.example ADDR=203.0.113.9 PORT=40000 HELO=[UNAVAILABLE]"
        )
        await upstream.mail(PROMOTIONAL + b".\r\n", sender="bounce@acme.example")

    assert COMMAND in sink.commands
    assert not any(line.startswith(b"XCLIENT") for line in sink.commands)
    assert sink.received[0].content.startswith(
        b"Received: from mail.example (mail.example [127.0.0.77])\r\n"
    )
