"""Connections that are made, asked one question and closed: what `signoff doctor` can say of other
machines.

Nothing is sent that changes anything: no mail, no event, no click. Each trial has a deadline, reads
a bounded answer, and raises Unavailable with the other side's own words, made visible.
"""

import asyncio
import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar
from urllib.parse import urlsplit

from app.core.downstream import Scheme, Target, Tls
from app.core.errors import Unavailable
from app.core.visible import visible
from app.core.webhook import Reach
from app.outbound.guard import Blocked, addresses_of, check_host
from app.outbound.lookup import SystemLookup

SECONDS = 10.0
_MOST_ANSWER = 16_384
_MOST_WORDS = 200
_MOST_OF_A_SESSION = 65_536  # octets of all replies of a downstream

T = TypeVar("T")


class Page(NamedTuple):
    """The answer to a GET, and until when its server's certificate is good (None without TLS)."""

    status: int
    body: bytes
    certificate_ends: datetime | None


async def get_page(url: str, *, ca_file: Path | None = None, seconds: float = SECONDS) -> Page:
    """Return the answer to a GET of this URL; redirects are not followed."""
    parts = urlsplit(url)
    over_tls = parts.scheme == "https"
    context = ssl.create_default_context(cafile=ca_file) if over_tls else None
    host, port = parts.hostname or "", parts.port or (443 if over_tls else 80)
    request = (
        f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent:"
        " signoff-doctor\r\nConnection: close\r\n\r\n"
    )
    return await _within(seconds, _asked(host, port, context, request.encode("ascii")))


async def _asked(host: str, port: int, context: ssl.SSLContext | None, request: bytes) -> Page:
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_MOST_ANSWER)
    try:
        ends = _certificate_end(writer)
        writer.write(request)
        answer = b""
        while len(answer) < _MOST_ANSWER and (piece := await reader.read(_MOST_ANSWER)):
            answer += piece
    finally:
        writer.transport.abort()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not (words[0].startswith(b"HTTP/1.") and len(words) > 1 and words[1].isdigit()):
        raise Unavailable(f"the answer is no HTTP: {_shown(head)}")
    return Page(int(words[1]), body, ends)


async def reach_endpoint(url: str, *, reach: Reach, seconds: float = SECONDS) -> datetime | None:
    """Connect to the host of a webhook as its deliveries do, and return until when its certificate
    is good; nothing is sent.
    """
    parts = urlsplit(url)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    return await _within(
        seconds,
        _connected(parts.hostname or "", parts.port or (443 if context else 80), context, reach),
    )


async def _connected(
    host: str, port: int, context: ssl.SSLContext | None, reach: Reach
) -> datetime | None:
    try:
        check_host(host, reach)
        addresses = await addresses_of(host, port, reach, SystemLookup())
    except Blocked as exc:
        raise Unavailable(str(exc)) from exc
    _, writer = await asyncio.open_connection(
        addresses[0], port, ssl=context, server_hostname=host if context else None
    )
    ends = _certificate_end(writer)
    writer.transport.abort()
    return ends


async def greet_downstream(
    target: Target, *, hostname: str, ca_file: Path | None, seconds: float = SECONDS
) -> frozenset[str]:
    """Greet the downstream as the relay does, up to and with the login, and return the extensions
    that it offers.
    """
    return await _within(4 * seconds, _aside(lambda: _greeted(target, hostname, ca_file, seconds)))


async def _aside(act: Callable[[], T]) -> T:
    """Return what a blocking call gives. A thread of its own: one of the loop's would have to end
    before the program does.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(given: T | None, error: Exception | None) -> None:
        if result.done():  # nobody waits any longer
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(given)  # type: ignore[arg-type] # without an error it is a T

    def run() -> None:
        given, error = None, None
        try:
            given = act()
        except Exception as exc:  # a rim: it is raised where the result is awaited
            error = exc
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, given, error)

    threading.Thread(target=run, daemon=True).start()
    return await result


def _greeted(target: Target, hostname: str, ca_file: Path | None, seconds: float) -> frozenset[str]:
    try:
        with _session(target, hostname, ca_file, seconds) as session:
            _agreed("EHLO", session.ehlo())
            if target.scheme is not Scheme.SMTPS and target.tls is not Tls.NONE:
                _encrypt(session, target, ca_file)
            if target.credentials is not None:
                session.login(target.credentials.user, target.credentials.password)
            return frozenset(name.upper() for name in session.esmtp_features)
    except smtplib.SMTPResponseException as exc:
        raise Unavailable(f"it declined: {exc.smtp_code} {_shown(exc.smtp_error)}") from exc
    except smtplib.SMTPException as exc:
        raise Unavailable(_shown(str(exc).encode())) from exc


class _Replies:
    """The replies of a downstream, up to a bound; smtplib gathers the lines of one reply for as
    long as they come.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = _MOST_OF_A_SESSION

    def readline(self, most: int) -> bytes:
        line = self._source.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise Unavailable("its reply has no end")
        return line

    def close(self) -> None:
        self._source.close()


class _Bounded(smtplib.SMTP):
    """Reads no more than a bound from its server."""

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply. Raises Unavailable for one without an end."""
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock.makefile("rb"))
        return super().getreply()


class _BoundedTls(_Bounded, smtplib.SMTP_SSL):
    """The same, with TLS from the first octet."""


class _BoundedLmtp(_Bounded, smtplib.LMTP):
    """The same, for LMTP."""


def _session(target: Target, hostname: str, ca_file: Path | None, seconds: float) -> smtplib.SMTP:
    if target.scheme is Scheme.SMTPS:
        context = ssl.create_default_context(cafile=ca_file)
        return _BoundedTls(
            target.host, target.port, local_hostname=hostname, timeout=seconds, context=context
        )
    if target.scheme is Scheme.LMTP:
        return _BoundedLmtp(target.host, target.port, local_hostname=hostname, timeout=seconds)
    return _Bounded(target.host, target.port, local_hostname=hostname, timeout=seconds)


def _encrypt(session: smtplib.SMTP, target: Target, ca_file: Path | None) -> None:
    if not session.has_extn("starttls"):
        if target.tls is Tls.REQUIRE:
            raise Unavailable("it offers no STARTTLS, which `?tls=require` or a password needs")
        return
    context = ssl.create_default_context(cafile=ca_file)
    if target.tls is Tls.MAY:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _agreed("STARTTLS", session.starttls(context=context))
    _agreed("EHLO", session.ehlo())


def _agreed(command: str, reply: tuple[int, bytes]) -> None:
    code, words = reply
    if not 200 <= code < 300:  # noqa: PLR2004 - RFC 5321 4.2.1
        raise Unavailable(f"it declined {command}: {code} {_shown(words)}")


async def _within(seconds: float, trial: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await trial
    except TimeoutError as exc:
        raise Unavailable(f"no answer within {seconds:.0f} s") from exc
    except ssl.SSLCertVerificationError as exc:
        raise Unavailable(
            f"its certificate does not verify: {_shown(exc.verify_message.encode())}"
        ) from exc
    except (OSError, UnicodeError, asyncio.LimitOverrunError) as exc:
        number = (
            exc.errno
            if isinstance(exc, OSError) and not isinstance(exc, socket.gaierror | ssl.SSLError)
            else None
        )
        raise Unavailable(
            os.strerror(number) if number else _shown(str(exc)) or type(exc).__name__
        ) from exc


def _certificate_end(writer: asyncio.StreamWriter) -> datetime | None:
    shown = writer.get_extra_info("peercert")
    with suppress(KeyError, TypeError, ValueError):
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    return None


def _shown(words: bytes | str) -> str:
    text = words if isinstance(words, str) else words.decode("utf-8", "replace")
    return visible(" ".join(text.split()), most=_MOST_WORDS)
