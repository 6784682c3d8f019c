"""What every store must do: run over the twin in memory, the embedded Valkey, a cluster, and
Debian's Redis (interop).
"""

import asyncio
from collections.abc import Callable

import pytest

from app.core.errors import Conflict
from app.core.groups import EVERYTHING
from app.core.model import (
    BrandNumber,
    Change,
    GroupKey,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
    Subscription,
)
from app.usecases.ports import Store

BRAND = BrandNumber(7)
Make = Callable[..., Statement]


async def state(store: Store, digest: RecipientDigest) -> Preferences:
    (preferences,) = await store.preferences(BRAND, [digest])
    return preferences


async def test_nothing_is_known_of_a_stranger(store: Store, digest: RecipientDigest) -> None:
    found = await state(store, digest)

    assert Preferences() == found


async def test_an_unsubscribe_from_all_is_kept_with_its_time_and_source(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    change = await store.apply(make_statement(at_ms=1_700_000_000_123, source=Source.MAILTO))

    left = Subscription(
        subscribed=False,
        source=Source.MAILTO,
        since_ms=1_700_000_000_123,
        last_ms=1_700_000_000_123,
    )
    assert Change(changed=(EVERYTHING,), sequence=1) == change
    assert Preferences(everything=left, groups={}, sequence=1) == await state(store, digest)


async def test_groups_and_all_mail_are_independent(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    await store.apply(make_statement(groups=(11, 0xFFFFFFFF)))
    await store.apply(make_statement(at_ms=2000))
    await store.apply(make_statement(at_ms=3000, subscribed=True, groups=(11,)))

    found = await state(store, digest)

    assert not found.everything.subscribed
    assert {GroupKey(11): True, GroupKey(0xFFFFFFFF): False} == {
        group: one.subscribed for group, one in found.groups.items()
    }
    assert 3 == found.sequence


async def test_brands_do_not_share_a_recipients_state(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    await store.apply(make_statement(brand=BrandNumber(8)))

    found = await state(store, digest)

    assert found.everything.subscribed


async def test_a_repeated_unsubscribe_moves_last_but_neither_since_nor_the_sequence(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    await store.apply(make_statement())

    change = await store.apply(make_statement(at_ms=5000))

    found = await state(store, digest)
    assert Change(changed=(), sequence=1) == change
    assert (1000, 5000, 1) == (found.everything.since_ms, found.everything.last_ms, found.sequence)


async def test_an_older_repetition_of_an_uncontested_state_moves_since_back(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    await store.apply(make_statement(at_ms=5000))
    await store.apply(make_statement(at_ms=1000))

    found = await state(store, digest)

    assert (1000, 5000) == (found.everything.since_ms, found.everything.last_ms)


async def test_a_late_resubscribe_loses_and_shows_that_the_state_began_after_it(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue Q6."""
    await store.apply(make_statement(at_ms=1000))
    await store.apply(make_statement(at_ms=5000))
    await store.apply(make_statement(at_ms=3000, subscribed=True))

    found = await state(store, digest)

    assert (False, 5000, 5000) == (
        found.everything.subscribed,
        found.everything.since_ms,
        found.everything.last_ms,
    )


async def test_a_later_resubscribe_wins(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue Q6."""
    await store.apply(make_statement(at_ms=1000))
    await store.apply(make_statement(at_ms=2000, subscribed=True, source=Source.PREFERENCE_CENTRE))

    found = await state(store, digest)

    expected = Subscription(
        subscribed=True, source=Source.PREFERENCE_CENTRE, since_ms=2000, last_ms=2000
    )
    assert expected == found.everything


@pytest.mark.parametrize("first", [True, False])
async def test_a_tie_goes_to_the_unsubscribe(
    store: Store, digest: RecipientDigest, make_statement: Make, first: bool
) -> None:
    await store.apply(make_statement(subscribed=first))
    await store.apply(make_statement(subscribed=not first))

    found = await state(store, digest)

    assert not found.everything.subscribed


async def test_a_late_unsubscribe_does_not_undo_a_newer_first_resubscribe(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    await store.apply(make_statement(at_ms=2000, subscribed=True))
    await store.apply(make_statement(at_ms=1000))

    found = await state(store, digest)

    assert (True, 0) == (found.everything.subscribed, found.sequence)


async def test_a_stale_resubscribe_is_a_conflict_and_writes_nothing(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue Q6: a confirmation page from before the unsubscribe does not bring the recipient
    back.
    """
    await store.apply(make_statement(at_ms=1000))
    before = await state(store, digest)

    with pytest.raises(Conflict):
        await store.apply(make_statement(at_ms=9000, subscribed=True, expected_sequence=0))

    assert before == await state(store, digest)


async def test_a_resubscribe_that_saw_the_newest_change_wins_and_may_be_repeated(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue Q6: a real opt-in later subscribes again."""
    await store.apply(make_statement(at_ms=1000))
    resubscribe = make_statement(at_ms=2000, subscribed=True, expected_sequence=1)

    first = await store.apply(resubscribe)
    again = await store.apply(resubscribe)

    assert (Change(changed=(EVERYTHING,), sequence=2), Change(changed=(), sequence=2)) == (
        first,
        again,
    )


async def test_a_fresh_resubscribe_with_an_older_clock_is_a_conflict_not_a_silent_loss(
    store: Store, make_statement: Make
) -> None:
    await store.apply(make_statement(at_ms=5000))

    with pytest.raises(Conflict):
        await store.apply(make_statement(at_ms=4000, subscribed=True, expected_sequence=1))


async def test_undoing_an_import_overrules_the_lines_of_imports_and_nothing_that_a_person_said(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N2: the first line was of 1000, a second one of 3000; the undoing speaks for
    1001.
    """
    line = make_statement(at_ms=1000, source=Source.IMPORT)
    repeated = make_statement(at_ms=3000, source=Source.IMPORT)
    undone = make_statement(
        at_ms=1001, subscribed=True, source=Source.IMPORT_UNDONE, expected_sequence=1
    )
    await store.apply(line)
    await store.apply(repeated)

    put_back = await store.apply(undone)
    for again in (line, repeated, undone):
        await store.apply(again)
    after = await state(store, digest)
    clicked = await store.apply(make_statement(at_ms=2000))
    with pytest.raises(Conflict):
        await store.apply(undone)

    assert Change(changed=(EVERYTHING,), sequence=2) == put_back
    assert (True, Source.IMPORT_UNDONE, 2) == (
        after.everything.subscribed,
        after.everything.source,
        after.sequence,
    )
    assert Change(changed=(EVERYTHING,), sequence=3) == clicked


async def test_undoing_an_import_is_a_conflict_where_somebody_else_has_spoken_last(
    store: Store, make_statement: Make
) -> None:
    await store.apply(make_statement(at_ms=1000, source=Source.IMPORT))
    await store.apply(make_statement(at_ms=3000, source=Source.LIST_UNSUBSCRIBE))

    with pytest.raises(Conflict):
        await store.apply(
            make_statement(
                at_ms=1001, subscribed=True, source=Source.IMPORT_UNDONE, expected_sequence=1
            )
        )


async def test_an_unsubscribe_ignores_the_expected_sequence(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    await store.apply(make_statement(expected_sequence=99))

    found = await state(store, digest)

    assert not found.everything.subscribed


async def test_a_hundred_clicks_at_once_are_one_change_and_one_event(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue E7."""
    clicks = [make_statement(at_ms=1000 + number) for number in range(100)]

    changes = await asyncio.gather(*(asyncio.ensure_future(store.apply(click)) for click in clicks))

    events = await store.history(BRAND, digest)
    assert [1] * 100 == [change.sequence for change in changes]
    assert 1 == sum(bool(change.changed) for change in changes)
    assert 1 == len(events)


async def test_the_history_lists_each_change_oldest_first(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    statements = [
        make_statement(at_ms=1000 * step, subscribed=step % 2 == 0) for step in range(1, 6)
    ]
    for statement in statements:
        await store.apply(statement)
        await store.apply(statement)

    events = await store.history(BRAND, digest, limit=3)

    assert statements[2:] == [event.statement for event in events]
    assert [3, 4, 5] == [event.sequence for event in events]
    assert [(EVERYTHING,)] * 3 == [event.changed for event in events]


async def test_many_recipients_are_read_in_the_order_of_the_question(
    store: Store, make_statement: Make
) -> None:
    digests = [RecipientDigest(bytes([number, 200]) + b"8bytesxx") for number in range(256)]
    for number in range(0, 256, 3):
        await store.apply(make_statement(digest=digests[number]))

    found = await store.preferences(BRAND, digests)

    assert [number % 3 != 0 for number in range(256)] == [
        one.everything.subscribed for one in found
    ]
    assert () == tuple(await store.preferences(BRAND, []))


async def test_a_store_that_answers_keeps_its_generation(store: Store) -> None:
    await store.ping()

    assert await store.generation() == await store.generation() != ""


async def test_all_mail_may_stand_among_groups_and_changes_with_them_at_once(
    store: Store, digest: RecipientDigest, make_statement: Make
) -> None:
    change = await store.apply(make_statement(groups=(EVERYTHING, 11)))
    with pytest.raises(Conflict):
        await store.apply(
            make_statement(
                at_ms=2000, groups=(11, EVERYTHING), subscribed=True, expected_sequence=0
            )
        )
    back = await store.apply(
        make_statement(at_ms=2000, groups=(11, EVERYTHING), subscribed=True, expected_sequence=1)
    )

    found = await state(store, digest)
    assert Change(changed=(EVERYTHING, GroupKey(11)), sequence=1) == change
    assert Change(changed=(GroupKey(11), EVERYTHING), sequence=2) == back
    assert found.everything.subscribed
    assert found.groups[GroupKey(11)].subscribed
