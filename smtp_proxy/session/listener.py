"""A listening SMTP server: it opens ports, makes a session for each connection, and stops without losing a mail.

Serves catalogue S16, S21 and X13, RFC 8314 3 (TLS from the first octet), and RFC 5321 3.8: a server that stops says 421.
"""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from app.core.errors import Misconfigured
from smtp_proxy.allocator import return_large_blocks
from smtp_proxy.session.lmtp import LmtpSession
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.proxy_protocol import Source
from smtp_proxy.session.reception import Reception
from smtp_proxy.session.session import Session
from smtp_proxy.session.terms import Shared, Terms

_BACKLOG = 1024
_LAST_SECONDS = 5.0  # for handlers to notice that they are cancelled


class Server:
    """One server on one address or several, which share all bounds. Several servers may share a memory budget."""

    def __init__(self, terms: Terms, memory: MemoryBudget | None = None) -> None:
        self._shared = Shared(terms, memory)
        self._servers: list[asyncio.Server] = []
        self._receptions: list[Reception] = []

    @property
    def memory(self) -> MemoryBudget:
        """Return the budget of message content."""
        return self._shared.memory

    @property
    def connections(self) -> int:
        """Return how many connections are open, or have a message on its way."""
        return self._shared.connections.count

    async def start(self, host: str, port: int, *, implicit_tls: bool = False, reuse_port: bool = False) -> tuple[str, int]:
        """Open one more port and return the bound address; port 0 takes a free one.

        `implicit_tls`: TLS by `Terms.tls` from the first octet on, not by STARTTLS. Raises Misconfigured when nobody can listen there.
        """
        return_large_blocks()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            sockets = _bound(dict.fromkeys((family, address) for family, _, _, _, address in found), reuse_port=reuse_port)
        except OSError as exc:
            raise Misconfigured([f"{host}:{port}: cannot listen there: {exc}"]) from exc
        for listening in sockets:
            if implicit_tls or self._shared.terms.proxy_networks:
                listening.listen(_BACKLOG)
                self._receptions.append(Reception(listening, self._shared, self._session, implicit_tls=implicit_tls))
            else:
                self._servers.append(await loop.create_server(self._session, sock=listening, backlog=_BACKLOG))
        name = sockets[0].getsockname()
        return str(ip_address(name[0])), int(name[1])

    def adopt(self, terms: Terms) -> None:
        """Hold sessions that begin from now on to other terms; those that run keep theirs."""
        self._shared.adopt(terms)

    async def stop(self, grace_seconds: float) -> None:
        """Say 421 to new clients and to those that send no mail now, let the others finish, and drop them after the grace."""
        shared = self._shared
        shared.stopping = True
        for session in tuple(shared.sessions):
            session.wake()
        if not await self._all_gone(within=grace_seconds):
            for session in tuple(shared.sessions):
                session.abort()
            await self._all_gone(within=_LAST_SECONDS)
        for server in self._servers:
            server.close()
        for reception in self._receptions:
            await reception.close()

    async def _all_gone(self, *, within: float) -> bool:
        if self._shared.sessions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._shared.all_gone.wait(), within)
        return not self._shared.sessions

    def _session(self, source: Source | None = None) -> Session:
        return (LmtpSession if self._shared.terms.lmtp else Session)(self._shared, source)


def _bound(addresses: Iterable[tuple[int, Any]], *, reuse_port: bool) -> list[socket.socket]:  # Any: its shape is the family's own affair
    """Return a socket bound to each address, all or none."""
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            # asyncio switches Nagle's algorithm off only where the protocol is named: without, each short reply waits 40 ms for an ACK.
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
