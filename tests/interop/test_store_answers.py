"""A store that answers and cannot do what it is asked: clicks are kept by the spool, promotional
mail waits, and all is made good later.

The server is Debian's redis-server, brought into each state as it comes to be in production; every
state lasts until the test ends it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app.store.redis import RedisStore
from tests.support import circles
from tests.support.redis_server import RedisServer, redis_server
from tests.support.services import becomes, running_services
from tests.support.sink import Sink

pytestmark = pytest.mark.interop

FILLING = 60_000  # keys to load at 2 ms each: two minutes, unless the test ends it
CLICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A state of the server: how it begins and ends, and the word with which it refuses."""

    word: str
    begin: Callable[[RedisServer], Awaitable[object]]
    end: Callable[[RedisServer], Awaitable[object]]


async def load_slowly(server: RedisServer) -> None:
    """Restart the server with more in its file than it can read while the test runs."""
    filling = server.operator.pipeline(transaction=False)
    for number in range(FILLING):
        filling.set(f"filling:{number}", "")
    await filling.execute()
    await server.operator.bgrewriteaof()
    assert await becomes(lambda: server.is_("persistence", "aof_rewrite_in_progress", "0"))
    await server.kill()
    await server.start(
        "--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"
    )


async def load_at_once(server: RedisServer) -> None:
    assert await server.is_("persistence", "loading", "1"), (
        "the server had read its file before the test was done"
    )
    await server.operator.config_set("key-load-delay", 0)
    assert await becomes(lambda: server.is_("persistence", "loading", "0"))


async def fail_to_save(server: RedisServer) -> None:
    """Let a snapshot fail, after which a server that is to make them takes no writes: a folder has
    its file's name.
    """
    (server.folder / "dump.rdb").mkdir()
    await server.operator.config_set("save", "3600 1000000")
    await server.operator.bgsave()
    assert await becomes(lambda: server.is_("persistence", "rdb_last_bgsave_status", "err"))


async def save_again(server: RedisServer) -> None:
    (server.folder / "dump.rdb").rmdir()
    await server.operator.bgsave()
    assert await becomes(lambda: server.is_("persistence", "rdb_last_bgsave_status", "ok"))


FAULTS = (
    Fault(word="LOADING", begin=load_slowly, end=load_at_once),
    Fault(
        word="OOM",
        begin=lambda server: server.operator.config_set("maxmemory", 1),
        end=lambda server: server.operator.config_set("maxmemory", 0),
    ),
    Fault(
        word="READONLY",
        begin=lambda server: server.operator.replicaof("127.0.0.1", "1"),
        end=lambda server: server.operator.replicaof("NO", "ONE"),
    ),
    Fault(word="MISCONF", begin=fail_to_save, end=save_again),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.word)
async def test_a_store_that_takes_no_writes_loses_no_click_and_lets_no_mail_pass(
    fault: Fault, tmp_path: Path
) -> None:
    """Catalogue E8, Q3, Q11."""
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink())
        server = await stack.enter_async_context(redis_server(tmp_path / "redis"))
        downstream = f"smtp://127.0.0.1:{sink.port}?tls=none"
        services = await stack.enter_async_context(
            running_services(
                tmp_path, "web", "relay", STORE__URL=server.url, RELAY__DOWNSTREAM=downstream
            )
        )
        store = RedisStore(server.url, timeout=5)
        stack.push_async_callback(store.close)
        leaving = [f"leaving-{number}@mail.example" for number in range(CLICKS)]
        before = await circles.promote(services, "before@mail.example")

        await fault.begin(server)
        with pytest.raises(RedisError) as refusal:
            await server.operator.set("anything", "")
        clicked = [await circles.click(services, address) for address in leaving]
        meanwhile = [
            await circles.promote(services, address)
            for address in ("somebody@mail.example", leaving[0])
        ]
        await fault.end(server)

        assert refusal.type.__name__ in {
            "BusyLoadingError",
            "OutOfMemoryError",
            "ReadOnlyError",
        } or fault.word in str(refusal.value)
        assert clicked == [200] * CLICKS
        assert await circles.all_left_once(services, store, leaving)
        after = [
            await circles.promote(services, address)
            for address in ("after@mail.example", leaving[0])
        ]

    assert [reply[:3] for reply in (before, *meanwhile, *after)] == [
        "250",
        "451",
        "451",
        "250",
        "250",
    ]
    assert sink.mailboxes == ["after@mail.example", "before@mail.example"]
