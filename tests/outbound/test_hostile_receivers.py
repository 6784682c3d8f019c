"""A receiver costs bounded octets, memory and loop time, before and behind its status line; real
servers on loopback, plain and TLS.
"""

import asyncio
import contextlib
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trustme
import uvloop

from app.core.webhook import ReceiverAnswer
from app.outbound.webhook_exchange import MOST_ANSWER_BYTES
from app.outbound.webhooks import WebhookClient, WebhookRequest
from tests.outbound.test_webhook_client import endpoint

REQUEST = WebhookRequest(body=b"{}", fields={"webhook-id": "m1"})
_BLOCK = 256 * 1024


class Hostile:
    """Says `first`, then `more` for as long as the client is there, and counts what the network
    took.
    """

    def __init__(self, first: bytes, more: bytes) -> None:
        self.first, self.more = first, more
        self.sent = 0
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.first)
            block = self.more * (_BLOCK // len(self.more)) if self.more else b""
            while block:
                writer.write(block)
                await writer.drain()
                self.sent += len(block)
            await writer.drain()
            await reader.read()
            await reader.read()
        self.gone.set()
        writer.transport.abort()


@asynccontextmanager
async def hostile(
    first: bytes, more: bytes, *, tls: bool
) -> AsyncIterator[tuple[Hostile, str, WebhookClient]]:
    receiver = Hostile(first, more)
    authority = trustme.CA()
    trusting, context = ssl.create_default_context(), None
    authority.configure_trust(trusting)
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("hooks.example").configure_cert(context)

    async def local(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    try:
        async with WebhookClient(lookup=local, trust=trusting, seconds=5) as client:
            port = server.sockets[0].getsockname()[1]
            yield receiver, f"{'https' if tls else 'http'}://hooks.example:{port}/", client
    finally:
        server.close()


NO_END, INTERIM = "the answer has no end", "too many interim answers"
OK = b"HTTP/1.1 200 OK\r\n"
CASES = {
    "100-continue flood": (b"", b"HTTP/1.1 100 C\r\n\r\n", ReceiverAnswer(reason=INTERIM)),
    "102 flood": (b"", b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n", ReceiverAnswer(reason=INTERIM)),
    "103 with endless fields": (
        b"HTTP/1.1 103 Early Hints\r\n",
        b"Link: </a>\r\n",
        ReceiverAnswer(reason=NO_END),
    ),
    "endless 2xx body without length": (OK + b"\r\n", b"x", ReceiverAnswer(status=200)),
    "endless 2xx body in chunks": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
        ReceiverAnswer(status=200),
    ),
    "2xx with a length of a terabyte": (
        OK + b"Content-Length: 1099511627776\r\n\r\n",
        b"x",
        ReceiverAnswer(status=200),
    ),
    "endless fields behind 2xx": (OK, b"X-A: b\r\n", ReceiverAnswer(status=200)),
    "one endless field behind 2xx": (OK + b"X: ", b"a", ReceiverAnswer(status=200)),
    "an illegal field behind 2xx": (OK + b"no colon\r\n\r\n", b"", ReceiverAnswer(status=200)),
    "two lengths behind 2xx": (
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"",
        ReceiverAnswer(status=200),
    ),
    "2xx and then silence in the head": (OK + b"X: y\r\n", b"", ReceiverAnswer(status=200)),
    "2xx and then silence in the body": (
        OK + b"Content-Length: 5\r\n\r\nab",
        b"",
        ReceiverAnswer(status=200),
    ),
    "200 after some interim answers": (
        b"HTTP/1.1 100 C\r\n\r\n" * 3 + OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n",
        b"",
        ReceiverAnswer(status=200),
    ),
    "endless 5xx body": (
        b"HTTP/1.1 503 No\r\nRetry-After: 60\r\n\r\n",
        b"x",
        ReceiverAnswer(status=503, retry_after="60"),
    ),
    "endless fields behind 410": (
        b"HTTP/1.1 410 Gone\r\n",
        b"X-A: b\r\n",
        ReceiverAnswer(status=410),
    ),
    "an endless reason": (b"HTTP/1.1 200 ", b"a", ReceiverAnswer(reason=NO_END)),
    "no HTTP at all": (b"", b"\x00", ReceiverAnswer(reason="broken off: the answer is no HTTP")),
    "a change of protocol": (
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"x",
        None,
    ),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", CASES)
async def test_the_status_line_decides_and_the_rest_costs_bounded_octets(
    name: str, tls: bool
) -> None:
    """Catalogue N36."""
    first, more, expected = CASES[name]
    async with hostile(first, more, tls=tls) as (receiver, url, client):
        answer = await client.post(endpoint(url), REQUEST)
        # the connection is ended, not politely closed
        await asyncio.wait_for(receiver.gone.wait(), 20)

    if expected is None:
        assert not answer.is_success
    else:
        assert expected == answer
    # what both kernels buffer; an unbounded reader takes gigabytes
    assert receiver.sent <= 32 * 1024 * 1024


async def test_floods_hold_up_no_other_receiver_and_memory_stays_level() -> None:
    """Catalogue N36: ten floods at once, a good receiver beside them."""

    async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with (
        await asyncio.start_server(good, "127.0.0.1", 0) as server,
        WebhookClient() as client,
    ):
        to = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        async with hostile(b"", b"HTTP/1.1 100 C\r\n\r\n", tls=False) as (_, url, flooded):
            await flooded.post(endpoint(url), REQUEST)  # what is made once is made now
            tracemalloc.start()
            floods = [
                asyncio.ensure_future(flooded.post(endpoint(url), REQUEST)) for _ in range(10)
            ]
            answers = [(await client.post(to, REQUEST)).status for _ in range(20)]
            ended = await asyncio.gather(*floods)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()

    assert [204] * 20 == answers
    assert {INTERIM} == {answer.reason for answer in ended}
    # the ten senders are in this process too
    assert peak < 10 * 12 * _BLOCK + 10 * MOST_ANSWER_BYTES


async def test_a_drip_before_the_status_line_ends_at_the_deadline_and_one_behind_it_is_a_success() -> (
    None
):
    """Catalogue N36."""
    answers = []
    for first in (b"HTTP/1.1", OK):
        async with hostile(first, b"", tls=False) as (_, url, client):
            client._seconds = 2.0
            answers.append(await client.post(endpoint(url), REQUEST))

    assert ["no answer in time", ""] == [answer.reason for answer in answers]
    assert [0, 200] == [answer.status for answer in answers]


async def test_octets_that_nobody_asked_for_end_a_kept_connection() -> None:
    """Catalogue N36: an answer sent ahead must not be taken for that of the next event."""
    connections = [0]

    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(
                b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length:"
                b" 0\r\n\r\n"
            )
            await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(eager, "127.0.0.1", 0) as server,
        WebhookClient() as client,
    ):
        to = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        statuses = [(await client.post(to, REQUEST)).status for _ in range(3)]

    assert ([500] * 3, 3) == (statuses, connections[0])


async def test_a_connection_serves_many_requests_while_its_answers_are_complete() -> None:
    connections = [0]

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                )

    async with (
        await asyncio.start_server(plain, "127.0.0.1", 0) as server,
        WebhookClient() as client,
    ):
        to = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a b?x=é")
        statuses = [(await client.post(to, REQUEST)).status for _ in range(5)]

    assert ([200] * 5, 1) == (statuses, connections[0])


def test_the_client_works_on_the_loop_of_the_worker_process() -> None:
    """Catalogue N36: uvloop's transports are of other classes than asyncio's."""

    async def ask(name: str, tls: bool) -> ReceiverAnswer:
        first, more, _ = CASES[name]
        async with hostile(first, more, tls=tls) as (receiver, url, client):
            answer = await client.post(endpoint(url), REQUEST)
            await asyncio.wait_for(receiver.gone.wait(), 20)
            return answer

    names = ("endless 2xx body without length", "100-continue flood")
    answers = [uvloop.run(ask(name, tls)) for name in names for tls in (False, True)]

    assert [ReceiverAnswer(status=200)] * 2 + [ReceiverAnswer(reason=INTERIM)] * 2 == answers
