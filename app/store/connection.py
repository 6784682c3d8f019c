"""What the adapters speak over: pipelines to the server that holds a key, whatever stands behind
the store's address.

An error that answers one command is that command's reply (an Exception in the list). Where several
servers stand behind the address, one that is away makes StoreUnavailable the reply of its own
commands alone. Raised is StoreUnavailable only when nothing could be answered.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from app.core.errors import Misconfigured
from app.core.store_url import StoreKind, parse_store_url
from app.store.batching import Command, Reply
from app.store.cluster_connection import ClusterConnection
from app.store.sentinel_connection import SentinelConnection
from app.store.server_connection import ServerConnection


class StoreConnection(Protocol):
    """Pipelines to the server that holds a key."""

    @property
    def breaks(self) -> int:
        """How often connections have been dropped: each time another server may have taken over."""
        ...

    async def run(
        self, commands: Sequence[Command], *, replicated: bool = False
    ) -> Sequence[Reply]:
        """Send the commands as one pipeline and return their replies; `replicated` turns what no
        replica confirmed into an error.
        """
        ...

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return the reply of every primary to one command without a key."""
        ...

    async def key_of_each(self, keys: Sequence[str]) -> Sequence[str]:
        """Return for every primary one of the keys that it holds, if it holds any."""
        ...

    def scan(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        """Yield the names of all keys of this pattern, some at a time, of one primary after the
        other; a name may come twice.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def connect(url: str, *, connections: int, timeout: float) -> StoreConnection:
    """Return the wire for a store URL; nothing is opened yet. Misconfigured when the URL cannot be
    used.
    """
    try:
        parsed = parse_store_url(url)
    except ValueError as exc:
        raise Misconfigured([f"store.url: {exc}"]) from exc
    if parsed.kind is StoreKind.CLUSTER:
        return ClusterConnection(parsed, connections=connections, timeout=timeout)
    if parsed.kind is StoreKind.SENTINEL:
        return SentinelConnection(parsed, connections=connections, timeout=timeout)
    return ServerConnection(
        parsed, parsed.hosts[0] if parsed.hosts else None, connections=connections, timeout=timeout
    )
