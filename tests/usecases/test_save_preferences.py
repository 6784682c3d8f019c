"""Saving what somebody chose: unsubscribes always win, and nothing is lost silently."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.core.errors import StoreUnavailable
from app.core.groups import EVERYTHING
from app.core.model import (
    BrandNumber,
    CampaignId,
    Claims,
    GroupKey,
    Preferences,
    Purpose,
    RecipientDigest,
    Source,
)
from app.core.preference_form import Wish
from app.store.spool import SqliteSpool
from app.usecases.record_statement import RecordStatement
from app.usecases.save_preferences import SavedPreferences, SavePreferences
from tests.usecases.conftest import SwitchedStore

BRAND = BrandNumber(7)
A, B = GroupKey(1), GroupKey(2)
CLAIMS = Claims(
    brand=BRAND,
    key_id=3,
    data_centre=1,
    purpose=Purpose.PREFERENCES,
    campaign=CampaignId("spring"),
    groups=(A,),
    issued_day=0,
    test=False,
    address="bob@example.com",
    digest=RecipientDigest(b"0123456789"),
)


class Desk:
    """A use case over the switched twin, whose clock moves on with every statement."""

    def __init__(self, store: SwitchedStore, spool: SqliteSpool | None = None) -> None:
        self.store = store
        times, ids = itertools.count(1000), itertools.count(1)

        def clock() -> int:
            return next(times)

        self._save = SavePreferences(
            unsubscribe=RecordStatement(store, spool, lambda: 10_000_000),
            clock=clock,
            new_id=lambda: next(ids).to_bytes(16, "big"),
            seal=lambda address, *, brand, at_ms: b"sealed",
        )

    async def save(
        self,
        *,
        join: Sequence[GroupKey] = (),
        leave: Sequence[GroupKey] = (),
        seen: int = 0,
        test: bool = False,
    ) -> SavedPreferences:
        wish = Wish(join=tuple(join), leave=tuple(leave))
        return await self._save(
            CLAIMS._replace(test=test),
            wish,
            source=Source.PREFERENCE_CENTRE,
            expected_sequence=seen,
        )

    async def state(self) -> Preferences:
        (found,) = await self.store.inner.preferences(BRAND, [CLAIMS.digest])
        return found

    async def off(self) -> set[GroupKey]:
        state = await self.state()
        left = {group for group, one in state.groups.items() if not one.subscribed}
        return left if state.everything.subscribed else left | {EVERYTHING}


@pytest.fixture
def desk(store: SwitchedStore) -> Desk:
    return Desk(store)


async def test_a_wish_is_saved_with_its_source_and_the_right_behind_it(desk: Desk) -> None:
    assert SavedPreferences.SAVED == await desk.save(leave=[A, B])

    (statement,) = desk.store.applied
    assert ((A, B), False, Source.PREFERENCE_CENTRE, "spring", 3, b"sealed") == (
        statement.groups,
        statement.subscribed,
        statement.source,
        statement.campaign,
        statement.key_id,
        statement.sealed_address,
    )


async def test_all_mail_alone_is_a_statement_without_groups(desk: Desk) -> None:
    await desk.save(leave=[EVERYTHING])

    assert () == desk.store.applied[0].groups
    assert {EVERYTHING} == await desk.off()


async def test_all_mail_and_groups_change_at_once(desk: Desk) -> None:
    await desk.save(leave=[EVERYTHING, A])
    left = await desk.off()

    back = await desk.save(join=[A, EVERYTHING], leave=[B], seen=1)

    assert ({EVERYTHING, A}, SavedPreferences.SAVED, {B}) == (left, back, await desk.off())
    assert [1, 2, 3] == [
        entry.sequence for entry in await desk.store.inner.history(BRAND, CLAIMS.digest)
    ]


async def test_switching_on_a_group_that_was_only_off_because_all_mail_was_is_no_conflict(
    desk: Desk,
) -> None:
    await desk.save(leave=[EVERYTHING])

    assert SavedPreferences.SAVED == await desk.save(join=[A, EVERYTHING], leave=[B], seen=1)
    assert {B} == await desk.off()


async def test_of_two_pages_that_save_against_each_other_the_unsubscribes_are_kept_and_the_stale_one_is_told(
    desk: Desk,
) -> None:
    """Catalogue Q6."""
    await desk.save(leave=[A])

    first = await desk.save(leave=[B], seen=1)
    second = await desk.save(join=[A], leave=[EVERYTHING], seen=1)

    assert (SavedPreferences.SAVED, SavedPreferences.STALE) == (first, second)
    assert {A, B, EVERYTHING} == await desk.off()


async def test_saving_the_same_form_twice_is_no_conflict(desk: Desk) -> None:
    await desk.save(leave=[A])

    saved = [await desk.save(join=[A], leave=[B], seen=1) for _ in range(2)]

    assert [SavedPreferences.SAVED, SavedPreferences.SAVED] == saved
    assert {B} == await desk.off()


async def test_a_test_link_saves_nothing(desk: Desk) -> None:
    """Catalogue H12."""
    assert SavedPreferences.TEST == await desk.save(join=[A], leave=[B, EVERYTHING], test=True)
    assert [] == desk.store.applied


async def test_a_form_in_which_nothing_was_touched_states_nothing(desk: Desk) -> None:
    assert SavedPreferences.SAVED == await desk.save()
    assert [] == desk.store.applied


async def test_without_the_store_what_was_switched_off_is_durable_and_what_was_switched_on_is_told_apart(
    store: SwitchedStore, tmp_path: Path
) -> None:
    """Catalogue E8."""
    spool = SqliteSpool(tmp_path / "spool")
    desk = Desk(store, spool)
    store.state = "off"

    saved = await desk.save(join=[A], leave=[B])
    rows = await spool.unconfirmed(after=0, limit=10)
    with pytest.raises(StoreUnavailable):
        await desk.save(join=[A])
    await spool.close()

    assert SavedPreferences.ONLY_LEFT == saved
    assert [((B,), False)] == [(statement.groups, statement.subscribed) for _, statement in rows]


async def test_what_can_be_kept_nowhere_is_not_acknowledged(desk: Desk) -> None:
    desk.store.state = "off"

    with pytest.raises(StoreUnavailable):
        await desk.save(leave=[A])
    with pytest.raises(StoreUnavailable):
        await desk.save(join=[B], leave=[A])
