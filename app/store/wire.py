"""The only place that speaks to redis-py: pipelines over one server or a cluster, foreign errors translated.

Chosen against redis-py's defaults, which retry for seconds and raise when the pool is empty: no retry, one deadline over the whole pipeline
(a timeout for each reply costs more than the reply), a pool that waits, and at the first error every idle connection is dropped, since what
broke one has mostly broken all. RESP 2, so no handshake beyond AUTH and SELECT.

An error that answers one command is that command's reply (an Exception in the list); an error of the connection raises StoreUnavailable.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisError, ResponseError

from app.core.errors import Misconfigured, StoreUnavailable
from app.store.batching import Command, Reply

CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
SCHEMES = {"redis", "rediss", "unix", *CLUSTER_SCHEMES}
REPLICAS = 1  # how many must confirm a replicated write
_WAIT_SHARE = 0.6  # of the deadline: WAIT has to answer before it


class Wire(Protocol):
    """Pipelines to the server that holds a key."""

    async def run(self, commands: Sequence[Command], *, replicated: bool = False) -> Sequence[Reply]:
        """Send the commands as one pipeline and return their replies; `replicated` turns what no replica confirmed into an error."""
        ...

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return the reply of every primary to one command without a key."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def connect(url: str, *, connections: int, timeout: float) -> Wire:
    """Return the wire for a store URL; nothing is opened yet. Misconfigured when the URL cannot be used."""
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise Misconfigured([f"store.url: the scheme must be one of {', '.join(sorted(SCHEMES))}"])
    try:
        if scheme in CLUSTER_SCHEMES:
            return ClusterWire(url.replace(scheme, CLUSTER_SCHEMES[scheme], 1), connections=connections, timeout=timeout)
        return ServerWire(url, connections=connections, timeout=timeout)
    except (ValueError, RedisError) as exc:
        raise Misconfigured([f"store.url: {exc}"]) from exc


def _settle(replies: list[Reply], confirmations: Mapping[int, Reply]) -> list[Reply]:
    """Replace the replies of those commands (by position) that no replica has confirmed."""
    for position, replicas in confirmations.items():
        if not isinstance(replies[position], Exception) and not (isinstance(replicas, int) and replicas >= REPLICAS):
            replies[position] = StoreUnavailable("no replica confirmed the write")
    return replies


class ServerWire:
    """One server, or a primary behind one address."""

    def __init__(self, url: str, *, connections: int, timeout: float) -> None:
        self._timeout = timeout
        self._wait: Command = ("WAIT", REPLICAS, round(timeout * _WAIT_SHARE * 1000))
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=connections, timeout=None, socket_timeout=None, socket_connect_timeout=timeout, protocol=2
        )

    async def run(self, commands: Sequence[Command], *, replicated: bool = False) -> Sequence[Reply]:
        """Send the commands as one pipeline over one connection, WAIT included, for WAIT answers for its own connection only."""
        replies = await self._exchange([*commands, self._wait] if replicated else commands)
        if not replicated:
            return replies
        confirmed = replies.pop()
        return _settle(replies, dict.fromkeys(range(len(replies)), confirmed))

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return the server's reply."""
        return await self._exchange([command])

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.disconnect()

    async def _exchange(self, commands: Sequence[Command]) -> list[Reply]:
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # not annotated in redis-py
                try:
                    return await self._talk(connection, commands)
                except BaseException:
                    # Replies may still be on their way, and the next to use this connection must not read them (Q4). redis-py closes
                    # it as well where it notices; that has been broken before (CVE-2023-28858).
                    await connection.disconnect(nowait=True)
                    raise
                finally:
                    await self._pool.release(connection)
        except (RedisError, OSError, TimeoutError) as exc:
            await self._pool.disconnect(inuse_connections=False)
            raise StoreUnavailable(f"{type(exc).__name__}: {exc}") from exc

    @staticmethod
    async def _talk(connection: AbstractConnection, commands: Sequence[Command]) -> list[Reply]:
        # Packed by hiredis and sent as one piece: redis-py's own packing in Python is half of the CPU of a click's command.
        packed = b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]  # its stub: one word
        await connection.send_packed_command(packed)
        replies: list[Reply] = []
        for _ in commands:
            try:
                replies.append(await connection.read_response(disable_decoding=True))
            except ResponseError as exc:
                replies.append(exc)
        return replies


class ClusterWire:
    """A cluster: the pipeline is split by the node that owns each key, and each part goes out at the same time."""

    def __init__(self, url: str, *, connections: int, timeout: float) -> None:
        self._timeout = timeout
        self._wait: Command = ("WAIT", REPLICAS, round(timeout * _WAIT_SHARE * 1000))
        self._cluster = RedisCluster.from_url(
            url,
            max_connections=connections,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            require_full_coverage=False,  # the slots that are served go on working while others fail over
        )
        self._room = asyncio.Semaphore(connections)  # a node's pool raises when it is empty; here one waits, as for a single server
        # replies as they are, like a single server's
        for command in ("INFO", "HGETALL", "HSCAN", "XRANGE", "XREVRANGE", "ZMSCORE", "ZRANGE"):
            self._cluster.set_response_callback(command, _as_it_is)

    async def run(self, commands: Sequence[Command], *, replicated: bool = False) -> Sequence[Reply]:
        """Send the commands to their nodes; in a replicated store each node's part ends with its own WAIT on the same connection.

        A redirected command would be repeated on another connection, where WAIT says nothing about it, so a replicated write that meets a
        moved slot is an error: the new owner is noted, and the spool applies the statement again.
        """
        async with self._room:
            return await self._run(commands, replicated=replicated)

    async def _run(self, commands: Sequence[Command], *, replicated: bool) -> Sequence[Reply]:
        try:
            await self._cluster.initialize()
            pipeline = self._cluster.pipeline()
            for command in commands:
                pipeline.execute_command(*command)
            waits = self._owners(commands) if replicated else {}
            for node in waits:
                pipeline.execute_command(*self._wait, target_nodes=self._cluster.get_node(node_name=node))
            replies: list[Reply] = await pipeline.execute(raise_on_error=False, allow_redirections=not replicated)
            for reply in replies:
                if isinstance(reply, MovedError):
                    await self._cluster.nodes_manager.move_slot(reply)
        except (RedisError, OSError, TimeoutError) as exc:
            await self._cluster.aclose()  # the next pipeline asks the cluster again who owns what
            raise StoreUnavailable(f"{type(exc).__name__}: {exc}") from exc
        confirmed = replies[len(commands) :]
        confirmations = {at: count for count, part in zip(confirmed, waits.values(), strict=True) for at in part}
        return _settle(replies[: len(commands)], confirmations)

    def _owners(self, commands: Sequence[Command]) -> dict[str, list[int]]:
        """Return the positions of the commands by the name of the node that they go to."""
        owners: dict[str, list[int]] = {}
        for position, command in enumerate(commands):
            node = self._cluster.nodes_manager.get_node_from_slot(key_slot(_key(command)))
            owners.setdefault(node.name, []).append(position)
        return owners

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return every primary's reply, ordered by the name of the node."""
        async with self._room:
            return await self._run_on_primaries(command)

    async def _run_on_primaries(self, command: Command) -> Sequence[Reply]:
        try:
            await self._cluster.initialize()
            nodes = sorted(self._cluster.get_primaries(), key=lambda node: str(node.name))
            return [await node.execute_command(*command) for node in nodes]
        except (RedisError, OSError, TimeoutError) as exc:
            await self._cluster.aclose()
            raise StoreUnavailable(f"{type(exc).__name__}: {exc}") from exc

    async def close(self) -> None:
        """Close every connection to every node."""
        await self._cluster.aclose()


def _as_it_is(response: Reply, **_: object) -> Reply:
    return response


def _key(command: Command) -> bytes:
    key = command[3] if command[0] in {"EVAL", "EVALSHA"} else command[1]
    return str(key).encode()
