"""The probe against our own web service over TLS, and against servers that do what providers'
clients do not forgive.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from app.outbound.probe import probe

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Authority:
    ca_file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    return Authority(ca_file, context)


@asynccontextmanager
async def serving(
    authority: Authority, answer: bytes, *, endless: bool = False
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        try:
            while endless:
                writer.write(b"x" * 65536)
                await writer.drain()
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/u?qmoe=x"
    finally:
        server.close()


async def found(
    authority: Authority, answer: bytes, *, endless: bool = False, seconds: float = 5.0
) -> set[str]:
    async with serving(authority, answer, endless=endless) as url:
        return {
            finding.code
            for finding in await probe(
                url, allow_private=True, ca_file=authority.ca_file, seconds=seconds
            )
        }


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_an_endpoint_that_does_it_right_over_http1_has_only_a_note(
    authority: Authority,
) -> None:
    """Catalogue E14."""
    assert await found(authority, OK) == {"probe-http2"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (
            (
                b"HTTP/1.1 302 Found\r\nLocation: https://acme.example/bye\r\nContent-Length:"
                b" 0\r\n\r\n"
            ),
            "probe-redirect",
        ),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "probe-status"),
        (b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", "probe-status"),
        (OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"), "probe-cookie"),
        (b"220 mail.example ESMTP\r\n", "probe-failed"),
        (b"", "probe-failed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "probe-failed"),
    ],
)
async def test_what_a_provider_would_not_forgive_is_named(
    authority: Authority, answer: bytes, code: str
) -> None:
    """Catalogue E15."""
    assert code in await found(authority, answer)


async def test_an_endless_answer_is_cut(authority: Authority) -> None:
    assert "probe-endless" in await found(
        authority, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", endless=True
    )


async def test_a_certificate_that_does_not_verify_is_named(authority: Authority) -> None:
    """Catalogue E14."""
    async with serving(authority, OK) as url:
        codes = [finding.code for finding in await probe(url, allow_private=True)]

    assert codes == ["probe-certificate"]


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:1/u", "https://[::1]:1/u", "https://0x7f000001/u", "https://localhost/u"],
)
async def test_private_addresses_are_not_probed_unless_asked(url: str) -> None:
    """Catalogue L1."""
    (finding,) = await probe(url)

    assert finding.code == "probe-failed"
    assert "private" in finding.what


@pytest.mark.parametrize(
    "url",
    [
        "http://unsubscribe.example.com/u",
        "https://",
        "mailto:a@b",
        "https://[bad/u",
        "https://a:99999/u",
    ],
)
async def test_what_is_no_https_url_is_not_probed(url: str) -> None:
    (finding,) = await probe(url)

    assert finding.code == "probe-failed"


async def test_a_server_that_never_answers_is_given_up(authority: Authority) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=authority.context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/u"

    findings = await probe(url, allow_private=True, ca_file=authority.ca_file, seconds=0.3)

    server.close()
    assert {finding.code for finding in findings} == {"probe-failed", "probe-http2"}


async def test_a_url_beyond_ascii_is_a_finding(authority: Authority) -> None:
    """Catalogue N37."""
    (only,) = await probe(
        "https://127.0.0.1:9/ü?qmoe=é", allow_private=True, ca_file=authority.ca_file
    )

    assert only.code == "probe-failed"
    assert "percent-encoded" in only.what


@pytest.mark.parametrize("status", [b"abcd", b"\xff", b"99999999999999999999", b""])
async def test_an_answer_that_nobody_understands_is_a_finding(
    authority: Authority, tmp_path: Path, status: bytes
) -> None:
    """Catalogue N37: over HTTP/2 too, where no library looks at the status."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    # RFC 9113 4.1, 6.2: SETTINGS, then HEADERS of stream 1 with one literal field of a never
    # indexed name. RFC 7541 6.2.2 with the name of entry 8, :status
    block = b"\x08" + bytes([len(status)]) + status
    answer = b"\0\0\0\x04\0\0\0\0\0" + len(block).to_bytes(3, "big") + b"\x01\x05\0\0\0\x01" + block

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun = await reader.read(65536)
        writer.write(answer if begun.startswith(b"PRI") else OK.replace(b"200", status or b"x"))
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/u?qmoe=x"
        found_ = await probe(url, allow_private=True, ca_file=tmp_path / "ca.pem", seconds=2)
    finally:
        server.close()

    assert {finding.code for finding in found_} <= {"probe-failed", "probe-status", "probe-http2"}
    assert "probe-failed" in {finding.code for finding in found_}
