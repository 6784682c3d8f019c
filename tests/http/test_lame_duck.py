"""A stop sees clients off: kept connections are told that the next answer is the last one, and what
they had on the way is answered.
"""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from tests.http.test_http2_guards import H2
from tests.web.running import Site, StoreConnection, running

KEPT, ROUNDS = 20, 10
HEADERS, GOAWAY = 1, 7
STATUS_200 = 0x88  # RFC 7541 A: the indexed field `:status: 200`
BODY = b"List-Unsubscribe=One-Click"


def address(site: Site, listener: str) -> tuple[str, int]:
    host, _, port = site.addresses[listener].rpartition(":")
    return host, int(port)


async def clicking(wire: StoreConnection, token: str, begun: asyncio.Event) -> int:
    """Click over one connection until an answer says that it was the last; an answer that does not
    come is an error.
    """
    answered = 0
    while True:
        await wire.send(
            f"POST /u?qmoe={token} HTTP/1.1\r\nHost: u\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
            + BODY
        )
        reply = await wire.answer()
        assert 200 == reply.status
        answered += 1
        begun.set()
        if reply.all("connection") == ["close"]:
            assert b"" == await wire.rest()
            return answered
        await asyncio.sleep(0.01)


async def test_a_stop_cuts_no_request_of_twenty_kept_connections_in_ten_rounds() -> None:
    """Catalogue N29."""
    for _ in range(ROUNDS):
        async with running() as site:
            begun = [asyncio.Event() for _ in range(KEPT)]
            wires = [
                StoreConnection(*await asyncio.open_connection(*address(site, "public")))
                for _ in range(KEPT)
            ]
            clients = [
                asyncio.create_task(clicking(wire, site.token(), event))
                for wire, event in zip(wires, begun, strict=True)
            ]
            for event in begun:
                await event.wait()
        answered = await asyncio.gather(*clients)

        assert KEPT == len(answered)
        assert all(answered)


def frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """Return type, stream and payload of each frame (RFC 9113 4.1)."""
    found = []
    while data:
        length = int.from_bytes(data[:3])
        found.append((data[3], int.from_bytes(data[5:9]), data[9 : 9 + length]))
        data = data[9 + length :]
    return found


async def test_a_stop_answers_the_streams_that_http_2_clients_have_on_their_way(
    tmp_path: Path,
) -> None:
    """Catalogue N29, RFC 9113 6.8: GOAWAY names the highest stream there can be, so none that was
    sent meanwhile is refused.
    """
    authority = trustme.CA()
    certificate = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    async with running(certificate_file=certificate) as site:
        host, port = address(site, "public_tls")
        clients = []
        for _ in range(KEPT):
            wire = StoreConnection(
                *await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
            )
            client = H2(wire)
            client.connection.initiate_connection()
            first = client.open(f"/u?qmoe={site.token()}")
            await client.flush()
            assert "200" == await client.status(first)
            clients.append(client)
        finishing = [asyncio.create_task(after_goaway(client, site.token())) for client in clients]
    answers = await asyncio.gather(*finishing)

    assert [True] * KEPT == answers


async def after_goaway(client: H2, token: str) -> bool:
    """Say whether a request is answered that is sent when GOAWAY has come, as by a client that has
    not read it yet.
    """
    second = client.open(f"/u?qmoe={token}")
    request = client.connection.data_to_send()
    seen = b""
    async with asyncio.timeout(20):
        while not any(kind == GOAWAY for kind, _, _ in frames(seen)):
            seen += await client.wire.reader.read(65536)
        await client.wire.send(request)
    seen += await client.wire.rest()
    return any(
        kind == HEADERS and stream == second and payload[0] == STATUS_200
        for kind, stream, payload in frames(seen)
    )


@pytest.mark.parametrize("count", [1, KEPT])
async def test_connections_that_stay_silent_are_closed(count: int) -> None:
    """Catalogue N29, E19: who sends nothing more does not hold up the stop."""
    async with running() as site:
        wires = [
            StoreConnection(*await asyncio.open_connection(*address(site, "public")))
            for _ in range(count)
        ]
        for wire in wires:
            await wire.send(b"GET /robots.txt HTTP/1.1\r\nHost: u\r\n\r\n")
            await wire.answer()

    assert [b""] * count == [await wire.rest() for wire in wires]
