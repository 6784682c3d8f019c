"""What the public port refuses before it is a request, and how long it waits for one."""

import asyncio

import pytest

from app.http.connection import HttpLimits
from tests.web.running import QUICK, Reply, Site, StoreConnection, running

SMUGGLED = b"GET /robots.txt HTTP/1.1\r\nHost: u\r\n\r\n"

REFUSED = {
    "V1 two framings": (
        b"POST /u HTTP/1.1\r\nHost: u\r\nContent-Length: 5\r\nTransfer-Encoding:"
        b" chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "V1 the other way round": (
        b"POST /u HTTP/1.1\r\nHost: u\r\ntransfer-encoding: chunked\r\ncontent-length:"
        b" 0\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "V2 two lengths": (
        b"POST /u HTTP/1.1\r\nHost: u\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n01234"
        + SMUGGLED
    ),
    "V3 an unknown coding": (
        b"POST /u HTTP/1.1\r\nHost: u\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        + SMUGGLED
    ),
    "a coding in HTTP/1.0": (
        b"POST /u HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "V5 CONNECT": b"CONNECT victim:443 HTTP/1.1\r\nHost: victim:443\r\n\r\n" + SMUGGLED,
    "V6 bare line feeds": b"POST /u HTTP/1.1\nHost: u\n\n" + SMUGGLED,
    "V6 one bare line feed": b"POST /u HTTP/1.1\r\nHost: u\nX: y\r\n\r\n" + SMUGGLED,
    "V6 a blank line of bare line feeds": b"POST /u HTTP/1.1\r\nHost: u\n\n" + SMUGGLED,
    "a bare carriage return": b"POST /u HTTP/1.1\r\nHost: u\rX: y\r\n\r\n" + SMUGGLED,
    "h2c by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "h2c by upgrade": (
        b"GET /u HTTP/1.1\r\nHost: u\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
    ),
    "WebSocket": (
        b"GET /u HTTP/1.1\r\nHost: u\r\nConnection: Upgrade\r\nUpgrade:"
        b" websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key:"
        b" AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ),
    "no host": b"GET /u HTTP/1.1\r\n\r\n",
    "a long field": b"GET /u HTTP/1.1\r\nHost: u\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    "a long head of short fields": (
        b"GET /u HTTP/1.1\r\nHost: u\r\n" + b"X: y\r\n" * 4_000 + b"\r\n"
    ),
    "a long target": b"GET /u?" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: u\r\n\r\n",
    "TLS on the clear port": bytes.fromhex("16030100a5010000a10303"),
    "no HTTP at all": b"EHLO spammer.example\r\n\r\n",
}


@pytest.mark.parametrize("vector", REFUSED)
async def test_what_is_no_plain_request_is_refused_and_the_connection_closed(
    site: Site, vector: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue L5, E11."""
    async with site.wire() as wire:
        await wire.send(REFUSED[vector])
        seen = await wire.rest()

    status = int(seen.split()[1])
    assert 400 <= status < 600
    assert 1 == seen.count(b"HTTP/1.1 "), "the smuggled request was answered"
    assert b"Traceback" not in seen
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_a_refused_request_is_refused_however_it_is_cut(site: Site) -> None:
    """Catalogue L5."""
    async with site.wire() as wire:
        for byte in b"POST /u HTTP/1.1\r\nHost: u\n\r\n":
            await wire.send(bytes([byte]))
            await asyncio.sleep(0)
        seen = await wire.rest()

    assert seen.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("footer", [b"XX", b"\n\n"])
async def test_a_chunk_ends_as_the_standard_says(site: Site, footer: bytes) -> None:
    """Catalogue L5 (vector V4)."""
    token = site.token()

    async with site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={token} HTTP/1.1\r\nHost: u\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        await wire.send(b"1\r\nx" + footer + b"0\r\n\r\n" + SMUGGLED)
        seen = await wire.rest()

    assert b"200" not in seen.split(b"\r\n")[0]
    assert b"Disallow" not in seen
    assert not await site.left()


async def test_requests_in_one_packet_are_answered_in_order(site: Site) -> None:
    async with site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nContent-Length: 2\r\n\r\nab".encode()
            + SMUGGLED
        )
        first, second = await wire.answer(), await wire.answer()

    assert (b"You are unsubscribed.\n", 200) == (first.body, first.status)
    assert second.text.startswith("User-agent")


@pytest.mark.parametrize("start", [b"", b"POST /u", b"POST /u HTTP/1.1\r\nHost: u\r\nX:"])
async def test_a_head_that_does_not_come_ends_the_connection(start: bytes) -> None:
    """Catalogue E11."""
    async with running(limits=QUICK) as site, site.wire() as wire:
        await wire.send(start)
        seen = await wire.rest()

    assert b"" == seen


async def test_a_second_head_has_its_deadline_too() -> None:
    """Catalogue E11."""
    async with running(limits=QUICK) as site, site.wire() as wire:
        await wire.send(SMUGGLED)
        await wire.answer()
        await wire.send(b"GET /ro")
        seen = await wire.rest()

    assert b"" == seen


async def test_a_body_that_drips_is_not_waited_for_and_does_nothing() -> None:
    """Catalogue E11."""
    async with running(limits=QUICK) as site, site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nContent-Length: 26\r\n\r\n".encode()
        )
        drips = asyncio.create_task(drip(wire))
        reply = await wire.answer()
        drips.cancel()

        assert 408 == reply.status
        assert "close" == reply["connection"]
        assert not await site.left()


async def drip(wire: StoreConnection) -> None:
    for _ in range(20):
        await wire.send(b"x")
        await asyncio.sleep(0.1)


def test_the_deadlines_are_within_what_the_catalogue_allows() -> None:
    """Catalogue E11, E19."""
    limits = HttpLimits()

    assert limits.head_seconds < 10
    assert limits.body_seconds < 10
    assert limits.idle_seconds > 60


async def test_a_client_that_goes_away_in_its_body_changes_nothing(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    async with site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nContent-Length: 26\r\n\r\nList".encode()
        )
        wire.writer.write_eof()
        await wire.rest()

    assert not await site.left()
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_a_client_that_only_closes_its_own_side_gets_its_answer(site: Site) -> None:
    async with site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nContent-Length: 0\r\n\r\n".encode()
        )
        wire.writer.write_eof()
        seen = await wire.rest()

    assert seen.startswith(b"HTTP/1.1 200 ")
    assert await site.left()


async def test_more_connections_than_allowed_are_closed_at_once() -> None:
    """Catalogue L12."""
    async with (
        running(limits=HttpLimits(connections=2)) as site,
        site.wire() as first,
        site.wire() as second,
    ):
        await first.send(SMUGGLED)
        await second.send(SMUGGLED)
        statuses = [(await wire.answer()).status for wire in (first, second)]
        async with site.wire() as third:
            seen = await third.rest()

    assert [200, 200] == statuses
    assert b"" == seen


async def test_requests_under_way_are_finished_at_the_end() -> None:
    """Catalogue E19."""
    body = b"List-Unsubscribe=One-Click"
    async with running() as site:
        wires = [StoreConnection(*await asyncio.open_connection(*address(site))) for _ in range(20)]
        idle = StoreConnection(*await asyncio.open_connection(*address(site)))
        await idle.send(SMUGGLED)
        await idle.answer()
        for wire in wires:
            await wire.send(
                f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nContent-Length:"
                f" {len(body)}\r\n\r\n".encode()
                + body[:5]
            )
        await site.ask("GET", "/robots.txt")  # by now every head has been read
        # Leaving the block asks for the end, while twenty bodies are incomplete; these tasks
        # complete them meanwhile.
        finish = [asyncio.create_task(finished(wire, body[5:])) for wire in wires]
    replies = await asyncio.gather(*finish)

    assert [200] * 20 == [reply.status for reply in replies]
    assert {"close"} == {reply["connection"] for reply in replies}
    assert b"" == await idle.rest()
    assert await site.left()


async def finished(wire: StoreConnection, rest: bytes) -> Reply:
    await asyncio.sleep(0.3)
    await wire.send(rest)
    return await wire.answer()


def address(site: Site) -> tuple[str, int]:
    host, _, port = site.addresses["public"].rpartition(":")
    return host, int(port)
