"""Stores of more than one server, all real: what is away fails alone, what has moved is followed,
what comes back is found again.
"""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trustme
from redis.crc import key_slot

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, RecipientDigest, Statement
from app.observe.log import logger
from app.store import keys
from app.store.redis import Durability, RedisStore
from app.store.spool import SqliteSpool
from app.store.work import RedisWork
from app.usecases.replay import Replayer
from tests.support.ports import free_port
from tests.support.redis_server import redis_server
from tests.support.services import becomes
from tests.support.valkeys import SLOTS, Name, cluster, valkey, watched

Make = Callable[..., Statement]
BRAND = BrandNumber(7)
_numbers = itertools.count(1)


@asynccontextmanager
async def opened(
    url: str, *, timeout: float = 2.0, durability: Durability = Durability.FSYNC
) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, timeout=timeout, durability=durability)
    try:
        yield store
    finally:
        await store.close()


def people(count: int) -> list[RecipientDigest]:
    """Return recipients spread over all partitions."""
    return [
        RecipientDigest(bytes([n * 41 % 256]) + next(_numbers).to_bytes(9)) for n in range(count)
    ]


async def takes(store: RedisStore, statement: Statement) -> bool:
    try:
        await store.apply(statement)
    except StoreUnavailable:
        return False
    return True


def node_of(digest: RecipientDigest) -> int:
    return key_slot(keys.state(BRAND, digest, keys.DEFAULT_BUCKETS).encode()) * 3 // SLOTS


async def test_one_dead_primary_fails_its_own_commands_only(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N23."""
    everybody = people(60)
    async with cluster(tmp_path) as nodes, opened(nodes.url) as store:
        assert (
            await asyncio.gather(*(takes(store, make_statement(digest=one)) for one in everybody))
            == [True] * 60
        )
        await nodes.nodes[1].kill()

        later = await asyncio.gather(
            *(
                takes(store, make_statement(digest=one, at_ms=2000, subscribed=True))
                for one in everybody
            )
        )
        waiting = await RedisWork(store.connection).waiting(range(256), limit=10)
        await store.ping()
        await nodes.nodes[1].start()
        back = await becomes(
            lambda: all_take(store, [make_statement(digest=one, at_ms=3000) for one in everybody])
        )

    assert {node_of(one) for one in everybody} == {0, 1, 2}
    assert later == [node_of(one) != 1 for one in everybody]
    assert {node_of(work.statement.digest) for work in waiting} == {0, 2}
    assert back


async def all_take(store: RedisStore, statements: list[Statement]) -> bool:
    return all(await asyncio.gather(*(takes(store, one) for one in statements)))


async def test_a_primary_that_hangs_holds_up_no_other_after_its_first_silence(
    tmp_path: Path, make_statement: Make
) -> None:
    everybody = people(60)
    async with cluster(tmp_path) as nodes, opened(nodes.url, timeout=5.0) as store:
        await store.ping()
        nodes.nodes[0].send(signal.SIGSTOP)
        try:
            await asyncio.gather(*(takes(store, make_statement(digest=one)) for one in everybody))
            looks = 0
            async with asyncio.timeout(180):  # for liveness: each would take 5 s if it waited
                for at in range(2, 100):
                    taken = await asyncio.gather(
                        *(takes(store, make_statement(digest=one, at_ms=at)) for one in everybody)
                    )
                    assert taken == [node_of(one) != 0 for one in everybody]
                    looks += 1
        finally:
            nodes.nodes[0].send(signal.SIGCONT)
    assert looks == 98


async def test_a_whole_cluster_that_comes_back_gets_every_spooled_row(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N21: any of the hosts of the address is enough to find it."""
    everybody = people(30)
    spool = SqliteSpool(tmp_path / "spool")
    async with cluster(tmp_path) as nodes, opened(nodes.url) as store:
        replayer = Replayer(store, spool, logger("test"))
        assert await replayer.look()
        await nodes.kill()
        for one in everybody:
            await spool.append(make_statement(digest=one))
        away = [await replayer.look(), await replayer.look()]
        await nodes.start()

        async def replayed() -> bool:
            return await replayer.look() and not await spool.rows()

        assert await becomes(replayed)
        found = await store.preferences(BRAND, everybody)
    await spool.close()
    assert away == [False, False]
    assert not any(one.everything.subscribed for one in found)


async def test_rows_for_a_primary_that_is_away_hold_up_no_page_behind_them(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N23: more rows than one page, all of the dead primary, before the others."""
    dead = [one for one in people(1200) if node_of(one) == 2][:300]
    alive = [one for one in people(60) if node_of(one) != 2]
    spool = SqliteSpool(tmp_path / "spool")
    async with cluster(tmp_path) as nodes, opened(nodes.url) as store:
        await store.ping()
        await nodes.nodes[2].kill()
        for one in (*dead, *alive):
            await spool.append(make_statement(digest=one))
        replayer = Replayer(store, spool, logger("test"))
        assert await replayer.look()
        found = await store.preferences(BRAND, alive)
        waiting = await spool.rows()
    await spool.close()
    assert not any(one.everything.subscribed for one in found)
    assert (waiting, len(dead)) == (300, 300)


async def test_slots_that_move_and_keys_that_are_moving_are_followed(
    tmp_path: Path, make_statement: Make
) -> None:
    """MOVED and ASK, also in a store that waits for replicas, where each part has its own WAIT."""
    person = people(2)[1]  # in a slot that no probe of the store is written to
    slot = key_slot(keys.state(BRAND, person, keys.DEFAULT_BUCKETS).encode())
    async with cluster(tmp_path) as nodes, opened(nodes.url) as store:
        await store.ping()
        source, target = nodes.nodes[node_of(person)], nodes.nodes[(node_of(person) + 1) % 3]
        source_id, target_id = await source.cluster("MYID"), await target.cluster("MYID")
        await target.cluster("SETSLOT", slot, "IMPORTING", source_id)
        await source.cluster("SETSLOT", slot, "MIGRATING", target_id)

        # TRYAGAIN: of a script's keys not all are there yet
        held_back = await takes(store, make_statement(digest=person))
        (asked,) = await store.preferences(BRAND, [person])  # ASK
        for node in nodes.nodes:
            await node.cluster("SETSLOT", slot, "NODE", target_id)
        moved = await takes(store, make_statement(digest=person, at_ms=2000))
        (found,) = await store.preferences(BRAND, [person])
        held = await target.operator.exists(keys.state(BRAND, person, keys.DEFAULT_BUCKETS))

    assert (held_back, asked.everything.subscribed, moved, held) == (False, True, True, 1)
    assert found.everything.last_ms == 2000


async def test_a_name_that_moves_to_the_promoted_server_is_followed_while_the_demoted_one_lives(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N22: the connections to the demoted server work, and would for ever; its READONLY
    closes them.
    """
    everybody = people(8)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(valkey(tmp_path / "a"))
        second = await stack.enter_async_context(valkey(tmp_path / "b"))
        name = await stack.enter_async_context(Name())
        name.target = first.port
        store = await stack.enter_async_context(opened(f"redis://127.0.0.1:{name.port}"))
        assert await all_take(store, [make_statement(digest=one) for one in everybody])

        await first.operator.replicaof("127.0.0.1", str(second.port))
        name.target = second.port
        outcomes = [await takes(store, make_statement(digest=one, at_ms=2000)) for one in everybody]
        await store.ping()
        on_second = await second.operator.dbsize()

    assert outcomes == [False] + [True] * 7
    assert on_second > 0


async def test_what_sentinels_watch_is_found_and_a_failover_is_followed(
    tmp_path: Path, make_statement: Make
) -> None:
    """Three real sentinels; one of them is dead before, and the primary dies."""
    everybody = people(12)
    async with watched(tmp_path) as servers, opened(servers.url) as store:
        await store.start()
        before = await all_take(store, [make_statement(digest=one) for one in everybody])
        generation = await store.generation()
        await servers.primary.kill()
        gone = await takes(store, make_statement(digest=everybody[0], at_ms=2000))

        assert await becomes(lambda: takes(store, make_statement(digest=everybody[0], at_ms=3000)))
        found = await store.preferences(BRAND, everybody)
        after = await store.generation()

    assert (before, gone) == (True, False)
    assert generation != after
    assert not any(one.everything.subscribed for one in found)


async def test_a_service_that_no_sentinel_knows_is_unavailable_with_its_name(
    tmp_path: Path,
) -> None:
    async with (
        watched(tmp_path) as servers,
        opened(servers.url.replace("/signoff/", "/other/")) as store,
    ):
        with pytest.raises(StoreUnavailable, match="no sentinel names a primary of other"):
            await store.ping()


@pytest.mark.interop  # the wheel's Valkey knows no TLS
async def test_a_server_that_requires_client_certificates_is_used_by_the_documented_parameters(
    tmp_path: Path, make_statement: Make
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for kind in ("server", "client"):
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(tmp_path / f"{kind}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{kind}.pem")
    files = {
        "tls-cert-file": "server.pem",
        "tls-key-file": "server.key",
        "tls-ca-cert-file": "ca.pem",
    }
    options = [
        word for option, file in files.items() for word in (f"--{option}", str(tmp_path / file))
    ]
    port = free_port()
    async with redis_server(
        tmp_path / "v", options=[*options, "--tls-auth-clients", "yes", "--tls-port", str(port)]
    ):
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca.pem"
        async with (
            opened(url) as stranger,
            opened(
                f"{url}&ssl_certfile={tmp_path}/client.pem&ssl_keyfile={tmp_path}/client.key"
            ) as known,
        ):
            outcomes = [await takes(one, make_statement()) for one in (stranger, known)]

    assert outcomes == [False, True]
