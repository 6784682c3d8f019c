"""Many endpoints, many workers, dead ones among them: real store, real workers, real HTTP."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from app.core.model import BrandNumber, Source
from app.core.webhook import Delivery
from app.store.deliveries import RedisDeliveries
from app.store.redis import RedisStore
from app.store.work import RedisCrew, RedisWork
from app.worker import scheduler
from app.worker.breaker import Breaker
from app.worker.worker import Pace
from tests.support.receiver import Receiver, Told, receiving
from tests.worker.running import (
    ALL,
    endpoint_of,
    eventually,
    now_ms,
    settled,
    statement_of,
    working,
)


async def test_ten_endpoints_that_hang_slow_down_none_of_ninety_others(
    url: str, store: RedisStore
) -> None:
    """A brand with a dead endpoint holds up no other: all of the ninety hear all, while the ten
    have not answered once.
    """
    async with AsyncExitStack() as stack:
        receivers: list[Receiver] = []
        for number in range(100):
            receivers.append(await stack.enter_async_context(receiving(hanging=number % 10 == 0)))
        endpoints = [
            endpoint_of(receiver.url, brand=1 + number) for number, receiver in enumerate(receivers)
        ]
        for brand in range(1, 101):
            for number in range(30):
                await store.apply(statement_of(f"r{number}@example.net", brand=brand))
        alive = [receiver for receiver in receivers if not receiver.hanging]

        await stack.enter_async_context(working(url, endpoints, seconds=600))
        await eventually(lambda: all(len(receiver.book) == 30 for receiver in alive), seconds=60)

        assert all(
            0 < len(receiver.book) <= 10 and not receiver.released.is_set()
            for receiver in receivers
            if receiver.hanging
        )


async def test_four_workers_tell_one_event_once(url: str, store: RedisStore) -> None:
    """Catalogue Q10."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        for number in range(4):
            await stack.enter_async_context(
                working(url, [endpoint_of(receiver.url)], name=f"w{number}")
            )
        clicks = [statement_of(f"r{number}@example.net") for number in range(200)]
        for click in clicks:
            await store.apply(click)
        await eventually(lambda: settled(store))

    assert sorted(click.id.hex() for click in clicks) == sorted(told.id for told in receiver.book)


async def test_what_a_dead_worker_had_taken_is_told_after_a_while(
    url: str, store: RedisStore
) -> None:
    """Catalogue Q2: its partitions and its deliveries pass to another."""
    brisk = Pace(claim_ms=300, due_every_ms=5, idle_seconds=0.01, busy_seconds=0)
    await RedisCrew(store.connection).join("dead", for_ms=300)
    await store.apply(statement_of("ann@example.net"))
    async with receiving() as receiver:
        endpoint = endpoint_of(receiver.url)
        (entry,) = await RedisWork(store.connection).waiting(ALL, limit=10)
        taken = Delivery(
            endpoint=endpoint.key,
            statement=entry.statement,
            changed=entry.changed,
            sequence=entry.sequence,
            queued_ms=now_ms(),
        )
        await RedisWork(store.connection).move([(entry, [taken])], due_ms=now_ms() + 300)

        async with working(url, [endpoint], pace=brisk):
            await eventually(lambda: receiver.book)
            await eventually(lambda: settled(store))

    assert [entry.statement.id.hex()] == [told.id for told in receiver.book]


async def test_a_token_that_a_self_managed_brand_returns_is_noted_and_a_managed_brands_callback_is_not(
    url: str, store: RedisStore
) -> None:
    self_managed, managed = BrandNumber(7), BrandNumber(8)
    async with working(url, [], self_managed=[self_managed]):
        await store.apply(
            statement_of("ann@example.net", brand=self_managed, source=Source.CALLBACK)
        )
        await store.apply(statement_of("ann@example.net", brand=managed, source=Source.CALLBACK))
        await eventually(lambda: settled(store))
        await eventually(lambda: RedisWork(store.connection).returns([self_managed]))
        returns = await RedisWork(store.connection).returns([self_managed, managed])

    assert {self_managed} == set(returns)


async def test_an_endpoint_that_was_dead_is_left_alone_and_hears_everything_when_it_is_back(
    url: str, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the breaker holds back counts as no attempt: nothing becomes a dead letter, however few
    attempts the schedule has.
    """
    monkeypatch.setattr(scheduler, "SPREAD_MS", 1)
    back = asyncio.Event()

    async def reply(told: Told) -> web.StreamResponse:
        return web.Response(status=200 if back.is_set() else 500)

    breakers: list[Breaker] = []

    def breaker() -> Breaker:
        breakers.append(Breaker(failures=5, first_pause_ms=10, longest_pause_ms=10))
        return breakers[-1]

    async with (
        receiving(reply=reply) as receiver,
        working(url, [endpoint_of(receiver.url)], breaker=breaker, schedule=(0.0,) * 200),
    ):
        clicks = [statement_of(f"r{number}@example.net") for number in range(50)]
        for click in clicks:
            await store.apply(click)
        await eventually(lambda: breakers and breakers[0].open_until_ms)
        back.set()
        await eventually(lambda: settled(store))
        dead = await RedisDeliveries(store.connection).dead_letters(None)

    assert [] == list(dead)
    assert {click.id.hex() for click in clicks} == {told.id for told in receiver.book}
