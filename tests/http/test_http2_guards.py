"""HTTP/2 over TLS: clicks, and what a client may not do to the others."""

import asyncio
import ssl
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
import trustme

from app.http import requests
from app.http.connection import HttpLimits
from app.http.http2 import MAX_RESETS
from tests.web.running import QUICK, Site, StoreConnection, running


class H2:
    """A client that speaks HTTP/2 over TLS."""

    def __init__(self, wire: StoreConnection) -> None:
        self.wire = wire
        config = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, header_encoding=None
        )
        self.connection = h2.connection.H2Connection(config=config)
        self.seen: list[h2.events.Event] = []

    async def flush(self) -> None:
        await self.wire.send(self.connection.data_to_send())

    def open(
        self,
        target: str,
        *,
        method: str = "POST",
        end: bool = True,
        extra: tuple[tuple[str, str], ...] = (),
    ) -> int:
        stream: int = self.connection.get_next_available_stream_id()
        fields = (
            (":method", method),
            (":authority", "u.example"),
            (":scheme", "https"),
            (":path", target),
            *extra,
        )
        self.connection.send_headers(stream, fields, end_stream=end)
        return stream

    async def until(
        self, kind: type[h2.events.Event], stream: int | None = None
    ) -> h2.events.Event | None:
        """Read until such an event comes; None when the connection ends first."""
        async with asyncio.timeout(20):
            while True:
                for event in self.seen:
                    if isinstance(event, kind) and stream in (
                        None,
                        getattr(event, "stream_id", None),
                    ):
                        self.seen.remove(event)
                        return event
                try:
                    data = await self.wire.reader.read(65536)
                except ConnectionResetError:
                    return None
                if not data:
                    return None
                self.seen += self.connection.receive_data(data)
                await self.flush()

    async def status(self, stream: int) -> str:
        answered = await self.until(h2.events.ResponseReceived, stream)
        assert isinstance(answered, h2.events.ResponseReceived)
        return dict(answered.headers or ())[b":status"].decode()


class Secure:
    """A site with TLS, and clients of it."""

    def __init__(self, site: Site, authority: trustme.CA) -> None:
        self.site = site
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)

    async def connect(self, *protocols: str) -> StoreConnection:
        if protocols:
            self.context.set_alpn_protocols(list(protocols))
        host, _, port = self.site.addresses["public_tls"].rpartition(":")
        return StoreConnection(
            *await asyncio.open_connection(
                host, int(port), ssl=self.context, server_hostname="localhost"
            )
        )

    async def h2(self) -> H2:
        client = H2(await self.connect("h2"))
        client.connection.initiate_connection()
        await client.flush()
        return client


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
async def test_tls_offers_both_protocols_and_nothing_old(
    authority: trustme.CA, certificate: Path, protocol: str
) -> None:
    """Catalogue E14."""
    async with running(certificate_file=certificate) as site:
        wire = await Secure(site, authority).connect(protocol)
        tls = wire.writer.get_extra_info("ssl_object")
        chosen, version = tls.selected_alpn_protocol(), tls.version()
        wire.close()

    assert protocol == chosen
    assert version in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("listener", ["public", "public_tls"])
async def test_a_listener_with_tls_asks_to_be_asked_by_tls_alone(
    authority: trustme.CA, certificate: Path, listener: str
) -> None:
    """RFC 6797 7.1 and 7.2: never said without TLS."""
    over_tls = listener == "public_tls"
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with running(certificate_file=certificate) as site:
        port = int(site.addresses[listener].rpartition(":")[2])
        tls = {"ssl": context, "server_hostname": "localhost"} if over_tls else {}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)  # type: ignore[arg-type] # either both or neither
        writer.write(b"GET /u HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = (await reader.read()).lower()
        writer.close()

    assert over_tls == (b"strict-transport-security: max-age=31536000\r\n" in answer)


async def test_a_click_over_http_2_unsubscribes(authority: trustme.CA, certificate: Path) -> None:
    """Catalogue E1, E14."""
    async with running(certificate_file=certificate) as site:
        client = await Secure(site, authority).h2()
        stream = client.open(f"/u?qmoe={site.token()}", end=False)
        client.connection.send_data(stream, b"List-Unsubscribe=One-Click", end_stream=True)
        await client.flush()
        status = await client.status(stream)
        client.wire.close()

        assert "200" == status
        assert await site.left()


async def test_connect_and_odd_paths_end_their_stream_only(
    authority: trustme.CA, certificate: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue L5."""
    async with running(certificate_file=certificate) as site:
        client = await Secure(site, authority).h2()
        refused = [
            client.open("/u", method="CONNECT", end=False, extra=((":protocol", "websocket"),)),
            client.open("/u\u00e9", end=False),
        ]
        await client.flush()
        resets = [await client.until(h2.events.StreamReset, stream) for stream in refused]
        good = client.open(f"/u?qmoe={site.token()}")
        await client.flush()
        status = await client.status(good)
        client.wire.close()

    assert None not in resets
    assert "200" == status
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_data_for_an_answered_stream_does_not_end_the_connection(
    authority: trustme.CA, certificate: Path
) -> None:
    """Catalogue L12."""
    async with running(certificate_file=certificate) as site:
        client = await Secure(site, authority).h2()
        early = client.open("/robots.txt", method="GET", end=False)
        await client.flush()
        client.connection.send_data(early, b"x" * 1000, end_stream=False)
        late = client.connection.data_to_send()
        await client.status(early)
        await client.wire.send(late)
        good = client.open(f"/u?qmoe={site.token()}")
        await client.flush()
        status = await client.status(good)
        client.wire.close()

    assert "200" == status


async def test_a_body_beyond_the_bound_is_answered_and_then_not_wanted(
    authority: trustme.CA, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue E11: RFC 9113 8.1."""
    monkeypatch.setattr(requests, "MAX_DRAINED_BYTES", 200_000)
    async with running(certificate_file=certificate) as site:
        client = await Secure(site, authority).h2()
        stream = client.open(f"/u?qmoe={site.token()}", end=False)
        sent = 0
        while sent <= requests.MAX_DRAINED_BYTES:
            room = min(
                client.connection.local_flow_control_window(stream),
                client.connection.max_outbound_frame_size,
            )
            if room == 0:
                await client.until(h2.events.WindowUpdated)
                continue
            client.connection.send_data(stream, b"x" * room)
            sent += room
            await client.flush()
        status = await client.status(stream)
        ended = await client.until(h2.events.StreamEnded, stream)
        reset = await client.until(h2.events.StreamReset, stream)
        further = client.open("/robots.txt", method="GET")
        await client.flush()
        other = await client.status(further)
        client.wire.close()

        assert "200" == status == other
        assert ended is not None
        assert isinstance(reset, h2.events.StreamReset)
        assert h2.errors.ErrorCodes.NO_ERROR == reset.error_code
        assert await site.left()


async def test_a_flood_of_resets_ends_its_connection_and_nobody_else_waits(
    authority: trustme.CA, certificate: Path
) -> None:
    """Catalogue L12."""
    async with running(certificate_file=certificate) as site:
        secure = Secure(site, authority)
        attacker = await secure.h2()
        for _ in range(MAX_RESETS + 50):
            stream = attacker.open("/u?qmoe=x")
            attacker.connection.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        await attacker.flush()
        ended = await attacker.until(h2.events.ConnectionTerminated)
        other = await site.click(f"/u?qmoe={site.token()}")

    assert isinstance(ended, h2.events.ConnectionTerminated)
    assert h2.errors.ErrorCodes.ENHANCE_YOUR_CALM == ended.error_code
    assert 200 == other.status


async def test_a_client_that_goes_away_before_its_answers_leaves_nothing_behind(
    authority: trustme.CA, certificate: Path
) -> None:
    """Catalogue L12."""
    async with running(limits=HttpLimits(connections=1), certificate_file=certificate) as site:
        secure = Secure(site, authority)
        for _ in range(2):
            gone = await secure.h2()
            # so no page can leave
            gone.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
            streams = [gone.open(f"/u?qmoe={site.token()}", method="GET") for _ in range(20)]
            await gone.flush()
            assert "200" == await gone.status(streams[-1])
            gone.wire.writer.transport.abort()
            status = await once_there_is_room(secure, "/robots.txt")

    assert "200" == status


async def once_there_is_room(secure: Secure, target: str) -> str:
    async with asyncio.timeout(20):
        while True:
            try:
                client = await secure.h2()
                stream = client.open(target, method="GET")
                await client.flush()
                status = await client.status(stream)
            # refused, or closed at once: the one before is not gone yet
            except (OSError, AssertionError):
                await asyncio.sleep(0.05)
                continue
            client.wire.close()
            await client.wire.rest()
            return status


async def test_a_connection_is_spent_after_its_requests_and_says_so(
    authority: trustme.CA, certificate: Path
) -> None:
    """Catalogue L12, E19."""
    async with running(
        limits=HttpLimits(requests_per_connection=3), certificate_file=certificate
    ) as site:
        client = await Secure(site, authority).h2()
        streams = [client.open(f"/u?qmoe={site.token()}") for _ in range(3)]
        await client.flush()
        statuses = [await client.status(stream) for stream in streams]
        ended = await client.until(h2.events.ConnectionTerminated)

    assert ["200"] * 3 == statuses
    assert isinstance(ended, h2.events.ConnectionTerminated)
    assert h2.errors.ErrorCodes.NO_ERROR == ended.error_code


async def test_priority_frames_by_the_thousand_are_ignored(
    authority: trustme.CA, certificate: Path
) -> None:
    """Catalogue L12."""
    async with running(certificate_file=certificate) as site:
        client = await Secure(site, authority).h2()
        for number in range(3_000):
            client.connection.prioritize(2 * number + 1)
        await client.flush()
        good = client.open(f"/u?qmoe={site.token()}")
        await client.flush()
        status = await client.status(good)
        client.wire.close()

    assert "200" == status


async def test_a_body_that_never_comes_ends_an_http_2_request_too(
    authority: trustme.CA, certificate: Path
) -> None:
    """Catalogue E11."""
    async with running(limits=QUICK, certificate_file=certificate) as site:
        client = await Secure(site, authority).h2()
        stream = client.open(f"/u?qmoe={site.token()}", end=False)
        await client.flush()
        status = await client.status(stream)
        client.wire.close()

        assert "408" == status
        assert not await site.left()
