"""Behind a load balancer: the PROXY header before plain SMTP and before TLS, over real
connections.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
import uvloop

from smtp_proxy.session.limits import Limits
from tests.smtp_proxy.test_proxy_protocol import TCP4, TCP6, v2
from tests.support.upstream import PATIENCE, Recorder, Upstream, config_for, eventually, listening

AUTHORITY = trustme.CA()
BALANCERS = {"proxy_networks": (ipaddress.ip_network("127.0.0.0/8"),)}
ELSEWHERE = {"proxy_networks": (ipaddress.ip_network("192.0.2.0/24"),)}
TRUSTED = (ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8::/32"))
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n"
MAIL = b"Subject: x\r\n\r\nhello\r\n.\r\n"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@asynccontextmanager
async def balanced(port: int, header: bytes) -> AsyncIterator[Upstream]:
    """Connect as a load balancer does: its header, and at once what the client says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    upstream = Upstream(reader, writer)
    try:
        await upstream.send(header)
        yield upstream
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (V1, "203.0.113.9"),
        (v2(0x21, 0x11, TCP4), "203.0.113.9"),
        (v2(0x21, 0x21, TCP6), "2001:db8::9"),
    ],
)
async def test_the_client_is_who_the_load_balancer_names(header: bytes, address: str) -> None:
    """Catalogue S21."""
    handler = Recorder()

    async with (
        listening(handler, trusted_networks=TRUSTED, **BALANCERS) as (_, port),
        # the client is pipelined behind the header
        balanced(port, header + b"EHLO client.example\r\n") as upstream,
    ):
        said = [await upstream.reply(), await upstream.reply(), await upstream.mail(MAIL)]

    assert [line[:3] for line in said] == ["220", "250", "250"]
    assert handler.envelopes[0].client.address == address


async def test_a_header_may_come_one_octet_at_a_time() -> None:
    """Catalogue S21."""
    async with listening(Recorder(), **BALANCERS) as (_, port), balanced(port, b"") as upstream:
        for octet in V1:
            await upstream.send(bytes([octet]))
            await asyncio.sleep(0)
        greeting = await upstream.reply()

    assert greeting == "220 relay.example ESMTP"


async def test_the_rights_are_those_of_the_client_and_never_those_of_the_load_balancer() -> None:
    """Catalogue S21, S4: loopback is trusted, and the load balancer is on it."""
    async with listening(Recorder(), **BALANCERS) as (_, port):
        answers: list[str] = []
        for header in (V1, b"PROXY UNKNOWN\r\n", v2(0x21, 0x00), v2(0x20, 0x00)):
            async with balanced(port, header) as upstream:
                await upstream.reply()
                await upstream.say("EHLO client.example")
                answers.append((await upstream.say("MAIL FROM:<a@acme.example>"))[:9])

    # the last speaks for itself
    assert answers == ["530 5.7.0", "530 5.7.0", "530 5.7.0", "250 2.1.0"]


@pytest.mark.parametrize(
    "octets",
    [b"EHLO client.example\r\n", V1[:-2] + b"\n" + b"x" * 100, v2(0x21, 0x11, TCP4[:5]), V1[:20]],
)
async def test_a_load_balancer_that_sends_no_correct_header_is_closed(octets: bytes) -> None:
    """Catalogue S21."""
    async with (
        listening(Recorder(), limits=Limits(header_seconds=0.3), **BALANCERS) as (server, port),
        balanced(port, octets) as upstream,
    ):
        assert await upstream.rest() == b""
        assert server.connections == 0


@pytest.mark.parametrize("header", [V1, v2(0x21, 0x11, TCP4)])
async def test_a_header_from_somewhere_else_is_a_command_that_nobody_knows(header: bytes) -> None:
    """Catalogue S21."""
    handler = Recorder()

    async with listening(handler, **ELSEWHERE) as (_, port), balanced(port, header) as upstream:
        greeting = await upstream.reply()
        await upstream.send(b"\r\nEHLO client.example\r\n")
        answers: list[str] = []
        while not (answers and answers[-1].startswith("250")):
            answers.append(await upstream.reply())
        await upstream.mail(MAIL)

    assert greeting.startswith("220 ")
    assert len(answers) > 1
    assert {answer[:7] for answer in answers[:-1]} == {"500 5.5"}
    assert handler.envelopes[0].client.address == "127.0.0.1"


async def test_connections_are_counted_by_the_address_behind_the_load_balancer() -> None:
    """Catalogue S21, S16."""
    limits = Limits(max_connections_per_address=1)

    async with (
        listening(Recorder(), limits=limits, **BALANCERS) as (_, port),
        balanced(port, V1) as first,
        balanced(port, V1) as second,
        balanced(port, v2(0x21, 0x21, TCP6)) as other,
    ):
        said = [(await upstream.reply())[:9] for upstream in (first, second, other)]

    assert said == ["220 relay", "421 4.7.0", "220 relay"]


async def test_those_who_hold_their_header_back_are_bounded_too() -> None:
    """Catalogue S16, X13."""
    limits = Limits(max_connections=2)

    async with (
        listening(Recorder(), limits=limits, **BALANCERS) as (_, port),
        balanced(port, V1[:5]),
        balanced(port, V1[:5]),
        balanced(port, V1) as third,
    ):
        assert await third.rest() == b""


async def tls_mail(port: int, header: bytes) -> str:
    """Send a mail over TLS from the first octet; the handshake begins right behind the header,
    without a pause.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(header)
    await asyncio.wait_for(
        writer.start_tls(client_context(), server_hostname="localhost"), PATIENCE
    )
    upstream = Upstream(reader, writer)
    await upstream.reply()
    offer = await upstream.say("EHLO client.example")
    assert "STARTTLS" not in offer
    answer = await upstream.mail(MAIL)
    writer.transport.abort()
    return answer


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("header", "terms", "address"), [(b"", {}, "127.0.0.1"), (V1, BALANCERS, "203.0.113.9")]
)
def test_tls_from_the_first_octet_with_and_without_a_load_balancer(
    loop: str, header: bytes, terms: dict[str, object], address: str
) -> None:
    """Catalogue S21, S5. Serves RFC 8314 3."""
    handler = Recorder()
    networks = (*TRUSTED, ipaddress.ip_network("127.0.0.0/8"))

    async def send() -> str:
        async with listening(
            handler, implicit_tls=True, tls=server_context(), trusted_networks=networks, **terms
        ) as (_, port):
            return await tls_mail(port, header)

    answer = uvloop.run(send()) if loop == "uvloop" else asyncio.run(send())

    assert answer.startswith("250 2.0.0")
    assert (handler.envelopes[0].client.address, handler.envelopes[0].client.protocol) == (
        address,
        "ESMTPS",
    )


@pytest.mark.parametrize("terms", [{}, BALANCERS], ids=["direct", "behind a load balancer"])
async def test_a_short_reply_leaves_at_once(terms: dict[str, object]) -> None:
    """Catalogue S14: with Nagle's algorithm each turn of a dialogue would wait 40 ms for the
    client's delayed acknowledgement.
    """
    async with listening(Recorder(), **terms) as (server, port), balanced(port, V1) as upstream:
        await upstream.reply()
        (session,) = server._state.sessions
        connection = session._transport.get_extra_info("socket")

        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_who_speaks_no_tls_on_a_tls_port_is_dropped_and_leaves_room() -> None:
    """Catalogue S16."""
    limits = Limits(max_connections=1)

    async with listening(Recorder(), implicit_tls=True, tls=server_context(), limits=limits) as (
        server,
        port,
    ):
        async with balanced(port, b"EHLO client.example\r\n") as upstream:
            await upstream.rest()
        assert await eventually(lambda: server.connections == 0)
        answer = await tls_mail(port, b"")

    assert answer.startswith("250 2.0.0")


async def test_a_new_certificate_serves_new_connections() -> None:
    """Catalogue D19: what is read again on SIGHUP holds for whoever comes next, also on a TLS
    port.
    """
    other = trustme.CA()
    renewed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.issue_cert("localhost").configure_cert(renewed)

    async with listening(Recorder(), implicit_tls=True, tls=server_context()) as (server, port):
        before = await tls_mail(port, b"")
        server.adopt(config_for(Recorder(), tls=renewed))
        with pytest.raises(ssl.SSLError):
            await tls_mail(port, b"")

    assert before.startswith("250 2.0.0")
