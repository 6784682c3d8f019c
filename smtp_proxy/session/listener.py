"""A listening SMTP server: it opens the port, makes a session for each connection, and stops without losing a mail.

Serves catalogue S16 and X13, and RFC 5321 3.8: a server that stops says 421.
"""

import asyncio
import ssl
from contextlib import suppress
from ipaddress import ip_address

from app.core.errors import Misconfigured
from smtp_proxy.allocator import return_large_blocks
from smtp_proxy.session.limits import MemoryBudget
from smtp_proxy.session.session import Session
from smtp_proxy.session.terms import Shared, Terms

_BACKLOG = 1024
_LAST_SECONDS = 5.0  # for handlers to notice that they are cancelled


class Server:
    """One listener. Several may share a memory budget."""

    def __init__(self, terms: Terms, memory: MemoryBudget | None = None) -> None:
        self._shared = Shared(terms, memory)
        self._server: asyncio.Server | None = None

    @property
    def memory(self) -> MemoryBudget:
        """Return the budget of message content."""
        return self._shared.memory

    @property
    def connections(self) -> int:
        """Return how many connections are open, or have a message on its way."""
        return self._shared.connections.count

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, reuse_port: bool = False) -> tuple[str, int]:
        """Open the port and return the bound address; port 0 takes a free one. `tls`: from the first octet on, not by STARTTLS.

        Raises Misconfigured when nobody can listen there.
        """
        return_large_blocks()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Session(self._shared), host, port, ssl=tls, backlog=_BACKLOG, reuse_port=reuse_port or None
            )
        except OSError as exc:
            raise Misconfigured([f"{host}:{port}: cannot listen there: {exc}"]) from exc
        name = self._server.sockets[0].getsockname()
        return str(ip_address(name[0])), int(name[1])

    async def stop(self, grace_seconds: float) -> None:
        """Take no new connection, say 421 to clients that send no mail now, let the others finish, and drop them after the grace."""
        shared = self._shared
        shared.stopping = True
        if self._server is not None:
            self._server.close()
        for session in tuple(shared.sessions):
            session.wake()
        if not await self._all_gone(within=grace_seconds):
            for session in tuple(shared.sessions):
                session.abort()
            await self._all_gone(within=_LAST_SECONDS)

    async def _all_gone(self, *, within: float) -> bool:
        if self._shared.sessions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._shared.all_gone.wait(), within)
        return not self._shared.sessions
