"""What the spool acknowledged alone reaches the store, in order, exactly once in effect."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from structlog.testing import capture_logs

from app.core.model import RecipientDigest, Statement
from app.observe.log import LogEvent, logger
from app.store.spool import SqliteSpool
from app.usecases.ports import Store
from app.usecases.record_statement import RecordStatement
from app.usecases.replay import PAGE, Replayer

Make = Callable[..., Statement]


class Switched(Store, Protocol):
    """The store of conftest.py."""

    state: str
    name: str
    applied: list[Statement]


async def test_clicks_of_an_outage_are_applied_in_the_order_of_their_time(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue E8."""
    replayer = Replayer(store, spool, logger("test"))
    await replayer.look()
    store.state = "off"
    unsubscribe = RecordStatement(store, spool, lambda: 10_000)
    clicks = [make_statement(at_ms=at) for at in range(1, 11)]
    for click in reversed(clicks):
        await unsubscribe(click)
    with capture_logs() as lines:
        answered = [await replayer.look(), await replayer.look()]
        store.state = "on"
        store.name = "restarted"

        answered.append(await replayer.look())

    assert [False, False, True] == answered
    assert clicks == store.applied
    assert 0 == await spool.rows()
    assert [LogEvent.STORE_FAILED, LogEvent.STORE_RECOVERED, LogEvent.SPOOL_REPLAYED] == [
        line["event"] for line in lines
    ]
    assert 10 == lines[-1]["rows"]


async def test_a_row_that_waited_since_the_last_look_is_applied_without_any_outage_being_noticed(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    replayer = Replayer(store, spool, logger("test"))
    await replayer.look()
    click = make_statement()
    await spool.append(click)

    await replayer.look()
    fresh = list(store.applied)
    await replayer.look()

    assert ([], [click], 0) == (fresh, store.applied, await spool.rows())


async def test_after_a_failover_every_kept_row_is_applied_again_and_changes_nothing_twice(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    unsubscribe = RecordStatement(store, spool, lambda: 10_000)
    replayer = Replayer(store, spool, logger("test"))
    await replayer.look()
    clicks = [make_statement(at_ms=1 + number) for number in range(2 * PAGE + 10)]
    await asyncio.gather(*(unsubscribe(click) for click in clicks))
    store.applied.clear()
    store.name = "another primary"

    await replayer.look()

    assert clicks == sorted(store.applied, key=lambda one: one.at_ms)
    assert [1] * len(clicks) == [
        len(await store.history(click.brand, click.digest)) for click in clicks
    ]


async def test_rows_of_the_process_before_are_applied_at_start(
    store: Switched, tmp_path: Path, make_statement: Make
) -> None:
    click = make_statement()
    before = SqliteSpool(tmp_path)
    await before.append(click)
    await before.close()
    spool = SqliteSpool(tmp_path)

    await Replayer(store, spool, logger("test")).look()

    rows = await spool.rows()
    await spool.close()
    assert ([click], 0) == (store.applied, rows)


async def test_a_conflict_is_the_stores_last_word(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    left = make_statement()
    await store.apply(left)
    await spool.append(
        make_statement(
            digest=RecipientDigest(left.digest), at_ms=2000, subscribed=True, expected_sequence=0
        )
    )

    await Replayer(store, spool, logger("test")).look()

    (found,) = await store.preferences(left.brand, [left.digest])
    assert 0 == await spool.rows()
    assert not found.everything.subscribed


async def test_the_watch_goes_on_until_it_is_cancelled(
    store: Switched, spool: SqliteSpool, make_statement: Make
) -> None:
    store.state = "off"
    await spool.append(make_statement())
    watch = asyncio.create_task(Replayer(store, spool, logger("test"), interval=0.01).run())
    await asyncio.sleep(0)
    store.state = "on"

    async with asyncio.timeout(30):
        while await spool.rows():
            await asyncio.sleep(0.01)

    watch.cancel()
    assert 1 == len(store.applied)
