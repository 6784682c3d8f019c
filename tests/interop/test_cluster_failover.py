"""A cluster of three primaries with a replica each loses a primary, and with it what the primary
alone had: the spool brings it back.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.crc import key_slot

from app.store import keys
from app.store.redis import RedisStore
from tests.support import circles
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.services import Services, becomes, running_services

pytestmark = pytest.mark.interop

SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT_MS = 2000
EACH = 12  # clicks in each phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Six servers: the replica of a primary is in the same place of the other row."""

    primaries: Sequence[RedisServer]
    replicas: Sequence[RedisServer]

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.primaries[0].port}"


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Run a cluster that is whole, with every replica in step."""
    buses = [free_port() for _ in range(2 * PRIMARIES)]
    fixed = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
    servers = [
        RedisServer(
            folder / f"node-{number}",
            options=(*fixed, "--cluster-port", str(bus), "--repl-diskless-sync-delay", "0"),
        )
        for number, bus in enumerate(buses)
    ]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        primaries, replicas = servers[:PRIMARIES], servers[PRIMARIES:]
        for number, primary in enumerate(primaries):
            await primary.cluster(
                "ADDSLOTSRANGE", number * SLOTS // PRIMARIES, (number + 1) * SLOTS // PRIMARIES - 1
            )
        for server in servers[1:]:
            await server.cluster("MEET", "127.0.0.1", servers[0].port, buses[0])
        for primary, replica in zip(primaries, replicas, strict=True):
            name = await primary.cluster("MYID")
            assert await becomes(lambda replica=replica, name=name: knows(replica, name))  # type: ignore[misc]  # both are constants
            await replica.cluster("REPLICATE", name)
        for server in servers:
            assert await becomes(lambda server=server: is_whole(server))  # type: ignore[misc]  # as above
        for replica in replicas:
            assert await becomes(
                lambda replica=replica: replica.is_("replication", "master_link_status", "up")  # type: ignore[misc]
            )  # as above
        yield Cluster(primaries=primaries, replicas=replicas)
    finally:
        await asyncio.gather(*(server.end() for server in servers))


async def knows(server: RedisServer, name: str) -> bool:
    return name in await server.cluster("NODES")


async def is_whole(server: RedisServer) -> bool:
    state = await server.cluster("INFO")
    nodes = await server.cluster("NODES")
    return "cluster_state:ok" in state and nodes.count("slave") == PRIMARIES


def primary_of(services: Services, address: str) -> int:
    """Return the number of the primary that holds a recipient's record."""
    digest = services.codec.digest(address, brand=circles.number(services, "acme"))
    slot = key_slot(
        keys.state(circles.number(services, "acme"), digest, keys.DEFAULT_BUCKETS).encode()
    )
    return next(number for number in range(PRIMARIES) if slot < (number + 1) * SLOTS // PRIMARIES)


async def click_all(services: Services, addresses: Sequence[str]) -> list[int]:
    return [await circles.click(services, address) for address in addresses]


@pytest.mark.parametrize("durability", ["fsync", "replicated"])
async def test_a_lost_primary_costs_no_click(durability: str, tmp_path: Path) -> None:
    """Catalogue E8, Q3: what it had alone, what was clicked while nobody stood in for it, and what
    was clicked afterwards, once each.
    """
    lost = 1
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(cluster(tmp_path))
        services = await stack.enter_async_context(
            running_services(
                tmp_path,
                "web",
                STORE__URL=nodes.url,
                STORE__DURABILITY=durability,
                LOG_LEVEL="debug",
            )
        )
        store = RedisStore(nodes.url, timeout=5)
        stack.push_async_callback(store.close)
        names = [f"person-{number}@mail.example" for number in range(3 * EACH)]
        alone, leaderless, later = names[:EACH], names[EACH : 2 * EACH], names[2 * EACH :]

        replica = nodes.replicas[lost]
        replica.send(signal.SIGSTOP)
        # or the kernel would still hand it over
        await nodes.primaries[lost].operator.client_kill_filter(_type="replica")
        answers = await click_all(services, alone)
        await nodes.primaries[lost].kill()
        answers += await click_all(services, leaderless)
        replica.send(signal.SIGCONT)
        assert await becomes(lambda: replica.is_("replication", "role", "master"))
        answers += await click_all(services, later)

        assert answers == [200] * len(names)
        assert await circles.all_left_once(services, store, names)
        assert {primary_of(services, name) for name in (*alone, *leaderless)} == set(
            range(PRIMARIES)
        )
        had_lost = sum(primary_of(services, name) == lost for name in (*alone, *leaderless))
        assert await becomes(lambda: brought_back(services, had_lost))


async def brought_back(services: Services, rows: int) -> bool:
    """Say whether the spool tells of so many rows that it has applied again."""
    return (
        sum(int(str(record["rows"])) for record in services["web"].logged("spool_replayed")) >= rows
    )
