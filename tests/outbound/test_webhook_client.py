"""The client of webhooks and its guard, against real servers on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from urllib.parse import urlsplit

import pytest
import trustme
from aiohttp import web

from app.core.model import BrandId, BrandNumber
from app.core.webhook import Endpoint, Reach, ReceiverAnswer, WebhookFormat, endpoint_key
from app.outbound import guard
from app.outbound.webhook_exchange import MOST_ANSWER_BYTES
from app.outbound.webhooks import WebhookClient, WebhookRequest
from tests.support.receiver import Told, receiving

REQUEST = WebhookRequest(body=b"{}", fields={"webhook-id": "m1"})


def endpoint(url: str, reach: Reach = Reach.LOOPBACK, **headers: str) -> Endpoint:
    brand = BrandNumber(7)
    return Endpoint(
        key=endpoint_key(brand, url, WebhookFormat.STANDARD),
        brand=brand,
        brand_id=BrandId("acme"),
        brand_name="Acme",
        url=url,
        reach=reach,
        headers=tuple(headers.items()),
    )


def answering(
    *rounds: Sequence[str],
) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """A resolver whose answers change from one look-up to the next, and the book of what it was
    asked.
    """
    left: Iterator[Sequence[str]] = iter(rounds)
    asked: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(left)

    return lookup, asked


async def post(url: str, reach: Reach = Reach.LOOPBACK, **settings: object) -> ReceiverAnswer:
    async with WebhookClient(**settings) as client:  # type: ignore[arg-type]  # the settings of the test at hand
        return await client.post(endpoint(url, reach), REQUEST)


async def test_a_request_carries_its_fields_and_those_of_the_endpoint() -> None:
    async with receiving(statuses=[202]) as receiver, WebhookClient() as client:
        answer = await client.post(endpoint(receiver.url, Authorization="Basic eA=="), REQUEST)

    (told,) = receiver.book
    assert (ReceiverAnswer(status=202), b"{}") == (answer, told.body)
    assert ("application/json", "m1", "Basic eA==") == tuple(
        told.headers[name] for name in ("Content-Type", "webhook-id", "Authorization")
    )
    assert "Cookie" not in told.headers


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "100.64.0.1",
        "[64:ff9b::7f00:1]",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
    ],
)
async def test_a_literal_that_is_not_public_is_blocked_before_any_connection(host: str) -> None:
    """Catalogue L1."""
    async with receiving() as receiver:
        port = urlsplit(receiver.url).port
        answer = await post(f"http://{host}:{port}/", Reach.PUBLIC)

    assert (True, 0, []) == (answer.blocked, answer.status, receiver.book)


async def test_a_name_that_leads_inside_is_blocked() -> None:
    """Catalogue L1: nip.io and its kind."""
    async with receiving() as receiver:
        lookup, asked = answering(["127.0.0.1"])
        answer = await post(
            f"http://127.0.0.1.nip.example:{urlsplit(receiver.url).port}/",
            Reach.PUBLIC,
            lookup=lookup,
        )

    assert (True, [], ["127.0.0.1.nip.example"]) == (answer.blocked, receiver.book, asked)


async def test_one_private_address_among_public_ones_is_enough() -> None:
    """Catalogue L1: all A and AAAA records must be public."""
    lookup, _ = answering(["93.184.216.34", "2606:4700::1", "10.0.0.7"])

    answer = await post("http://hooks.example/", Reach.PUBLIC, lookup=lookup)

    assert answer.blocked


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catalogue L1: a rebinding name answers differently the second time; each connection has one
    look-up, and it is the checked one.
    """
    monkeypatch.setattr(guard, "may_reach", lambda address, reach: address == "127.0.0.2")
    async with (
        receiving("127.0.0.2", fields={"Connection": "close"}) as public,
        receiving() as private,
    ):
        port = urlsplit(public.url).port
        lookup, asked = answering(["127.0.0.2"], ["127.0.0.1"])
        async with WebhookClient(lookup=lookup) as client:
            first = await client.post(
                endpoint(f"http://rebinding.example:{port}/", Reach.PUBLIC), REQUEST
            )
            second = await client.post(
                endpoint(f"http://rebinding.example:{port}/", Reach.PUBLIC), REQUEST
            )

    assert (200, True, 2) == (first.status, second.blocked, len(asked))
    assert (1, 0) == (len(public.book), len(private.book))


async def test_an_address_that_swallows_everything_leaves_time_for_the_next() -> None:
    """A name with an address that is dead, as of IPv6 without a way there, and one that lives."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    swallowed: list[asyncio.StreamWriter] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        swallowed.append(writer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    lookup, _ = answering(["127.0.0.1", "127.0.0.2"])
    async with await asyncio.start_server(serve, "127.0.0.2", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with await asyncio.start_server(swallow, "127.0.0.1", port):
            answer = await post(
                f"https://hooks.example:{port}/",
                lookup=lookup,
                trust=trusting,
                address_seconds=0.2,
                seconds=60.0,
            )
            for writer in swallowed:
                writer.transport.abort()

    assert (204, 1) == (answer.status, len(swallowed))


async def test_a_redirect_is_not_followed() -> None:
    """Catalogue L1: 302 to the metadata service."""
    async with (
        receiving() as target,
        receiving(statuses=[302], fields={"Location": target.url}) as receiver,
    ):
        answer = await post(receiver.url)

    assert (302, False, []) == (answer.status, answer.is_success, target.book)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue L1."""
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        answer = await post(receiver.url)

    assert (200, 1, []) == (answer.status, len(receiver.book), proxy.book)


async def test_an_endless_answer_is_cut_off() -> None:
    """Catalogue L1."""
    sent = [0]

    async def endless(told: Told) -> web.StreamResponse:
        return web.Response(body=_chunks(sent))

    async with receiving(reply=endless) as receiver:
        answer = await post(receiver.url)

    assert 200 == answer.status
    assert sent[0] < 100 * MOST_ANSWER_BYTES


async def _chunks(sent: list[int]) -> AsyncIterator[bytes]:
    while True:
        sent[0] += 16_384
        yield b"x" * 16_384


async def test_a_receiver_that_never_answers_is_left_in_time() -> None:
    """Catalogue L1."""
    async with receiving(hanging=True) as receiver:
        answer = await post(receiver.url, seconds=0.2)

    assert ("no answer in time", False) == (answer.reason, answer.blocked)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 " + b"a" * 100_000,
        b"HTTP/2 200\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
async def test_a_broken_answer_is_a_failure_and_nothing_of_it_is_told(said: bytes) -> None:
    """Catalogue L1: no echo of the answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        answer = await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert (0, False) == (answer.status, answer.blocked)
    assert "garbage" not in answer.reason


async def test_nobody_there_and_an_unknown_name_are_told_apart() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    async with receiving() as receiver:
        url = receiver.url

    assert ("no connection", "the name was not found") == (
        (await post(url)).reason,
        (await post("http://hooks.example/", lookup=unknown)).reason,
    )


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_good_one_taken() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async def local(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        refused = await post(f"https://hooks.example:{port}/", lookup=local)
        taken = await post(f"https://hooks.example:{port}/", lookup=local, trust=trusting)

    assert ("no trusted TLS connection", 204) == (refused.reason, taken.status)


async def test_a_connection_that_the_receiver_has_closed_meanwhile_costs_no_failure() -> None:
    """A kept connection may die unseen; the same id makes a second try harmless."""
    connections = [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        with_second = connections[0] > 1
        await reader.read(1)
        if with_second:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        WebhookClient() as client,
    ):
        to = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        answers = [await client.post(to, REQUEST), await client.post(to, REQUEST)]

    assert [204, 204] == [answer.status for answer in answers]
    assert 2 == connections[0]
