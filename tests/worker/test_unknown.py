"""Events of brands that a worker does not know, and deliveries of endpoints that the settings no
longer have.
"""

from app.core.brands import Brands
from app.core.groups import EVERYTHING
from app.core.model import Brand, BrandId, BrandNumber, RecipientDigest
from app.core.webhook import Delivery, ReceiverAnswer
from app.observe.log import logger
from app.observe.metrics import SLA_BREACHES, UNKNOWN_BRANDS
from app.store.deliveries import RedisDeliveries
from app.store.redis import RedisStore
from app.store.work import RedisWork
from app.usecases.backlog import Backlog, Measure
from app.usecases.webhooks import Webhooks
from app.worker.scheduler import Scheduler
from tests.support.memory_deliveries import MemoryDeliveries
from tests.support.receiver import Receiver, receiving
from tests.worker.running import (
    ALL,
    endpoint_of,
    eventually,
    now_ms,
    settled,
    statement_of,
    working,
)

KNOWN, NEW = BrandNumber(7), BrandNumber(8)
HOUR = 3_600_000


def ids(receiver: Receiver) -> list[str]:
    return [told.id for told in receiver.book]


async def measured(store: RedisStore, *, later_ms: int = 0) -> Measure:
    brands = Brands(
        [
            Brand(
                id=BrandId("seven"),
                number=KNOWN,
                name="Seven",
                sender_domains=frozenset({"seven.example"}),
            )
        ]
    )
    return await Backlog(
        work=RedisWork(store.connection),
        deliveries=RedisDeliveries(store.connection),
        spool=None,
        brands=brands,
        clock=lambda: now_ms() + later_ms,
        log=logger("test"),
    ).look()


async def test_an_event_of_an_unknown_brand_waits_is_counted_and_is_told_once_when_a_process_knows_the_brand(
    url: str, store: RedisStore
) -> None:
    """Catalogue N11."""
    clicks = [statement_of(f"r{number}@example.net", brand=NEW) for number in range(40)]
    async with receiving() as receiver:
        async with working(url, [endpoint_of("http://127.0.0.1:9/", brand=KNOWN)]):
            for click in clicks:
                await store.apply(click)
            await eventually(lambda: settled(store))
            waiting = await measured(store, later_ms=72 * HOUR)
            gauge = UNKNOWN_BRANDS._value.get()
        async with working(url, [endpoint_of(receiver.url, brand=NEW)], name="new"):
            await eventually(lambda: len(receiver.book) >= len(clicks))
            await eventually(lambda: settled(store))
        after = await measured(store)

    assert (40, 40, 0, 0) == (waiting.unknown, gauge, waiting.pending_ms, waiting.lag)
    assert sorted(click.id.hex() for click in clicks) == sorted(ids(receiver))
    assert 0 == after.unknown


async def test_many_events_of_an_unknown_brand_hold_up_no_event_of_a_known_one(
    url: str, store: RedisStore
) -> None:
    """Catalogue N11: all in one partition, the strange ones first."""
    first = statement_of("ann@example.net", brand=NEW)
    crowd = [
        statement_of(f"r{number}@example.net", brand=NEW)._replace(
            digest=RecipientDigest(first.digest[:1] + bytes(7) + number.to_bytes(2, "big"))
        )
        for number in range(300)
    ]
    for click in crowd:
        await store.apply(click)
    last = statement_of("bob@example.net")._replace(digest=first.digest)
    await store.apply(last)

    async with receiving() as receiver, working(url, [endpoint_of(receiver.url)]):
        await eventually(lambda: settled(store))
        count = await RedisWork(store.connection).aside_count(ALL)

    assert ([last.id.hex()], 300) == (ids(receiver), count)


async def test_a_worker_that_knows_the_brand_takes_it_up_also_from_the_partitions_of_one_that_does_not(
    url: str, store: RedisStore
) -> None:
    """Catalogue N11: a rolling deployment, in which the old worker lives on beside the new one."""
    async with (
        receiving() as receiver,
        working(url, [endpoint_of("http://127.0.0.1:9/", brand=KNOWN)], name="old"),
        working(url, [endpoint_of(receiver.url, brand=NEW)], name="new", brands=[KNOWN]),
    ):
        clicks = [statement_of(f"r{number}@example.net", brand=NEW) for number in range(50)]
        for click in clicks:
            await store.apply(click)
        await eventually(lambda: len(receiver.book) >= 50)

    assert {click.id.hex() for click in clicks} == set(ids(receiver))
    assert 50 == len(receiver.book)


async def test_an_event_of_a_known_brand_without_endpoints_is_done(
    url: str, store: RedisStore
) -> None:
    async with working(url, [], brands=[KNOWN]):
        await store.apply(statement_of("ann@example.net"))
        await eventually(lambda: settled(store))

    assert 0 == await RedisWork(store.connection).aside_count(ALL)


async def test_what_waits_for_an_endpoint_that_nobody_has_any_more_is_cancelled_and_is_no_breach(
    url: str, store: RedisStore
) -> None:
    """Catalogue N11: it says why, raises no alarm, and can be sent again once the endpoint is
    back.
    """
    breaches = SLA_BREACHES._value.get()
    async with receiving(statuses=[500]) as receiver:
        endpoint = endpoint_of(receiver.url)
        async with working(url, [endpoint], schedule=(3600.0,)):
            await store.apply(statement_of("ann@example.net", at_ms=now_ms() - 72 * HOUR))
            await eventually(lambda: receiver.book)
            await eventually(lambda: _attempted(store))
        before = SLA_BREACHES._value.get()
        deliveries = RedisDeliveries(store.connection)
        await deliveries.postpone(
            [(delivery, now_ms()) for delivery, _ in await deliveries.pending(KNOWN, limit=9)]
        )
        webhooks = Webhooks(deliveries=deliveries, endpoints=(), clock=now_ms)
        async with working(url, [], brands=[KNOWN], gone_ms=20):
            await eventually(lambda: webhooks.dead_letters(KNOWN))
            (letter,) = await webhooks.dead_letters(KNOWN)
            measure = await measured(store, later_ms=72 * HOUR)
        await webhooks.resend(KNOWN)
        async with working(url, [endpoint], name="back"):
            await eventually(lambda: len(receiver.book) == 2)

    assert (
        "cancelled: no endpoint of the settings has the URL and format any more"
        == letter.delivery.reason
    )
    # the one breach is the failed attempt, when the endpoint was still there
    assert (0, breaches + 1) == (measure.pending_ms, before)
    assert before == SLA_BREACHES._value.get()
    assert 1 == len(set(ids(receiver)))


async def test_what_waits_for_an_endpoint_that_another_process_has_is_not_cancelled() -> None:
    """Catalogue N11: a rolling deployment that adds an endpoint; by a clock that the test moves."""
    now = [10_000]
    deliveries, key = MemoryDeliveries(), endpoint_of("http://127.0.0.1:9/").key
    delivery = Delivery(
        endpoint=key,
        statement=statement_of("ann@example.net"),
        changed=(EVERYTHING,),
        sequence=1,
        queued_ms=0,
    )
    deliveries.add(delivery, due_ms=0)
    scheduler = Scheduler(
        endpoints={},
        deliveries=deliveries,
        send=_nowhere,
        clock=lambda: now[0],
        chance=lambda: 0.0,
        log=logger("test"),
        gone_ms=1000,
    )

    async def look(at_ms: int) -> int:
        now[0] = at_ms
        await scheduler.note_endpoints()
        scheduler.hand_over([delivery])
        await scheduler.write()
        return len(await deliveries.dead_letters(KNOWN))

    first, still = await look(10_000), await look(10_900)
    await deliveries.note_known([key], at_ms=11_500)
    seen, later, gone = await look(11_600), await look(12_300), await look(12_900)

    assert (0, 0, 0, 0, 1) == (first, still, seen, later, gone)


async def _nowhere(_: object, __: object) -> ReceiverAnswer:
    raise AssertionError("nothing is to be sent")


async def _attempted(store: RedisStore) -> bool:
    return any(
        delivery.attempts
        for delivery, _ in await RedisDeliveries(store.connection).pending(KNOWN, limit=9)
    )
