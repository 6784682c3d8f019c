"""Real servers for the store's tests, each started once a session, and makers of statements."""

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.core.model import BrandNumber, GroupKey, RecipientDigest, Source, Statement
from app.store.embedded import EmbeddedStore, find_binary
from app.store.redis import RedisStore
from tests.support.memory_store import MemoryStore
from tests.support.ports import free_port

StatementMaker = Callable[..., Statement]
BRAND = BrandNumber(7)
_numbers = itertools.count(1)


@pytest.fixture
def digest() -> RecipientDigest:
    """A recipient that no other test knows, in partitions that change from test to test."""
    number = next(_numbers)
    return RecipientDigest(bytes([number * 37 % 256]) + number.to_bytes(9, "big"))


@pytest.fixture
def make_statement(digest: RecipientDigest) -> StatementMaker:
    """A maker of unsubscribes at time 1000, with any part replaced."""

    def make(
        *,
        at_ms: int = 1000,
        subscribed: bool = False,
        groups: tuple[int, ...] = (),
        source: Source = Source.LIST_UNSUBSCRIBE,
        expected_sequence: int | None = None,
        digest: RecipientDigest = digest,
        brand: BrandNumber = BRAND,
    ) -> Statement:
        return Statement(
            id=os.urandom(16),
            brand=brand,
            digest=digest,
            groups=tuple(GroupKey(group) for group in groups),
            subscribed=subscribed,
            source=source,
            at_ms=at_ms,
            expected_sequence=expected_sequence,
        )

    return make


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded Valkey."""
    embedded = EmbeddedStore(tmp_path_factory.mktemp("valkey"))
    embedded.ensure()
    yield embedded.url
    embedded.release()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's redis-server."""
    embedded = EmbeddedStore(tmp_path_factory.mktemp("redis"), binary=Path("/usr/bin/redis-server"))
    embedded.ensure()
    yield embedded.url
    embedded.release()


def _until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(redis.RedisError):
            if holds():
                return
        assert time.monotonic() < end, "the servers did not get ready"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of three primaries on the loopback."""
    ports = [free_port() for _ in range(3)]
    buses = [free_port() for _ in range(3)]
    servers = []
    for port, bus in zip(ports, buses, strict=True):
        folder = tmp_path_factory.mktemp("node")
        options = {
            "port": port,
            "cluster-port": bus,
            "cluster-enabled": "yes",
            "bind": "127.0.0.1",
            "save": "",
            "dir": folder,
        }
        arguments = [
            argument for name, value in options.items() for argument in (f"--{name}", str(value))
        ]
        servers.append(subprocess.Popen([find_binary(), *arguments], stdout=subprocess.DEVNULL))
    clients = [redis.Redis(port=port) for port in ports]
    _until(lambda: all(client.ping() for client in clients))
    for number, client in enumerate(clients):
        client.cluster("ADDSLOTSRANGE", number * 16384 // 3, (number + 1) * 16384 // 3 - 1)
        client.cluster("MEET", "127.0.0.1", ports[0], buses[0])
    _until(lambda: all(client.cluster("INFO")["cluster_state"] == "ok" for client in clients))
    _until(lambda: all(len(client.cluster("SLOTS")) == 3 for client in clients))
    yield f"redis+cluster://127.0.0.1:{ports[0]}"
    for client, server in zip(clients, servers, strict=True):
        client.close()
        server.kill()
        server.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A server of this test alone."""
    embedded = EmbeddedStore(tmp_path / "s")
    embedded.ensure()
    yield embedded
    embedded.release()


@pytest.fixture
def operator(server: EmbeddedStore) -> Iterator[redis.Redis]:
    """Whoever sets the server's settings."""
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        yield client


@pytest.fixture(
    params=["memory", "valkey", "cluster", pytest.param("redis", marks=pytest.mark.interop)]
)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[MemoryStore | RedisStore]:
    """Each kind of store in turn, for the contract."""
    if request.param == "memory":
        yield MemoryStore()
        return
    # A first pipeline of a loaded test machine may take longer than a click may wait.
    opened = RedisStore(request.getfixturevalue(f"{request.param}_url"), timeout=5)
    await opened.start(development=True)
    yield opened
    await opened.close()


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[RedisStore]:
    """The store on the embedded Valkey."""
    opened = RedisStore(valkey_url, timeout=5)
    yield opened
    await opened.close()
