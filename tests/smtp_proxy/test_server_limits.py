"""Bounds of connections, commands and time."""

import asyncio
import gc
import socket
import tracemalloc

import pytest

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.submission import Envelope
from tests.support.upstream import Recorder, connected, eventually, listening

END = b".\r\n"


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.parametrize(
    ("limits", "start"),
    [
        (Limits(max_connections=2), b"421 4.3.2"),
        (Limits(max_connections=9, max_connections_per_address=2), b"421 4.7.0"),
    ],
)
async def test_connections_beyond_the_bound_are_sent_away_and_room_comes_back(
    limits: Limits, start: bytes
) -> None:
    """Catalogue S16, X13."""
    async with listening(Recorder(), limits=limits) as (server, port):
        async with connected(port), connected(port) as second:
            refused = await greeting(port)
            await second.say("QUIT")
            assert await eventually(lambda: server.connections == 1)
            accepted = await greeting(port)

        assert refused.startswith(start)
        assert accepted.startswith(b"220 ")


async def test_a_crowd_is_capped() -> None:
    """Catalogue X13."""
    async with listening(
        Recorder(), limits=Limits(max_connections=50, max_connections_per_address=50)
    ) as (server, port):
        streams = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port) for _ in range(200))
        )
        lines = await asyncio.gather(*(reader.readline() for reader, _ in streams))
        for _, writer in streams:
            writer.close()

        assert 50 == sum(line.startswith(b"220 ") for line in lines)
        assert 150 == sum(line.startswith(b"421 4.3.2 ") for line in lines)
        assert await eventually(lambda: server.connections == 0)


async def test_an_idle_client_is_told_and_closed() -> None:
    """Catalogue S16."""
    async with (
        listening(Recorder(), limits=Limits(idle_seconds=0.5)) as (server, port),
        connected(port) as upstream,
    ):
        rest = await upstream.rest()
        upstream.writer.close()

        assert b"421 4.4.2 Timeout, closing the connection\r\n" == rest
        assert await eventually(lambda: server.connections == 0)


async def trickle(write: "asyncio.StreamWriter", octets: bytes) -> None:
    try:
        for octet in octets:
            write.write(bytes([octet]))
            await write.drain()
            await asyncio.sleep(0.02)
    except ConnectionError:
        pass


async def test_a_command_that_trickles_in_does_not_keep_the_connection() -> None:
    """Catalogue S16."""
    async with (
        listening(Recorder(), limits=Limits(idle_seconds=0.5)) as (_, port),
        connected(port) as upstream,
    ):
        sending = asyncio.create_task(trickle(upstream.writer, b"NOOP " + b"x" * 2000))
        rest = await upstream.rest()
        sending.cancel()

    assert rest.startswith(b"421 4.4.2")


async def test_content_that_trickles_in_does_not_keep_the_connection_and_its_memory() -> None:
    """Catalogue S16, S7."""
    handler = Recorder()

    async with (
        listening(handler, limits=Limits(data_seconds=0.5)) as (server, port),
        connected(port) as upstream,
    ):
        await upstream.begin(parameters=" SIZE=5000")
        sending = asyncio.create_task(trickle(upstream.writer, b"x" * 2000 + b"\r\n" + END))
        rest = await upstream.rest()
        sending.cancel()

        assert rest.startswith(b"421 4.4.2")
        assert 0 == server.memory.used
    assert [] == handler.envelopes


async def test_content_that_keeps_the_minimum_pace_has_an_end_all_the_same() -> None:
    """Catalogue S16: a block in time again and again would hold the memory of a large message for
    weeks.
    """
    limits = Limits(data_seconds=60, session_seconds=0.5)

    async with listening(Recorder(), limits=limits) as (server, port), connected(port) as upstream:
        await upstream.begin(parameters=" SIZE=5000000")
        sending = asyncio.create_task(trickle(upstream.writer, b"x" * 4000))
        rest = await upstream.rest()
        sending.cancel()

        assert rest.startswith(b"421 4.4.2")
        assert 0 == server.memory.used


async def test_a_session_has_an_end_however_busy_it_is() -> None:
    """Catalogue S16."""
    async with (
        listening(Recorder(), limits=Limits(session_seconds=0.3)) as (_, port),
        connected(port) as upstream,
    ):
        first = await upstream.mail(b"x\r\n" + END)
        sending = asyncio.create_task(trickle(upstream.writer, b"NOOP\r\n" * 1000))
        rest = await upstream.rest()
        sending.cancel()

    assert first.startswith("250 2.0.0")
    assert rest.endswith(b"421 4.4.2 Session took too long, connect again\r\n")


async def test_a_handler_that_hangs_is_answered_for_before_the_client_gives_up() -> None:
    """Catalogue X12: the last resort; the downstream's own deadline is shorter."""
    cancelled: list[str] = []

    async def stuck(envelope: Envelope) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(envelope.id)
        return replies.ACCEPTED

    handler = Recorder(stuck)

    async with (
        listening(handler, limits=Limits(answer_seconds=0.3)) as (server, port),
        connected(port) as upstream,
    ):
        answer = await upstream.mail(b"x\r\n" + END)
        after = await upstream.say("NOOP")

        assert answer.startswith("451 4.4.1")
        assert after.startswith("250 2.0.0")
        assert 0 == server.memory.used
    assert [handler.envelopes[0].id] == cancelled


async def test_five_hundred_idle_connections_are_cheap() -> None:
    """Catalogue X13, S16: what one costs in this process, its task, buffers and transport all
    together.
    """
    loop = asyncio.get_running_loop()
    clients = [socket.socket() for _ in range(500)]

    async with listening(Recorder()) as (server, port):
        gc.collect()
        tracemalloc.start()
        try:
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_recv(client, 100)
            await loop.sock_sendall(clients[0], b"NOOP\r\n")
            answer = await loop.sock_recv(clients[0], 100)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            for client in clients:
                client.close()

        assert server.connections <= 500
        assert answer.startswith(b"250 2.0.0")
        assert held / 500 < 16_384
        assert await eventually(lambda: server.connections == 0)


async def test_a_slow_command_takes_nothing_from_the_time_of_the_content() -> None:
    """Catalogue S16: after the 354 the client has `data_seconds`, however long it thought before
    DATA.
    """
    handler = Recorder()
    limits = Limits(idle_seconds=1.0, data_seconds=30)

    async with listening(handler, limits=limits) as (_, port), connected(port) as upstream:
        await upstream.say("MAIL FROM:<a@acme.example>")
        await upstream.say("RCPT TO:<b@x.example>")
        await asyncio.sleep(0.6)
        await upstream.say("DATA")
        await asyncio.sleep(0.9)
        await upstream.send(b"Subject: x\r\n\r\n" + END)
        answer = await upstream.reply()

    assert answer.startswith("250 2.0.0")


async def test_a_client_is_not_idle_while_its_mail_is_handed_on() -> None:
    async def slow(_: Envelope) -> Reply:
        await asyncio.sleep(0.3)
        return replies.ACCEPTED

    async with (
        listening(Recorder(slow), limits=Limits(idle_seconds=0.1, data_seconds=0.1)) as (_, port),
        connected(port) as upstream,
    ):
        answer = await upstream.mail(b"x\r\n" + END)

    assert answer.startswith("250 2.0.0")


async def test_bad_commands_end_the_connection() -> None:
    """Catalogue S16."""
    async with (
        listening(Recorder(), limits=Limits(max_bad_commands=3)) as (_, port),
        connected(port) as upstream,
    ):
        await upstream.send(b"GET / HTTP/1.1\r\n" * 50)
        rest = await upstream.rest()

    assert [b"500", b"500", b"500", b"500", b"421"] == [line[:3] for line in rest.splitlines()]
    assert b"421 4.7.0 " in rest


async def test_many_bad_recipients_do_not_end_the_connection() -> None:
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        await upstream.say("MAIL FROM:<a@b>")
        codes = {(await upstream.say("RCPT TO:<bad"))[:3] for _ in range(50)}

    assert {"501"} == codes


async def test_commands_are_counted() -> None:
    """Catalogue S16."""
    async with (
        listening(Recorder(), limits=Limits(max_commands=5)) as (_, port),
        connected(port) as upstream,
    ):
        await upstream.send(b"NOOP\r\n" * 9)
        rest = await upstream.rest()

    # the hello was the first of five
    assert [b"250"] * 4 + [b"421"] == [line[:3] for line in rest.splitlines()]


async def test_a_client_that_never_reads_is_dropped() -> None:
    """Catalogue S16, X13."""
    async with (
        listening(Recorder(), limits=Limits(idle_seconds=0.3, max_commands=10**9)) as (
            server,
            port,
        ),
        connected(port) as upstream,
    ):
        upstream.writer.transport.pause_reading()  # type: ignore[attr-defined] # a stream's transport can
        flood = asyncio.create_task(trickle_lines(upstream.writer))

        assert await eventually(lambda: server.connections == 0)
        flood.cancel()


async def trickle_lines(writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(b"EHLO client.example\r\n" * 5000)
            await writer.drain()
    except ConnectionError:
        pass


def test_a_memory_that_cannot_hold_one_message_is_a_wrong_configuration() -> None:
    """Catalogue S7."""
    with pytest.raises(Exception, match="max_in_flight_bytes"):
        Limits(max_message_bytes=10, max_in_flight_bytes=9)
