"""A one-click URL probed as mailbox providers use it (catalogue E14, E15, and its vectors).

1. Four POSTs over HTTP/1.1 (form, multipart, no body, chunked) and one over HTTP/2, each on a
   connection of its own.
2. The address is checked before it is connected to, and it is the one that was checked: no name
   leads a probe into a private network.
3. Time and octets are bounded, whatever the other side does.
"""

import asyncio
import datetime
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import h11

from app.core.mail.lint.fields import ONE_CLICK
from app.core.mail.lint.rules import Finding
from app.core.webhook import Reach
from app.outbound import probe_http2
from app.outbound.guard import Blocked, check, check_host
from app.outbound.lookup import SystemLookup
from app.outbound.probe_answer import MAX_ANSWER, ProbeAnswer

SECONDS = 10.0
_SLOW_SECONDS = 3.0
_EXPIRES_SOON = datetime.timedelta(days=14)
_BOUNDARY = "----signoff-probe"
_FORM = ONE_CLICK.encode("ascii")
_MULTIPART = (
    f"--{_BOUNDARY}\r\nContent-Disposition: form-data;"
    f' name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--{_BOUNDARY}--\r\n'.encode("ascii")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """One way in which clients POST."""

    name: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


_URLENCODED = ("Content-Type", "application/x-www-form-urlencoded")
_SHAPES = (
    _Shape(name="form", fields=(_URLENCODED, ("Content-Length", str(len(_FORM)))), body=_FORM),
    _Shape(
        name="multipart",
        fields=(
            ("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}"),
            ("Content-Length", str(len(_MULTIPART))),
        ),
        body=_MULTIPART,
    ),
    _Shape(name="empty", fields=(("Content-Length", "0"),), body=b""),
    _Shape(name="chunked", fields=(_URLENCODED, ("Transfer-Encoding", "chunked")), body=_FORM),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    host: str
    port: int
    target: str  # path and query
    ip: str


async def probe(
    url: str, *, allow_private: bool = False, ca_file: Path | None = None, seconds: float = SECONDS
) -> Sequence[Finding]:
    """POST to a one-click URL in every known way and return what would keep a provider's request
    from working. Never raises.
    """
    try:
        return await _probed(url, allow_private=allow_private, ca_file=ca_file, seconds=seconds)
    # a rim: whatever a stranger's server answers is a finding, and the other mails get their report
    except Exception as exc:
        return [
            Finding("probe-failed", f"the answer cannot be understood: {type(exc).__name__}: {exc}")
        ]


async def _probed(
    url: str, *, allow_private: bool, ca_file: Path | None, seconds: float
) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(seconds):
            place = await _place(url, allow_private=allow_private)
    except (OSError, ValueError, TimeoutError) as exc:
        return [
            Finding(
                "probe-failed", f"the URL cannot be connected to: {str(exc) or 'no answer in time'}"
            )
        ]
    findings: list[Finding] = []
    for shape in _SHAPES:
        try:
            async with (
                asyncio.timeout(seconds),
                _connection(place, "http/1.1", ca_file) as (reader, writer),
            ):
                if shape is _SHAPES[0]:
                    findings += _certificate(writer)
                answer = await _post(place, shape, reader, writer)
        except ssl.SSLCertVerificationError as exc:
            return [
                *findings,
                Finding(
                    "probe-certificate", f"the certificate does not verify: {exc.verify_message}"
                ),
            ]
        except (OSError, h11.ProtocolError, asyncio.IncompleteReadError, TimeoutError) as exc:
            findings.append(
                Finding(
                    "probe-failed",
                    f"a POST ({shape.name}) got no answer: {str(exc) or type(exc).__name__}",
                )
            )
        else:
            findings += _judge(shape.name, answer)
    findings += await _over_http2(place, ca_file, seconds)
    return findings


async def _place(url: str, *, allow_private: bool) -> _Place:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme.lower() != "https" or not parts.hostname:
        raise ValueError("it is no https URL")
    if not url.isascii():
        raise ValueError(
            "it holds characters beyond ASCII, which must be percent-encoded (RFC 3986 2.1)"
        )
    port = parts.port or 443
    reach = Reach.PRIVATE if allow_private else Reach.PUBLIC
    addresses = await SystemLookup()(parts.hostname, port)
    try:
        check_host(parts.hostname, reach)
        for address in addresses:
            check(address, reach)
    except Blocked as exc:
        raise ValueError(
            "it leads to a private address (--allow-private probes it all the same)"
        ) from exc
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    return _Place(host=parts.hostname, port=port, target=target, ip=addresses[0])


@asynccontextmanager
async def _connection(
    place: _Place, protocol: str, ca_file: Path | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    reader, writer = await asyncio.open_connection(
        place.ip, place.port, ssl=context, server_hostname=place.host, limit=MAX_ANSWER
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # whatever the other side still sends is of no interest


def _certificate(writer: asyncio.StreamWriter) -> Sequence[Finding]:
    until = writer.get_extra_info("peercert", {}).get("notAfter", "")
    left = (
        datetime.timedelta(seconds=ssl.cert_time_to_seconds(until) - time.time()) if until else None
    )
    if left is not None and left < _EXPIRES_SOON:
        return [
            Finding("probe-certificate-ends", f"the certificate is good for {left.days} more days")
        ]
    return []


async def _post(
    place: _Place, shape: _Shape, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> ProbeAnswer:
    started = time.monotonic()
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_ANSWER)
    host = place.host if place.port == 443 else f"{place.host}:{place.port}"  # noqa: PLR2004 - the default port of https
    fields = [
        ("Host", host),
        ("User-Agent", "signoff-check"),
        ("Accept", "*/*"),
        *shape.fields,
        ("Connection", "close"),
    ]
    events: list[h11.Event] = [h11.Request(method="POST", target=place.target, headers=fields)]
    events += [h11.Data(data=shape.body)] if shape.body else []
    writer.write(b"".join(connection.send(event) or b"" for event in [*events, h11.EndOfMessage()]))
    status, headers, size = 0, {}, 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            status, headers = (
                event.status_code,
                {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers},
            )
        elif isinstance(event, h11.Data):
            size += len(event.data)
        if isinstance(event, h11.EndOfMessage) or size > MAX_ANSWER or event is h11.PAUSED:
            return ProbeAnswer(
                status=status,
                fields=headers,
                endless=size > MAX_ANSWER,
                seconds=time.monotonic() - started,
            )
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("the connection was closed before the answer was complete")


async def _over_http2(place: _Place, ca_file: Path | None, seconds: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(seconds), _connection(place, "h2", ca_file) as (reader, writer):
            tls = writer.get_extra_info("ssl_object")
            if tls.selected_alpn_protocol() != "h2":
                return [Finding("probe-http2", "the server speaks HTTP/1.1 only")]
            answer = await probe_http2.post(place.host, place.target, _FORM, reader, writer)
    except ssl.SSLError:
        # some end the handshake when no protocol is shared
        return [Finding("probe-http2", "the server speaks HTTP/1.1 only")]
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as exc:
        return [
            Finding(
                "probe-failed", f"a POST (HTTP/2) got no answer: {str(exc) or type(exc).__name__}"
            )
        ]
    return _judge("HTTP/2", answer)


def _judge(shape: str, answer: ProbeAnswer) -> Sequence[Finding]:
    findings: list[Finding] = []
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        findings.append(
            Finding("probe-redirect", f"a POST ({shape}) is answered {answer.status}, a redirect")
        )
    elif not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        findings.append(Finding("probe-status", f"a POST ({shape}) is answered {answer.status}"))
    if "set-cookie" in answer.fields:
        findings.append(Finding("probe-cookie", f"the answer to a POST ({shape}) sets a cookie"))
    if answer.endless:
        findings.append(
            Finding(
                "probe-endless",
                f"the answer to a POST ({shape}) is longer than {MAX_ANSWER // 1024} KiB",
            )
        )
    if answer.seconds > _SLOW_SECONDS:
        findings.append(Finding("probe-slow", f"a POST ({shape}) took {answer.seconds:.1f} s"))
    return findings
