"""Connections that have something to settle before the first word of SMTP: a load balancer's PROXY
header, TLS from the start, or both.

Serves catalogue S21 and RFC 8314 3. The header is read from the socket before any transport exists,
octet for octet as far as it goes, so the handshake or the client's first command behind it is left
for whom it is meant. A connection counts from the moment it is accepted.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable

from app.observe.background import Part, keep_running
from app.observe.log import LogEvent
from smtp_proxy.session.config import ListenerState, SessionConfig, plain_ip
from smtp_proxy.session.proxy_protocol import HeaderMalformed, ProxySource, read_header

_PAUSE_SECONDS = 0.5  # when the system has no room for a further connection
_TLS_SECONDS = 30.0
_TLS_CLOSE_SECONDS = 2.0


class PreambleAcceptor:
    """Accepts the connections of one socket and brings each to a session."""

    def __init__(
        self,
        listening: socket.socket,
        listener: ListenerState,
        session: Callable[[ProxySource | None], asyncio.Protocol],
        *,
        implicit_tls: bool,
    ) -> None:
        self._listening = listening
        self._listener = listener
        self._session = session
        self._implicit_tls = implicit_tls
        self._arriving: set[asyncio.Task[None]] = set()
        self._accepting = keep_running(Part.ACCEPT, self._accept, listener.config.log)

    async def close(self) -> None:
        """Take no new connection, and drop those that have not become a session yet."""
        tasks = {self._accepting, *self._arriving}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._listening.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, name = await loop.sock_accept(self._listening)
            except OSError as exc:
                self._listener.config.log.error(LogEvent.SESSION_REFUSED, error=str(exc))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if self._listener.connections.is_full:
                # there is no telling a client what it could read only after the handshake
                accepted.close()
                continue
            task = loop.create_task(self._receive(accepted, plain_ip(name[0])))
            self._arriving.add(task)
            self._listener.connections.arriving += 1
            task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        self._listener.connections.arriving -= 1

    async def _receive(self, accepted: socket.socket, peer: str) -> None:
        """Bring one connection to its session. Whatever it has done wrong ends it without a word:
        nobody knows yet who listens.
        """
        config = self._listener.config
        try:
            source = (
                await self._source(accepted, peer, config) if config.expects_header(peer) else None
            )
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._session(source),
                accepted,
                ssl=config.tls if self._implicit_tls else None,
                ssl_handshake_timeout=_TLS_SECONDS if self._implicit_tls else None,
                ssl_shutdown_timeout=_TLS_CLOSE_SECONDS if self._implicit_tls else None,
            )
        except HeaderMalformed as exc:
            config.log.warning(LogEvent.SESSION_REFUSED, peer=peer, error=f"PROXY header: {exc}")
            accepted.close()
        except (OSError, ssl.SSLError) as exc:  # among them TimeoutError
            config.log.info(
                LogEvent.SESSION_REFUSED, peer=peer, error=str(exc) or type(exc).__name__
            )
            accepted.close()
        except BaseException:
            accepted.close()
            raise

    @staticmethod
    async def _source(accepted: socket.socket, peer: str, config: SessionConfig) -> ProxySource:
        loop = asyncio.get_running_loop()
        reading = read_header()
        needed = next(reading)
        try:
            async with asyncio.timeout(config.limits.header_seconds):
                while True:
                    needed = reading.send(await _exactly(loop, accepted, needed))
        except StopIteration as done:
            source: ProxySource = done.value
            return source


async def _exactly(loop: asyncio.AbstractEventLoop, accepted: socket.socket, octets: int) -> bytes:
    received = b""
    while len(received) < octets:
        piece = await loop.sock_recv(accepted, octets - len(received))
        if not piece:
            raise ConnectionError("closed within the PROXY header")
        received += piece
    return received
