"""Whoever forgets the addresses in what waits: over the twin, the embedded Valkey, a cluster, and
Redis (interop).
"""

import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.core.webhook import Delivery, WebhookFormat, endpoint_key
from app.store import keys
from app.store.deliveries import RedisDeliveries
from app.store.pending import RedisPending
from app.store.redis import RedisStore
from app.store.work import RedisWork
from app.usecases.delivery_ports import Deliveries, WorkQueue
from app.usecases.erase import Pending
from app.usecases.ports import Store
from tests.support.memory_deliveries import MemoryDeliveries, MemoryPending, MemoryWork
from tests.support.memory_store import MemoryStore

_brands = itertools.count(900)
DIGEST = RecipientDigest(b"\x63forgetful")
OTHER = RecipientDigest(b"\x63remembers")


@dataclass(frozen=True)
class Desk:
    store: Store
    work: WorkQueue
    deliveries: Deliveries
    pending: Pending
    brand: BrandNumber


@pytest.fixture(
    params=["memory", "valkey", "cluster", pytest.param("redis", marks=pytest.mark.interop)]
)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    brand = BrandNumber(next(_brands))
    if request.param == "memory":
        memory, waiting = MemoryStore(), MemoryDeliveries()
        yield Desk(
            memory, MemoryWork(memory, waiting), waiting, MemoryPending(memory, waiting), brand
        )
        return
    store = RedisStore(request.getfixturevalue(f"{request.param}_url"), timeout=5)
    await store.start(development=True)
    yield Desk(
        store,
        RedisWork(store.connection),
        RedisDeliveries(store.connection),
        RedisPending(store.connection),
        brand,
    )
    await store.close()


def said(desk: Desk, digest: RecipientDigest, at_ms: int, *, subscribed: bool = False) -> Statement:
    return Statement(
        id=os.urandom(16),
        brand=desk.brand,
        digest=digest,
        groups=(),
        subscribed=subscribed,
        source=Source.API,
        at_ms=at_ms,
        sealed_address=b"\x01secret",
    )


async def waiting(desk: Desk) -> dict[bytes, bytes]:
    work = await desk.work.waiting([keys.partition(DIGEST)], limit=10_000)
    return {
        one.statement.id: one.statement.sealed_address
        for one in work
        if one.statement.brand == desk.brand
    }


async def test_addresses_go_from_work_deliveries_and_dead_letters_and_everything_else_stays(
    desk: Desk,
) -> None:
    """Catalogue Q12."""
    number = keys.partition(DIGEST)
    own = [said(desk, DIGEST, at, subscribed=at % 2 == 0) for at in range(1, 7)]
    foreign = said(desk, OTHER, 1)
    for statement in [*own, foreign]:
        await desk.store.apply(statement)
    work = [
        one
        for one in await desk.work.waiting([number], limit=10_000)
        if one.statement.brand == desk.brand
    ]
    endpoint = endpoint_key(desk.brand, "https://hooks.example/", WebhookFormat.STANDARD)
    moves = [
        (
            one,
            [
                Delivery(
                    endpoint=endpoint,
                    statement=one.statement,
                    changed=one.changed,
                    sequence=one.sequence,
                    queued_ms=5,
                )
            ],
        )
        for one in work
        if one.statement in own[:4]
    ]
    await desk.work.move(moves, due_ms=10)
    await desk.deliveries.bury([moves[0][1][0], moves[1][1][0]], at_ms=20)

    forgotten = await desk.pending.forget_address(desk.brand, DIGEST)

    pending = [delivery for delivery, _ in await desk.deliveries.pending(desk.brand, limit=100)]
    dead = [letter.delivery for letter in await desk.deliveries.dead_letters(desk.brand)]
    assert 6 == forgotten
    assert {own[4].id: b"", own[5].id: b"", foreign.id: b"\x01secret"} == await waiting(desk)
    assert {one._replace(sealed_address=b"") for one in own[2:4]} == {
        delivery.statement for delivery in pending
    }
    assert {one._replace(sealed_address=b"") for one in own[:2]} == {
        delivery.statement for delivery in dead
    }
    assert 0 == await desk.pending.forget_address(desk.brand, DIGEST)


async def test_nothing_waits_and_nothing_is_forgotten(desk: Desk) -> None:
    assert 0 == await desk.pending.forget_address(desk.brand, RecipientDigest(b"\x64forgetful"))
