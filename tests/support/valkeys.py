"""Stores of several real servers, all by the Valkey that comes with the installation: a cluster,
sentinels, a name that can be moved.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio as redis
from redis.exceptions import RedisError

from app.store.embedded import find_binary
from tests.support.ports import free_port
from tests.support.redis_server import PATIENCE, RedisServer, redis_server
from tests.support.services import becomes

SLOTS = 16384
DOWN_MS = 1000  # after which sentinels hold a silent server for dead


@asynccontextmanager
async def valkey(folder: Path, *options: str) -> AsyncIterator[RedisServer]:
    """Run one server."""
    async with redis_server(folder, options=options, binary=find_binary()) as server:
        yield server


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Three primaries without replicas."""

    nodes: Sequence[RedisServer]

    @property
    def url(self) -> str:
        """The address with every node in it."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    async def kill(self) -> None:
        """Kill every node at once."""
        await asyncio.gather(*(node.kill() for node in self.nodes))

    async def start(self) -> None:
        """Start every node again, and return when they are one cluster."""
        await asyncio.gather(*(node.start() for node in self.nodes))
        for node in self.nodes:
            assert await becomes(lambda node=node: _is_whole(node))  # type: ignore[misc]  # a constant


@asynccontextmanager
async def cluster(folder: Path, *options: str) -> AsyncIterator[Cluster]:
    """Run a cluster of three primaries, of which those that live serve their slots (see
    docs/operations.md).
    """
    buses = [free_port() for _ in range(3)]
    serving = ("--cluster-require-full-coverage", "no")
    fixed = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", *serving, *options)
    nodes = [
        RedisServer(
            folder / f"node-{number}",
            options=(*fixed, "--cluster-port", str(bus)),
            binary=find_binary(),
        )
        for number, bus in enumerate(buses)
    ]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        for number, node in enumerate(nodes):
            await node.cluster("ADDSLOTSRANGE", number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1)
            await node.cluster("MEET", "127.0.0.1", nodes[0].port, buses[0])
        for node in nodes:
            assert await becomes(lambda node=node: _is_whole(node))  # type: ignore[misc]  # a constant
        yield Cluster(nodes=nodes)
    finally:
        await asyncio.gather(*(node.end() for node in nodes))


async def _is_whole(node: RedisServer) -> bool:
    state, nodes = await node.cluster("INFO"), await node.cluster("NODES")
    return "cluster_state:ok" in state and nodes.count("master") == 3 and "fail" not in nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A primary and its replica, watched by three sentinels."""

    primary: RedisServer
    replica: RedisServer
    sentinels: Sequence[int]  # ports

    @property
    def url(self) -> str:
        """The address by all sentinels."""
        return (
            f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.sentinels)}/signoff/0"
        )


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Watched]:
    """Run a primary, a replica that is in step, and three sentinels that know each other."""
    async with valkey(folder / "a") as primary, valkey(folder / "b") as replica:
        await primary.operator.config_set("repl-diskless-sync-delay", 0)
        await replica.operator.replicaof("127.0.0.1", str(primary.port))
        assert await becomes(lambda: replica.is_("replication", "master_link_status", "up"))
        ports = [free_port() for _ in range(3)]
        sentinels = [
            await _sentinel(folder / f"sentinel-{port}", port, primary.port) for port in ports
        ]
        try:
            for port in ports:
                assert await becomes(lambda port=port: _knows_all(port))  # type: ignore[misc]  # a constant
            yield Watched(primary=primary, replica=replica, sentinels=ports)
        finally:
            for sentinel in sentinels:
                sentinel.terminate()
                await sentinel.wait()


async def _sentinel(folder: Path, port: int, primary: int) -> asyncio.subprocess.Process:
    folder.mkdir()
    (folder / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor signoff 127.0.0.1 {primary}"
        f" 2\nsentinel down-after-milliseconds signoff {DOWN_MS}\nsentinel failover-timeout signoff"
        " 5000\n"
    )
    return await asyncio.create_subprocess_exec(
        str(find_binary()),
        str(folder / "sentinel.conf"),
        "--sentinel",
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _knows_all(port: int) -> bool:
    async with redis.Redis(port=port, decode_responses=True) as sentinel:
        with suppress(RedisError, OSError):
            state = await sentinel.sentinel_master("signoff")
            return isinstance(state, dict) and (
                state["num-other-sentinels"],
                state["num-slaves"],
            ) == (2, 1)
    return False


class Name:
    """One address in front of several servers. Who is connected stays where they are when it moves,
    as with DNS or a floating address.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.target = 0
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Name":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pipe in tuple(self._pipes):
            pipe.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.wait(
                {
                    asyncio.create_task(_copy(reader, there_writer)),
                    asyncio.create_task(_copy(there_reader, writer)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            writer.close()
            there_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
