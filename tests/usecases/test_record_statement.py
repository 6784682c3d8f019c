"""The durable acknowledgement: one copy is enough, two are sought, none is never a yes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from app.core.errors import Conflict, RuleViolation, StoreUnavailable
from app.core.model import Acknowledgement, Preferences, Source, Statement
from app.observe.metrics import ACK
from app.store.spool import SqliteSpool
from app.usecases.ports import Store
from app.usecases.recency import AHEAD_MS
from app.usecases.record_statement import RecordStatement

Make = Callable[..., Statement]
NOW = 50_000


class Switched(Store, Protocol):
    """The store of conftest.py."""

    state: str
    released: asyncio.Event
    applied: list[Statement]


def clock() -> int:
    return NOW


async def state(store: Store, statement: Statement) -> Preferences:
    (found,) = await store.preferences(statement.brand, [statement.digest])
    return found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.01)


async def test_a_click_is_kept_twice_and_its_row_is_confirmed(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    click = make_statement()

    acknowledged = await RecordStatement(store, spool, clock)(click)

    rows = [one for _, one in await spool.recent(after=0, limit=10)]
    assert Acknowledgement(copies=2) == acknowledged
    assert not (await state(store, click)).everything.subscribed
    assert ([click], 0) == (rows, await spool.rows())


async def test_a_hundred_clicks_at_once_are_acknowledged_and_make_one_event(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue E7."""
    click = make_statement()
    unsubscribe = RecordStatement(store, spool, clock)

    acknowledged = await asyncio.gather(
        *(unsubscribe(click._replace(at_ms=1000 + number)) for number in range(100))
    )

    events = await store.history(click.brand, click.digest)
    assert [Acknowledgement(copies=2)] * 100 == acknowledged
    assert 1 == len(events)


async def test_the_spool_alone_acknowledges_while_the_store_is_down(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue E8."""
    store.state = "off"

    acknowledged = await RecordStatement(store, spool, clock)(make_statement())

    assert Acknowledgement(copies=1) == acknowledged
    assert 1 == await spool.rows()


async def test_the_spool_alone_acknowledges_while_the_store_hangs_and_the_row_is_confirmed_when_it_answers(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue E8."""
    store.state = "hung"
    acknowledged = await RecordStatement(store, spool, clock)(make_statement())
    before = await spool.rows()

    store.released.set()

    async def confirmed() -> bool:
        return await spool.rows() == 0

    await until(confirmed)
    assert (Acknowledgement(copies=1), 1) == (acknowledged, before)


async def test_the_store_alone_acknowledges_when_the_spool_fails(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    await spool.close()

    acknowledged = await RecordStatement(store, spool, clock)(make_statement())

    assert Acknowledgement(copies=1) == acknowledged


async def test_the_store_alone_acknowledges_when_there_is_no_spool(
    store: Switched, make_statement: Make
) -> None:
    assert Acknowledgement(copies=1) == await RecordStatement(store, None, clock)(make_statement())


@pytest.mark.parametrize("spooled", [True, False])
async def test_nothing_is_acknowledged_when_nothing_could_keep_it(
    store: Switched, spool: SqliteSpool, make_statement: Make, spooled: bool
) -> None:
    """Catalogue E8: down is a refusal; back, the retry is acknowledged."""
    click = make_statement()
    store.state = "off"
    await spool.close()
    unsubscribe = RecordStatement(store, spool if spooled else None, clock)

    with pytest.raises(StoreUnavailable):
        await unsubscribe(click)
    store.state = "on"
    unknown = await state(store, click)
    retried = await unsubscribe(click)

    assert (Preferences(), Acknowledgement(copies=1)) == (unknown, retried)
    assert not (await state(store, click)).everything.subscribed


async def test_a_time_far_ahead_is_brought_back_to_five_minutes(
    store: Switched, make_statement: Make
) -> None:
    click = make_statement(at_ms=NOW + 10 * AHEAD_MS)

    await RecordStatement(store, None, clock)(click)

    assert NOW + AHEAD_MS == (await state(store, click)).everything.last_ms


async def test_a_stale_resubscribe_is_refused_and_leaves_no_row_behind(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue Q6."""
    left = make_statement()
    unsubscribe = RecordStatement(store, spool, clock)
    await unsubscribe(left)

    with pytest.raises(Conflict):
        await unsubscribe(
            make_statement(digest=left.digest, at_ms=2000, subscribed=True, expected_sequence=0)
        )

    assert [left] == [one for _, one in await spool.recent(after=0, limit=10)]
    assert not (await state(store, left)).everything.subscribed


async def test_a_fresh_resubscribe_is_kept_without_its_condition(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue Q6: a replay after a failover must not judge it a second time."""
    left = make_statement()
    unsubscribe = RecordStatement(store, spool, clock)
    await unsubscribe(left)
    back = make_statement(digest=left.digest, at_ms=2000, subscribed=True, expected_sequence=1)

    acknowledged = await unsubscribe(back)

    kept = [one for _, one in await spool.recent(after=0, limit=10)]
    assert Acknowledgement(copies=2) == acknowledged
    assert [left, back._replace(expected_sequence=None)] == kept
    assert (await state(store, left)).everything.subscribed


async def test_a_conditional_resubscribe_is_not_promised_without_the_store(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue Q6."""
    store.state = "off"

    with pytest.raises(StoreUnavailable):
        await RecordStatement(store, spool, clock)(
            make_statement(subscribed=True, expected_sequence=0)
        )

    assert 0 == await spool.rows()


async def test_an_import_resubscribes_nobody(store: Switched, make_statement: Make) -> None:
    """Catalogue Q6."""
    left = make_statement()
    unsubscribe = RecordStatement(store, None, clock)
    await unsubscribe(left)

    with pytest.raises(RuleViolation):
        await unsubscribe(
            make_statement(digest=left.digest, at_ms=2000, subscribed=True, source=Source.IMPORT)
        )

    assert not (await state(store, left)).everything.subscribed


async def test_a_caller_that_goes_away_does_not_stop_its_click(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    click = make_statement()
    caller = asyncio.create_task(RecordStatement(store, spool, clock)(click))
    await asyncio.sleep(0)
    caller.cancel()

    async def applied() -> bool:
        return not (await state(store, click)).everything.subscribed and await spool.rows() == 0

    await until(applied)
    assert caller.cancelled() or caller.cancelling()


async def test_acknowledgements_are_counted_by_copies(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    counted = [ACK.labels(copies=str(copies))._value.get() for copies in (1, 2)]

    await RecordStatement(store, spool, clock)(make_statement())
    await RecordStatement(store, None, clock)(make_statement())

    assert [count + 1 for count in counted] == [
        ACK.labels(copies=str(copies))._value.get() for copies in (1, 2)
    ]
