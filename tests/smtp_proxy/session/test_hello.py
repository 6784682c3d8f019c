"""The greeting, HELO, EHLO, LHLO and STARTTLS, without a socket."""

import asyncio
import ssl
from collections.abc import Generator

import pytest

from app.core.model import BrandId
from smtp_proxy import replies
from smtp_proxy.session.commands import Command, commands_of
from smtp_proxy.session.hello import ehlo, greet, helo, starttls
from smtp_proxy.session.submission import Offers
from smtp_proxy.session.transaction_commands import mail
from tests.support.commands import StoreConnection, obey, said, session_state
from tests.support.upstream import LOOPBACK

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # offered; no handshake comes to its end here


async def login(user: str, password: bytes) -> BrandId | None:
    return BrandId("acme")


@pytest.mark.parametrize(
    ("lmtp", "greeting"), [(False, "220 relay.example ESMTP"), (True, "220 relay.example LMTP")]
)
async def test_the_greeting_names_the_protocol(lmtp: bool, greeting: str) -> None:
    state = session_state(lmtp=lmtp)

    greet(state)

    assert [greeting] == said(state)


async def test_helo_is_answered_by_one_line_and_offers_nothing() -> None:
    state = session_state()

    assert ["250 relay.example"] == await obey(state, helo, b"client.example")
    assert ("client.example", False) == (state.helo, state.extended)


async def test_ehlo_says_what_is_offered_now() -> None:
    state = session_state(
        offers=lambda: Offers(eightbit=False, smtputf8=True, dsn=True), tls=TLS, authenticator=login
    )

    lines = await obey(state, ehlo, b"[192.0.2.1]")

    expected = ["SIZE 26214400", "PIPELINING", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "STARTTLS"]
    assert ["relay.example", *expected] == [line[4:] for line in lines]
    assert ["-"] * 6 + [" "] == [line[3] for line in lines]


async def test_over_tls_authentication_is_offered_and_tls_no_more() -> None:
    state = session_state(over_tls=True, tls=TLS, authenticator=login)

    lines = await obey(state, ehlo, b"client.example")

    assert "250 AUTH PLAIN LOGIN" == lines[-1]
    assert not any("STARTTLS" in line for line in lines)


@pytest.mark.parametrize("command", [helo, ehlo])
@pytest.mark.parametrize(
    "argument", [b"", b"two words", b"-client", b"caf\xc3\xa9.example", b"a" * 256]
)
async def test_a_hello_needs_one_name(command: Command, argument: bytes) -> None:
    state = session_state()

    assert [str(replies.HELLO_NEEDS_NAME)] == await obey(state, command, argument)
    assert "" == state.helo


async def test_a_second_hello_ends_the_open_transaction() -> None:
    state = session_state()
    await obey(state, ehlo, b"client.example")
    await obey(state, mail, b"FROM:<a@acme.example>")

    await obey(state, ehlo, b"client.example")

    assert state.submission is None


def test_lmtp_knows_lhlo_alone_and_smtp_does_not_know_it() -> None:
    smtp, lmtp = commands_of(lmtp=False), commands_of(lmtp=True)

    assert (ehlo, None, None) == (lmtp.get(b"LHLO"), lmtp.get(b"HELO"), lmtp.get(b"EHLO"))
    assert (None, helo, ehlo) == (smtp.get(b"LHLO"), smtp.get(b"HELO"), smtp.get(b"EHLO"))
    assert {*smtp} - {b"HELO", b"EHLO"} == {*lmtp} - {b"LHLO"}


async def test_starttls_forgets_the_client_before_the_handshake() -> None:
    """RFC 3207 4.2: what was said in clear does not count."""
    state = session_state(tls=TLS)
    wire = StoreConnection()
    state.line.connection_made(wire)
    await obey(state, ehlo, b"client.example")
    await obey(state, mail, b"FROM:<a@acme.example>")
    wire.written.clear()

    steps = starttls(state, b"")
    assert isinstance(steps, Generator)
    handshake = next(steps)

    assert isinstance(handshake, asyncio.Task)
    assert (str(replies.READY_FOR_TLS) + "\r\n").encode() == wire.written
    assert ("", False, None, None) == (state.helo, state.extended, state.account, state.submission)
    handshake.cancel()
    steps.close()


@pytest.mark.parametrize(
    ("over_tls", "has_tls", "argument", "reply"),
    [
        (True, True, b"", replies.TLS_ACTIVE),
        (False, False, b"", replies.COMMAND_NOT_IMPLEMENTED),
        (False, True, b"now", replies.NO_ARGUMENT_ALLOWED),
    ],
    ids=["twice", "without a certificate", "with an argument"],
)
async def test_starttls_out_of_order_or_with_an_argument_changes_nothing(
    over_tls: bool, has_tls: bool, argument: bytes, reply: replies.Reply
) -> None:
    state = session_state(over_tls=over_tls, tls=TLS if has_tls else None)
    await obey(state, ehlo, b"client.example")

    assert [str(reply)] == await obey(state, starttls, argument)
    assert "client.example" == state.helo


async def test_a_proxy_that_says_hello_as_a_client_loses_its_right() -> None:
    state = session_state(xclient_networks=LOOPBACK)
    assert (
        "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"
        == (await obey(state, ehlo, b"proxy.example"))[-1]
    )

    state.peer = "203.0.113.9"  # as XCLIENT leaves it
    lines = await obey(state, ehlo, b"client.example")

    assert not any("XCLIENT" in line for line in lines)
    assert not state.speaks_for_others
