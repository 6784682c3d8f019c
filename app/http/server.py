"""The HTTP listeners of a process, in one loop.

Sockets are bound before anything is served, so a port that is taken is an error at start and a port
0 is known to who asked for it. When `stop` returns, nothing new is accepted, clients of kept
connections are told and then closed on, and requests under way are finished within `grace_seconds`
(catalogue E19). Must not know what the applications do.
"""

import asyncio
import functools
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from socket import socket
from typing import cast

import uvloop
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.types import ASGIApp

from app.core.errors import Misconfigured
from app.http.connection import HttpConnection, HttpLimits, Phase
from app.http.http1 import Context
from app.observe.background import Part, keep_running
from app.observe.log import logger

_SWEEP_SECONDS = 0.5
# a year; not for subdomains, which are others' business
_TLS_ALONE = (b"strict-transport-security", b"max-age=31536000")
_TLS_CLOSE_SECONDS = 2.0  # how long a client may keep us waiting for its close_notify
# how long the loop keeps the interpreter from the spool's thread; at the usual 5 ms a commit waits
# for the loop
_SWITCH_SECONDS = 0.0005

# The import or export of a whole list is one request, from somebody who is let onto the private
# listener.
ADMIN_LIMITS = HttpLimits(body_seconds=3_600, busy_seconds=3_600)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the public listens. Addresses are `host:port`, `[v6]:port` or `unix:path`; port 0 picks
    a free one.
    """

    listen: str = "127.0.0.1:8080"
    tls_listen: str | None = None
    certificate_file: Path | None = None  # PEM, the whole chain
    key_file: Path | None = None
    limits: HttpLimits = field(default_factory=HttpLimits)


class _WireConfig(Config):
    """Hypercorn's settings, with a Date field that is formatted once a second, and on TLS the wish
    to be asked by TLS alone (RFC 6797).
    """

    over_tls = False

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        date = (b"date", _http_date(int(asyncio.get_running_loop().time())))
        return [date, _TLS_ALONE] if self.over_tls else [date]


@functools.lru_cache(maxsize=1)
def _http_date(_second: int) -> bytes:
    return formatdate(usegmt=True).encode("ascii")


class Listener:
    """One bound socket and the connections that came through it. Raises Misconfigured when the
    address cannot be bound.
    """

    def __init__(
        self, app: ASGIApp, address: str, *, limits: HttpLimits, tls: ssl.SSLContext | None = None
    ) -> None:
        # Starlette types ASGI by open dictionaries, Hypercorn by closed ones
        self._asgi = cast("ASGIFramework", app)
        self._limits = limits
        self._tls = tls
        self._config = _config(address, limits, over_tls=tls is not None)
        self._sockets = _bind(self._config, address)
        self._context = Context(None)
        self._connections: dict[asyncio.Task[None], HttpConnection] = {}
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Return the address in the form that settings use, with the real port."""
        name = self._sockets[0].getsockname()
        if isinstance(name, str):
            return f"unix:{name}"
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def show(self, certificate: Path, private_key: Path | None) -> None:
        """Show this certificate to whoever connects from now on. Raises Misconfigured."""
        if self._tls is not None:
            _load_chain(self._tls, certificate, private_key)

    async def open(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(
            self._accept,
            sock=self._sockets[0],
            backlog=self._config.backlog,
            ssl=self._tls,
            ssl_handshake_timeout=self._limits.head_seconds if self._tls else None,
            ssl_shutdown_timeout=_TLS_CLOSE_SECONDS if self._tls else None,
        )

    def sweep(self, now: float) -> None:
        """End the connections that have overstayed their phase, and a while later whatever of them
        is still running.
        """
        for task, connection in list(self._connections.items()):
            late = now - connection.patience.deadline
            if late > 0:
                connection.end()
            if late > self._limits.grace_seconds:
                task.cancel()

    async def close(self) -> None:
        """Stop accepting, see clients off, let requests finish within the grace, then end what is
        left.

        A client that keeps a connection may have its next request on the way. So all are told first
        that it is the last one (HTTP/1.1 by `HttpConnection: close` on the answer, HTTP/2 by
        GOAWAY), and served for `lame_duck_seconds`; only what is idle then is closed.
        """
        if self._server is not None:
            self._server.close()
        self._context.leaving = True
        for connection in list(self._connections.values()):
            await connection.announce_end()
        if self._connections:
            await asyncio.wait(self._connections, timeout=self._limits.lame_duck_seconds)
        await self._context.terminated.set()
        for connection in list(self._connections.values()):
            if connection.patience.phase is Phase.IDLE:
                connection.end()
        if self._connections:
            await asyncio.wait(self._connections, timeout=self._limits.grace_seconds)
        for task, connection in list(self._connections.items()):
            connection.end()
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=self._limits.grace_seconds)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._limits.connections:
            writer.transport.abort()
            return
        connection = HttpConnection(
            asgi=self._asgi,
            wrapped=ASGIWrapper(self._asgi),
            loop=asyncio.get_running_loop(),
            config=self._config,
            context=self._context,
            limits=self._limits,
            reader=reader,
            writer=writer,
        )
        self._connections[task] = connection
        try:
            await connection.run()
        finally:
            del self._connections[task]


@asynccontextmanager
async def listening(listeners: Mapping[str, Listener]) -> AsyncIterator[None]:
    """Serve on all of these listeners for as long as the context is open, then end in order."""
    for listener in listeners.values():
        await listener.open()
    sweeper = keep_running(Part.SWEEP, lambda: _sweep(listeners), logger("web"))
    try:
        yield
    finally:
        await asyncio.gather(*(listener.close() for listener in listeners.values()))
        sweeper.cancel()


async def serve(
    listeners: Mapping[str, Listener],
    *,
    stop: Callable[[], Awaitable[object]],
    bound: Callable[[Mapping[str, str]], None],
) -> None:
    """Serve until `stop` returns. `bound` is called once everything listens, with the address of
    each listener by its name.
    """
    async with listening(listeners):
        bound({name: listener.address for name, listener in listeners.items()})
        await stop()


def run(main: Coroutine[object, object, None]) -> None:
    """Run a process's main coroutine on uvloop, which gives Hypercorn half as many requests again a
    second.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def public_listeners(app: ASGIApp, settings: ServerSettings) -> dict[str, Listener]:
    """Bind `public` and, where there is to be one, `public_tls`.

    Raises Misconfigured when an address cannot be bound or a certificate not be read.
    """
    listeners = {"public": Listener(app, settings.listen, limits=settings.limits)}
    if settings.tls_listen is not None:
        listeners["public_tls"] = Listener(
            app, settings.tls_listen, limits=settings.limits, tls=_tls(settings)
        )
    return listeners


async def _sweep(listeners: Mapping[str, Listener]) -> None:
    now = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        for listener in listeners.values():
            listener.sweep(now())


def _config(address: str, limits: HttpLimits, *, over_tls: bool) -> Config:
    config = _WireConfig()
    config.over_tls = over_tls
    config.bind = [address]
    config.errorlog = None  # what Hypercorn would log, the rims in `connection` log
    config.backlog = 1024
    config.h11_max_incomplete_size = limits.head_bytes
    config.h2_max_header_list_size = limits.head_bytes
    config.h2_max_concurrent_streams = limits.streams_per_connection
    config.keep_alive_max_requests = limits.requests_per_connection
    return config


def _bind(config: Config, address: str) -> list[socket]:
    try:
        return config.create_sockets().insecure_sockets
    except (OSError, OverflowError) as exc:
        raise Misconfigured([f"{address}: cannot listen there: {exc}"]) from exc


def _tls(settings: ServerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])
    if settings.certificate_file is None:
        raise Misconfigured([f"{settings.tls_listen}: TLS needs a certificate file"])
    _load_chain(context, settings.certificate_file, settings.key_file)
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, private_key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, private_key)
    except OSError as exc:
        raise Misconfigured([f"{certificate}: cannot be used as a certificate: {exc}"]) from exc
