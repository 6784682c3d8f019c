"""The adapter when the server is slow, restarted, full, read-only or wrongly set."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import redis

from app.core.errors import Misconfigured, StoreUnavailable
from app.core.groups import EVERYTHING
from app.core.model import BrandNumber, Change, RecipientDigest, Statement
from app.store import keys
from app.store.embedded import EmbeddedStore
from app.store.redis import Durability, RedisStore

BRAND = BrandNumber(7)
Make = Callable[..., Statement]


def pid(server: EmbeddedStore) -> int:
    return int((Path(server.url.removeprefix("unix://")).parent / "store.pid").read_text())


@contextlib.asynccontextmanager
async def opened(url: str, **settings: object) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, **{"timeout": 5.0, **settings})  # type: ignore[arg-type]  # the settings of the test at hand
    try:
        yield store
    finally:
        await store.close()


async def outcome(work: Awaitable[object]) -> object:
    try:
        return await work
    except (StoreUnavailable, asyncio.CancelledError) as exc:
        return type(exc)


@contextlib.asynccontextmanager
async def slow_proxy(url: str, folder: Path, delay: float) -> AsyncIterator[str]:
    """A way to the server on which every answer takes that long."""
    path = folder / "proxy"

    async def pump(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: float
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await asyncio.sleep(pause)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(
            url.removeprefix("unix://")
        )
        await asyncio.gather(pump(reader, server_writer, 0), pump(server_reader, writer, delay))

    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}"


async def test_cancelled_callers_leave_no_answer_to_the_next_one(
    valkey_url: str, tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue Q4."""
    digests = [
        RecipientDigest(bytes([number % 256, number // 256]) + b"q4-cross")
        for number in range(1000)
    ]
    fate = random.Random(4)
    async with (
        slow_proxy(valkey_url, tmp_path, 0.1) as url,
        opened(url, max_in_flight=2, max_batch=50) as store,
    ):
        await asyncio.gather(
            *(
                asyncio.ensure_future(store.apply(make_statement(digest=one, at_ms=at + 1)))
                for at, one in enumerate(digests)
            )
        )
        tasks = [asyncio.create_task(store.preferences(BRAND, [one])) for one in digests]
        for task in tasks:
            if fate.random() < 0.5:
                asyncio.get_running_loop().call_later(fate.random() * 0.5, task.cancel)
        answers = await asyncio.gather(*(outcome(task) for task in tasks))

        after = await store.preferences(BRAND, digests)

    assert list(range(1, 1001)) == [one.everything.last_ms for one in after]
    for at, answer in enumerate(answers):
        if isinstance(answer, list):
            assert [at + 1] == [one.everything.last_ms for one in answer]
    assert any(answer is asyncio.CancelledError for answer in answers)


async def test_a_server_that_forgot_the_script_gets_it_again(
    server: EmbeddedStore, operator: redis.Redis, make_statement: Make
) -> None:
    async with opened(server.url) as store:
        await store.apply(make_statement())
        operator.script_flush()

        change = await store.apply(make_statement(at_ms=2000, subscribed=True))

    assert Change(changed=(EVERYTHING,), sequence=2) == change


async def test_an_error_of_one_item_is_that_items_alone(
    server: EmbeddedStore, operator: redis.Redis, make_statement: Make
) -> None:
    broken, whole = (RecipientDigest(bytes([first]) + b"123456789") for first in (1, 2))
    operator.set(keys.state(BRAND, broken, keys.DEFAULT_BUCKETS), "not a hash")
    async with opened(server.url) as store:
        found = await asyncio.gather(
            *(outcome(store.apply(make_statement(digest=one))) for one in (broken, whole))
        )

    assert [StoreUnavailable, Change(changed=(EVERYTHING,), sequence=1)] == found


@pytest.mark.parametrize("name", ["maxmemory", "min-replicas-to-write"])
async def test_a_server_that_may_not_write_is_unavailable_until_it_may(
    server: EmbeddedStore,
    operator: redis.Redis,
    make_statement: Make,
    digest: RecipientDigest,
    name: str,
) -> None:
    """Catalogue E8."""
    async with opened(server.url) as store:
        operator.config_set(name, "1")
        refused = await outcome(store.apply(make_statement()))
        (between,) = await store.preferences(BRAND, [digest])
        operator.config_set(name, "0")

        change = await store.apply(make_statement())

    assert (StoreUnavailable, True) == (refused, between.everything.subscribed)
    assert Change(changed=(EVERYTHING,), sequence=1) == change


async def test_states_of_a_server_that_may_not_write_are_unavailable_to_who_must_not_act_on_old_ones(
    server: EmbeddedStore, operator: redis.Redis, make_statement: Make, digest: RecipientDigest
) -> None:
    """Catalogue Q1, Q11: what people say meanwhile is in spools, and a mail to who has just left
    must wait.
    """
    async with opened(server.url) as pages, opened(server.url, writable_only=True) as relay:
        await pages.apply(make_statement())
        before = await relay.preferences(BRAND, [digest])
        operator.config_set("maxmemory", "1")
        meanwhile = await outcome(relay.preferences(BRAND, [digest]))
        shown = await pages.preferences(BRAND, [digest])
        operator.config_set("maxmemory", "0")
        after = await relay.preferences(BRAND, [digest])

    assert meanwhile is StoreUnavailable
    assert [before, shown, after] == [before] * 3
    assert not before[0].everything.subscribed


async def test_a_read_only_replica_is_unavailable(
    server: EmbeddedStore, operator: redis.Redis, make_statement: Make
) -> None:
    operator.replicaof("127.0.0.1", "1")  # nobody listens there
    async with opened(server.url) as store:
        refused = await outcome(store.apply(make_statement()))

    assert StoreUnavailable is refused


async def test_a_stopped_server_is_unavailable_in_time_and_answers_again(
    server: EmbeddedStore, make_statement: Make
) -> None:
    """Catalogue E8."""
    async with opened(server.url, timeout=0.3) as store:
        os.kill(pid(server), signal.SIGSTOP)
        try:
            async with asyncio.timeout(10):  # for liveness only
                refused = await asyncio.gather(
                    *(outcome(store.apply(make_statement(at_ms=at))) for at in range(1, 100))
                )
        finally:
            os.kill(pid(server), signal.SIGCONT)
        async with asyncio.timeout(10):
            while await outcome(store.ping()) is StoreUnavailable:
                await asyncio.sleep(0.05)
        change = await store.apply(make_statement(at_ms=200))

    assert {StoreUnavailable} == set(refused)
    assert 1 == change.sequence


async def test_more_requests_than_may_wait_are_refused_at_once(
    server: EmbeddedStore, make_statement: Make
) -> None:
    async with opened(server.url, max_pending=10) as store:
        found = await asyncio.gather(
            *(outcome(store.apply(make_statement(at_ms=at))) for at in range(1, 21))
        )

    assert 10 == found.count(StoreUnavailable)


async def test_a_replicated_write_without_a_replica_is_not_durable(
    server: EmbeddedStore, make_statement: Make
) -> None:
    async with opened(server.url, durability=Durability.REPLICATED, timeout=0.5) as store:
        refused = await outcome(store.apply(make_statement()))

    assert StoreUnavailable is refused


async def test_a_replicated_write_that_a_replica_confirms_is_durable(
    server: EmbeddedStore, tmp_path: Path, make_statement: Make
) -> None:
    second = EmbeddedStore(tmp_path / "r")
    second.ensure()
    try:
        with (
            redis.Redis.from_url(server.url) as primary,
            redis.Redis.from_url(second.url) as replica,
        ):
            port = _listen(primary)
            primary.config_set("repl-diskless-sync-delay", "0")
            replica.replicaof("127.0.0.1", str(port))
            async with asyncio.timeout(20):
                while replica.info("replication")["master_link_status"] != "up":
                    await asyncio.sleep(0.05)
            async with opened(server.url, durability=Durability.REPLICATED) as store:
                change = await store.apply(make_statement())
    finally:
        second.release()

    assert 1 == change.sequence


def _listen(primary: redis.Redis) -> int:
    for port in random.sample(range(20000, 60000), 20):
        with contextlib.suppress(redis.ResponseError):
            primary.config_set("port", port)
            return port
    raise AssertionError("no free port")


async def test_a_restart_keeps_the_unsubscribes_and_changes_the_generation(
    server: EmbeddedStore, make_statement: Make, digest: RecipientDigest
) -> None:
    """Catalogue Q3."""
    async with opened(server.url) as store:
        await store.apply(make_statement())
        before = await store.generation()
        os.kill(pid(server), signal.SIGKILL)
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(server.ensure):
                await asyncio.sleep(0.02)
        await outcome(store.ping())  # the broken connections are dropped here

        (found,) = await store.preferences(BRAND, [digest])

        assert before != await store.generation()
    assert not found.everything.subscribed


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "redis://127.0.0.1:port", "nonsense"])
def test_an_unusable_address_is_a_wrong_configuration(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"store\.url"):
        RedisStore(url)


async def test_an_address_where_nobody_listens_is_unavailable(
    tmp_path: Path, make_statement: Make
) -> None:
    async with opened(f"unix://{tmp_path}/nobody") as store:
        assert StoreUnavailable is await outcome(store.apply(make_statement()))
        assert StoreUnavailable is await outcome(
            store.preferences(BRAND, [RecipientDigest(b"0123456789")])
        )
        with pytest.raises(StoreUnavailable):
            await store.start()


def test_four_processes_that_take_the_same_click_write_one_event(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    """Catalogue Q10, E7."""
    program = (
        "import asyncio, os, sys\n"
        "from app.core.model import BrandNumber, RecipientDigest, Source, Statement\n"
        "from app.store.redis import RedisStore\n"
        "async def main():\n"
        "    store = RedisStore(sys.argv[1], timeout=5)\n"
        "    sys.stdin.readline()\n"  # so that all begin together
        "    clicks = [Statement(id=os.urandom(16), brand=BrandNumber(7),"
        " digest=RecipientDigest(b'one person'), groups=(),\n"
        "        subscribed=False, source=Source.LIST_UNSUBSCRIBE, at_ms=at) for at in range(1,"
        " 101)]\n"
        "    changes = await asyncio.gather(*(asyncio.ensure_future(store.apply(click)) for click"
        " in clicks))\n"
        "    await store.close()\n"
        "    print(sum(bool(change.changed) for change in changes))\n"
        "asyncio.run(main())\n"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()

    changes = [int(worker.communicate(timeout=60)[0]) for worker in workers]

    number = keys.partition(RecipientDigest(b"one person"))
    assert 1 == sum(changes)
    assert (1, 1) == (operator.xlen(keys.work(number)), operator.xlen(keys.history(BRAND, number)))
