"""The orderly stop of a listener."""

import asyncio

import pytest

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.submission import Envelope
from tests.support.upstream import Recorder, connected, eventually, listening

END = b".\r\n"


async def test_a_stop_tells_idle_clients_and_takes_no_new_ones() -> None:
    """Catalogue S16."""
    async with listening(Recorder()) as (server, port), connected(port) as upstream:
        stopping = asyncio.create_task(server.stop(10))
        rest = await upstream.rest()
        upstream.writer.close()
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    assert b"421 4.3.2 Service is shutting down, try again later\r\n" == rest


async def test_a_stop_waits_for_mail_on_its_way() -> None:
    """Catalogue X18."""
    release = asyncio.Event()

    async def slow(_: Envelope) -> Reply:
        await release.wait()
        return replies.ACCEPTED

    handler = Recorder(slow)

    async with (
        listening(handler) as (server, port),
        connected(port) as handed_on,
        connected(port) as sending,
    ):
        await handed_on.begin()
        await handed_on.send(b"x\r\n" + END)
        await sending.begin()
        assert await eventually(lambda: bool(handler.envelopes))
        stopping = asyncio.create_task(server.stop(10))
        await asyncio.sleep(0)
        await sending.send(b"y\r\n" + END)
        release.set()
        answers = [await handed_on.rest(), await sending.rest()]
        handed_on.writer.close()
        sending.writer.close()
        await stopping

    assert all(answer.startswith(b"250 2.0.0 Message accepted\r\n421 4.3.2 ") for answer in answers)


async def test_a_stop_does_not_wait_for_ever() -> None:
    cancelled: list[str] = []

    async def stuck(envelope: Envelope) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(envelope.id)
        return replies.ACCEPTED

    handler = Recorder(stuck)

    async with listening(handler) as (server, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(b"x\r\n" + END)
        assert await eventually(lambda: bool(handler.envelopes))
        await server.stop(0.05)

        assert 0 == server.connections
        assert 0 == server.memory.used
    assert [handler.envelopes[0].id] == cancelled
