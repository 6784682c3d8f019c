"""The register against a model: any order, any repetition, the same end; the twin and the script
never differ.
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.groups import EVERYTHING
from app.core.model import (
    NO_CAMPAIGN,
    BrandNumber,
    GroupKey,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
    Subscription,
)
from app.store.redis import RedisStore
from app.usecases.ports import Store
from tests.support.memory_store import MemoryStore

BRAND = BrandNumber(9)
_numbers = itertools.count()

statements = st.lists(
    st.builds(
        Statement,
        id=st.just(b"i" * 16),
        brand=st.just(BRAND),
        digest=st.just(RecipientDigest(b"d" * 10)),
        groups=st.sampled_from(
            [(), (GroupKey(1),), (GroupKey(1), GroupKey(2)), (GroupKey(0xFFFFFFFF),)]
        ),
        subscribed=st.booleans(),
        # an undoing names the sequence that it has read: see the contract
        source=st.sampled_from([one for one in Source if one is not Source.IMPORT_UNDONE]),
        # few times, so that they meet; beyond 32 bits, so that they are kept
        at_ms=st.integers(1, 12).map(lambda step: step * 2**40),
        campaign=st.just(NO_CAMPAIGN),
        key_id=st.just(1),
        sealed_address=st.just(b""),
        expected_sequence=st.none(),
        home=st.sampled_from([0, 2]),  # wherever a statement is at home, here it counts the same
    ),
    min_size=1,
    max_size=8,
)


def model(said: Sequence[Statement], group: GroupKey) -> tuple[Subscription, int] | None:
    """What a group's state is after these statements, and the earliest time at which it can have
    begun.
    """
    own = [one for one in said if group in (one.groups or (EVERYTHING,))]
    if not own:
        return None
    last, _, subscribed = max((one.at_ms, not one.subscribed, one.subscribed) for one in own)
    same = [one for one in own if one.subscribed == subscribed]
    other = max((one.at_ms for one in own if one.subscribed != subscribed), default=0)
    run = [
        one.at_ms for one in same if one.at_ms > other or (one.at_ms == other and not subscribed)
    ]
    source = min(one.source for one in same if one.at_ms == last)
    return Subscription(subscribed=subscribed, source=source, since_ms=min(run), last_ms=last), min(
        run
    )


async def tell(store: Store, said: Sequence[Statement]) -> Preferences:
    """The preferences of a new recipient who says all this in this order."""
    digest = RecipientDigest(next(_numbers).to_bytes(2, "big") + os.urandom(8))
    for one in said:
        await store.apply(one._replace(digest=digest))
    (found,) = await store.preferences(BRAND, [digest])
    return found


def subscription(preferences: Preferences, group: GroupKey) -> Subscription | None:
    found = preferences.everything if group == EVERYTHING else preferences.groups.get(group)
    return replace(found, imported=False) if found and found.source is not None else None


GROUPS = [EVERYTHING, GroupKey(1), GroupKey(2), GroupKey(0xFFFFFFFF)]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=statements, data=st.data())
async def test_every_order_and_repetition_ends_in_the_same_state(
    valkey: RedisStore, said: list[Statement], data: st.DataObject
) -> None:
    """Catalogue Q6, E7."""
    repeated = said + data.draw(st.lists(st.sampled_from(said), max_size=4))
    shuffled = data.draw(st.permutations(repeated))

    by_script, by_twin = await tell(valkey, shuffled), await tell(MemoryStore(), shuffled)

    assert by_twin == by_script
    for group in GROUPS:
        wanted, found = model(said, group), subscription(by_script, group)
        assert (wanted is None) == (found is None)
        if wanted and found:
            assert (wanted[0].subscribed, wanted[0].source, wanted[0].last_ms) == (
                found.subscribed,
                found.source,
                found.last_ms,
            )
            assert wanted[1] <= found.since_ms <= found.last_ms


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=statements)
async def test_since_is_exact_when_statements_arrive_in_the_order_of_their_time(
    valkey: RedisStore, said: list[Statement]
) -> None:
    said.sort(key=lambda one: (one.at_ms, not one.subscribed))

    by_script = await tell(valkey, said)

    wanted = [expected[0] if (expected := model(said, group)) else None for group in GROUPS]
    assert wanted == [subscription(by_script, group) for group in GROUPS]
