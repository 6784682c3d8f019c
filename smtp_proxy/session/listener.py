"""A listening SMTP server: it opens ports, makes a session for each connection, and stops without
losing a mail.

Serves catalogue S16, S21 and X13, RFC 8314 3 (TLS from the first octet), and RFC 5321 3.8: a server
that stops says 421.
"""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from app.core.errors import Misconfigured
from smtp_proxy.allocator import return_large_blocks
from smtp_proxy.session.config import ListenerState, SessionConfig
from smtp_proxy.session.line_protocol import LineProtocol
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.preamble import PreambleAcceptor
from smtp_proxy.session.proxy_protocol import ProxySource
from smtp_proxy.session.session import Session

_BACKLOG = 1024
_LAST_SECONDS = 5.0  # for handlers to notice that they are cancelled


class Server:
    """One server on one address or several, which share all bounds. Several servers may share a
    memory budget.
    """

    def __init__(self, config: SessionConfig, memory: MemoryBudget | None = None) -> None:
        self._state = ListenerState(config, memory)
        self._servers: list[asyncio.Server] = []
        self._acceptors: list[PreambleAcceptor] = []

    @property
    def memory(self) -> MemoryBudget:
        """Return the budget of message content."""
        return self._state.memory

    @property
    def connections(self) -> int:
        """Return how many connections are open, or have a message on its way."""
        return self._state.connections.count

    async def start(
        self, host: str, port: int, *, implicit_tls: bool = False, reuse_port: bool = False
    ) -> tuple[str, int]:
        """Open one more port and return the bound address; port 0 takes a free one.

        `implicit_tls`: TLS by `SessionConfig.tls` from the first octet, not by STARTTLS. Raises
        Misconfigured when nobody can listen there.
        """
        return_large_blocks()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            sockets = _bound(
                dict.fromkeys((family, address) for family, _, _, _, address in found),
                reuse_port=reuse_port,
            )
        except OSError as exc:
            raise Misconfigured([f"{host}:{port}: cannot listen there: {exc}"]) from exc
        for listening in sockets:
            if implicit_tls or self._state.config.proxy_networks:
                listening.listen(_BACKLOG)
                self._acceptors.append(
                    PreambleAcceptor(
                        listening, self._state, self._protocol, implicit_tls=implicit_tls
                    )
                )
            else:
                self._servers.append(
                    await loop.create_server(self._protocol, sock=listening, backlog=_BACKLOG)
                )
        name = sockets[0].getsockname()
        return str(ip_address(name[0])), int(name[1])

    def adopt(self, config: SessionConfig) -> None:
        """Hold sessions that begin from now on to another configuration; those that run keep
        theirs.
        """
        self._state.adopt(config)

    async def stop(self, grace_seconds: float) -> None:
        """Say 421 to new clients and to those that send no mail now, let the others finish, and
        drop them after the grace.
        """
        state = self._state
        state.stopping = True
        for session in tuple(state.sessions):
            session.wake()
        if not await self._all_gone(within=grace_seconds):
            for session in tuple(state.sessions):
                session.abort()
            await self._all_gone(within=_LAST_SECONDS)
        for server in self._servers:
            server.close()
        for acceptor in self._acceptors:
            await acceptor.close()

    async def _all_gone(self, *, within: float) -> bool:
        if self._state.sessions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._state.all_gone.wait(), within)
        return not self._state.sessions

    def _protocol(self, source: ProxySource | None = None) -> LineProtocol:
        return Session(self._state, source).line


# Any: its shape is the family's own affair
def _bound(addresses: Iterable[tuple[int, Any]], *, reuse_port: bool) -> list[socket.socket]:
    """Return a socket bound to each address, all or none."""
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            # asyncio switches Nagle's algorithm off only where the protocol is named: without, each
            # short reply waits 40 ms for an ACK.
            bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sockets.append(bound)
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if reuse_port:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(address)
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets
