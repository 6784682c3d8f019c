"""What every store notes for the worker when a statement's home is another data centre: over the
twin, Valkey, a cluster, and Redis.
"""

from collections.abc import Callable, Sequence

import pytest

from app.core.errors import Conflict
from app.core.groups import EVERYTHING
from app.core.model import RecipientDigest, Statement
from app.core.shipment import home_key
from app.core.webhook import Delivery, Work
from app.store.deliveries import RedisDeliveries
from app.store.redis import RedisStore
from app.store.work import RedisWork
from app.usecases.delivery_ports import Deliveries, WorkQueue
from tests.support.memory_deliveries import MemoryDeliveries, MemoryWork
from tests.support.memory_store import MemoryStore

Make = Callable[..., Statement]
Kit = tuple[MemoryStore | RedisStore, WorkQueue, Deliveries]


@pytest.fixture
def kit(store: MemoryStore | RedisStore) -> Kit:
    if isinstance(store, MemoryStore):
        deliveries = MemoryDeliveries()
        return store, MemoryWork(store, deliveries), deliveries
    return store, RedisWork(store.connection), RedisDeliveries(store.connection)


async def noted(kit: Kit, digest: RecipientDigest) -> Sequence[Work]:
    entries = await kit[1].waiting([digest[0]], limit=10_000)
    return [work for work in entries if work.statement.digest == digest]


async def test_every_statement_of_another_home_is_noted_whether_it_changes_anything_here_or_not(
    kit: Kit, digest: RecipientDigest, make_statement: Make
) -> None:
    """Somebody may have come back at home, of which nothing is known here."""
    first, again = make_statement()._replace(home=2), make_statement(at_ms=2000)._replace(home=2)

    await kit[0].apply(first)
    await kit[0].apply(again)

    works = await noted(kit, digest)
    assert [(first, (EVERYTHING,), 1), (again, (), 1)] == [
        (work.statement, work.changed, work.sequence) for work in works
    ]
    assert [first] == [entry.statement for entry in await kit[0].history(first.brand, digest)]


async def test_a_statement_at_home_that_changes_nothing_is_not_noted(
    kit: Kit, digest: RecipientDigest, make_statement: Make
) -> None:
    await kit[0].apply(make_statement())
    await kit[0].apply(make_statement(at_ms=2000))

    assert 1 == len(await noted(kit, digest))


async def test_a_return_that_had_nothing_to_overrule_here_is_noted_too(
    kit: Kit, digest: RecipientDigest, make_statement: Make
) -> None:
    back = make_statement(subscribed=True, expected_sequence=7)._replace(home=2)

    change = await kit[0].apply(back)

    assert () == change.changed
    assert [(back, ())] == [(work.statement, work.changed) for work in await noted(kit, digest)]


async def test_a_return_that_is_refused_is_not_noted(
    kit: Kit, digest: RecipientDigest, make_statement: Make
) -> None:
    await kit[0].apply(make_statement())

    with pytest.raises(Conflict):
        await kit[0].apply(
            make_statement(subscribed=True, at_ms=2000, expected_sequence=0)._replace(home=2)
        )

    assert 1 == len(await noted(kit, digest))


async def test_what_waits_to_be_shipped_is_kept_whole_and_is_in_no_brand_s_list(
    kit: Kit, digest: RecipientDigest, make_statement: Make
) -> None:
    store, queue, deliveries = kit
    statement = make_statement()._replace(home=2)
    await store.apply(statement)
    await store.apply(statement._replace(id=b"2" * 16))
    moves = [
        (
            work,
            [
                Delivery(
                    endpoint=home_key(2),
                    statement=work.statement,
                    changed=work.changed,
                    sequence=work.sequence,
                    queued_ms=5,
                )
            ],
        )
        for work in await noted(kit, digest)
    ]

    await queue.move(moves, due_ms=1)

    taken = await deliveries.take([digest[0]], now_ms=10**15, until_ms=10**15 + 1, limit=10_000)
    assert [delivery for _, (delivery,) in moves] == sorted(
        (delivery for delivery in taken if delivery.digest == digest),
        key=lambda delivery: not delivery.changed,
    )
    assert digest not in [
        delivery.digest for delivery, _ in await deliveries.pending(statement.brand, limit=10_000)
    ]
