"""Clocks that are wrong: what somebody says now takes effect, and what is only told again keeps the
order of its time.
"""

import itertools
import time
from collections.abc import Callable

import pytest

from app.core.errors import Conflict
from app.core.groups import EVERYTHING
from app.core.model import (
    BrandNumber,
    GroupKey,
    Preferences,
    Recency,
    RecipientDigest,
    Source,
    Statement,
)
from app.observe import metrics
from app.store.redis import RedisStore
from app.usecases.ports import Store

BRAND = BrandNumber(7)
HOUR, DAY = 3_600_000, 86_400_000
Make = Callable[..., Statement]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def state(store: Store, digest: RecipientDigest) -> Preferences:
    (preferences,) = await store.preferences(BRAND, [digest])
    return preferences


@pytest.mark.parametrize("recency", [Recency.NOW, Recency.LATE])
async def test_an_unsubscribe_wins_over_a_time_that_lies_ahead_of_the_stores(
    store: Store, digest: RecipientDigest, make_statement: Make, recency: Recency
) -> None:
    """Catalogue N25."""
    now = now_ms()
    ahead = make_statement(at_ms=now + DAY, subscribed=True, source=Source.PREFERENCE_CENTRE)
    click = make_statement(at_ms=now)
    await store.apply(ahead)

    change = await store.apply(click, recency)

    found = await state(store, digest)
    (event,) = await store.history(BRAND, digest)
    assert ((EVERYTHING,), 1, True) == (change.changed, change.sequence, change.against_clock)
    assert (False, Source.LIST_UNSUBSCRIBE, now) == (
        found.everything.subscribed,
        found.everything.source,
        found.everything.since_ms,
    )
    assert click == event.statement


async def test_what_is_told_again_keeps_the_order_of_its_time(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25: an old click that a spool brings once more is no new one."""
    now = now_ms()
    await store.apply(make_statement(at_ms=now - HOUR))
    await store.apply(make_statement(at_ms=now + DAY, subscribed=True))

    change = await store.apply(make_statement(at_ms=now - HOUR))

    assert ((), False) == (change.changed, change.against_clock)
    assert (await state(store, digest)).everything.subscribed


async def test_what_waited_loses_to_what_was_said_after_it(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25, Q6."""
    now = now_ms()
    await store.apply(make_statement(at_ms=now - HOUR, subscribed=True))

    await store.apply(make_statement(at_ms=now - DAY), Recency.LATE)

    assert (await state(store, digest)).everything.subscribed


async def test_a_click_at_an_edge_whose_clock_is_a_day_behind_takes_effect(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25."""
    now = now_ms()
    await store.apply(make_statement(at_ms=now - HOUR, subscribed=True))

    change = await store.apply(make_statement(at_ms=now - DAY), Recency.NOW)

    assert change.against_clock
    assert not (await state(store, digest)).everything.subscribed


async def test_a_click_of_this_moment_loses_to_what_was_said_within_the_last_minute_and_later(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25: between right clocks the order of times decides as it always did."""
    now = now_ms()
    await store.apply(make_statement(at_ms=now - 10, subscribed=True))

    change = await store.apply(make_statement(at_ms=now - 20), Recency.NOW)

    assert () == change.changed


async def test_whatever_is_told_again_afterwards_the_click_holds(
    store: Store, make_statement: Make
) -> None:
    """Catalogue N25: replays of both statements, in every order, change nothing."""
    now = now_ms()
    for number, order in enumerate(itertools.permutations(range(3))):
        digest = RecipientDigest(bytes([number * 40]) + b"anywhere" + bytes([now % 251]))
        ahead = make_statement(at_ms=now + DAY, subscribed=True, digest=digest)
        click = make_statement(at_ms=now, digest=digest)
        await store.apply(ahead)
        await store.apply(click, Recency.NOW)
        told_again = (ahead, click, ahead)
        for one in order:
            await store.apply(told_again[one])

        found = await state(store, digest)

        assert (False, 1) == (found.everything.subscribed, found.sequence)


async def test_groups_are_judged_one_by_one(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25."""
    now = now_ms()
    await store.apply(make_statement(at_ms=now + DAY, subscribed=True, groups=(1,)))
    await store.apply(make_statement(at_ms=now - HOUR, groups=(2,)))

    change = await store.apply(make_statement(at_ms=now, groups=(1, 2)), Recency.NOW)

    found = await state(store, digest)
    assert (GroupKey(1),) == change.changed
    assert {1: False, 2: False} == {int(key): one.subscribed for key, one in found.groups.items()}


async def test_who_comes_back_from_a_page_that_saw_the_state_is_not_shut_out_by_a_wrong_clock(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25: the clock that was ahead may have been that of the unsubscribe."""
    now = now_ms()
    left = make_statement(at_ms=now + DAY)
    await store.apply(left)
    back = make_statement(at_ms=now, subscribed=True, expected_sequence=1)

    change = await store.apply(back, Recency.NOW)
    await store.apply(left)
    again = await store.apply(
        make_statement(at_ms=now, subscribed=True, expected_sequence=1), Recency.NOW
    )

    found = await state(store, digest)
    assert (2, True, True) == (change.sequence, change.against_clock, found.everything.subscribed)
    assert () == again.changed


async def test_a_page_that_saw_an_older_state_brings_nobody_back_whatever_the_clocks_say(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N25, Q6."""
    now = now_ms()
    await store.apply(make_statement(at_ms=now + DAY))

    with pytest.raises(Conflict):
        await store.apply(
            make_statement(at_ms=now, subscribed=True, expected_sequence=0), Recency.NOW
        )
    await store.apply(make_statement(at_ms=now, subscribed=True), Recency.NOW)

    assert not (await state(store, digest)).everything.subscribed


async def test_it_is_logged_and_counted(
    valkey: RedisStore, make_statement: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catalogue N25."""
    now = now_ms()
    before = metrics.CLOCKS_OVERRULED._value.get()
    await valkey.apply(make_statement(at_ms=now + DAY, subscribed=True))

    await valkey.apply(make_statement(at_ms=now), Recency.NOW)

    printed = capsys.readouterr()
    assert before + 1 == metrics.CLOCKS_OVERRULED._value.get()
    assert "clock_overruled" in printed.out + printed.err
