"""A primary that sentinels watch over (Redis Sentinel, "Guidelines for Sentinel clients").

All sentinels are asked at once. The first that names another server than the one that has just been
lost is believed, else the last; a server that was named too early refuses our writes, which drops
its connections and asks again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

from app.core.errors import StoreUnavailable
from app.core.store_url import StoreAddress, StoreKind
from app.store.batching import Command, Reply
from app.store.server_connection import Address, ServerConnection

_AGAIN_SECONDS = 0.25  # between two rounds of asking, while the servers are away
_ADDRESS_PARTS = 2
_TLS = "ssl_"


class SentinelConnection:
    """The primary of one service, whoever that is now."""

    def __init__(self, url: StoreAddress, *, connections: int, timeout: float) -> None:
        self._url = url
        self._connections = connections
        self._timeout = timeout
        tls = {name: value for name, value in url.options.items() if name.startswith(_TLS)}
        to_sentinels = replace(
            url,
            kind=StoreKind.SERVER,
            db=0,
            options=MappingProxyType({**tls, **url.sentinel_options}),
        )
        self._sentinels = [
            ServerConnection(to_sentinels, host, connections=1, timeout=timeout)
            for host in url.hosts
        ]
        self._primary: ServerConnection | None = None
        self._address: Address | None = None
        self._is_lost = False
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._breaks = 0

    @property
    def breaks(self) -> int:
        """How often the primary's connections have been dropped."""
        return self._breaks

    async def run(
        self, commands: Sequence[Command], *, replicated: bool = False
    ) -> Sequence[Reply]:
        """Send the commands to the primary as one pipeline."""
        return await (await self._found()).run(commands, replicated=replicated)

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return the primary's reply."""
        return await (await self._found()).run_on_primaries(command)

    async def key_of_each(self, keys: Sequence[str]) -> Sequence[str]:
        """Return one of the keys: the primary holds all."""
        return keys[:1]

    async def scan(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        """Yield the names of the primary's keys; one that is lost on the way ends it, for another
        one's cursors mean nothing here.
        """
        async for names in (await self._found()).scan(pattern):
            yield names

    async def close(self) -> None:
        """Close every connection to the primary and the sentinels."""
        servers = [*self._sentinels, *([self._primary] if self._primary else [])]
        await asyncio.gather(*(server.close() for server in servers))

    async def _found(self) -> ServerConnection:
        if self._primary is not None and not self._is_lost:
            return self._primary
        async with self._asking:
            now = asyncio.get_running_loop().time
            if self._primary is not None and (
                not self._is_lost or now() - self._asked < _AGAIN_SECONDS
            ):
                return self._primary
            address = await self._named()
            self._asked = now()
            self._is_lost = False
            if self._primary is None or address != self._address:
                before, self._address = self._primary, address
                self._primary = ServerConnection(
                    self._url,
                    address,
                    connections=self._connections,
                    timeout=self._timeout,
                    lost=self._lost,
                )
                if before is not None:
                    await before.close()
            return self._primary

    def _lost(self) -> None:
        self._breaks += 1
        self._is_lost = True

    async def _named(self) -> Address:
        """Return the primary's address. StoreUnavailable when no sentinel names one."""
        asking = [asyncio.ensure_future(self._named_by(sentinel)) for sentinel in self._sentinels]
        named: Address | None = None
        try:
            for answer in asyncio.as_completed(asking):
                with suppress(StoreUnavailable):
                    named = await answer or named
                    if named is not None and named != self._address:
                        break
        finally:
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if named is None:
            hosts = ", ".join(f"{host}:{port}" for host, port in self._url.hosts)
            raise StoreUnavailable(f"no sentinel names a primary of {self._url.service}: {hosts}")
        return named

    async def _named_by(self, sentinel: ServerConnection) -> Address | None:
        (reply,) = await sentinel.run([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._url.service)])
        if isinstance(reply, list) and len(reply) == _ADDRESS_PARTS:
            host, port = (part.decode() if isinstance(part, bytes) else "" for part in reply)
            if host and port.isdecimal():
                return host, int(port)
        return None
