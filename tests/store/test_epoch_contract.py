"""Sequences go on above the epoch: what is told after a restore is above all that was told before
it.
"""

import time
from collections.abc import AsyncIterator, Callable

import pytest

from app.core.errors import Conflict
from app.core.model import BrandNumber, Preferences, RecipientDigest, Statement
from app.store import keys
from app.store.codec import decode_known, decode_statement, encode_statement
from app.store.embedded import EmbeddedStore
from app.store.epoch import MOST, epoch_of, raise_epoch
from app.store.recipient_index import RedisRecipientIndex
from app.store.redis import RedisStore
from app.store.work import RedisWork
from app.usecases.ports import Store
from tests.support.memory_store import MemoryStore

BRAND = BrandNumber(7)
Make = Callable[..., Statement]
ADDRESS = b"\x01sealed"


@pytest.fixture(params=["memory", "valkey"])
async def lone(request: pytest.FixtureRequest) -> AsyncIterator[MemoryStore | RedisStore]:
    """Each kind of store, whose epoch no other test sees."""
    if request.param == "memory":
        yield MemoryStore()
        return
    opened = RedisStore(request.getfixturevalue("server").url, timeout=10)
    yield opened
    await opened.close()


@pytest.fixture
async def own(server: EmbeddedStore) -> AsyncIterator[RedisStore]:
    opened = RedisStore(server.url, timeout=10)
    yield opened
    await opened.close()


async def raised(store: MemoryStore | RedisStore) -> int:
    if isinstance(store, MemoryStore):
        store.epoch = time.time_ns() // 1000
        return store.epoch
    return await raise_epoch(store.connection)


async def state(store: Store, digest: RecipientDigest) -> Preferences:
    (preferences,) = await store.preferences(BRAND, [digest])
    return preferences


async def test_after_a_restore_sequences_are_above_all_that_were_told(
    lone: MemoryStore | RedisStore, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N26."""
    before = [
        await lone.apply(make_statement(at_ms=1000 * step, subscribed=step % 2 == 0))
        for step in range(1, 4)
    ]
    epoch = await raised(lone)

    after = [
        await lone.apply(make_statement(at_ms=1000 * step, subscribed=step % 2 == 0))
        for step in range(4, 7)
    ]

    events = await lone.history(BRAND, digest)
    assert [1, 2, 3] == [change.sequence for change in before]
    assert [epoch + 1, epoch + 2, epoch + 3] == [change.sequence for change in after]
    assert [1, 2, 3, epoch + 1, epoch + 2, epoch + 3] == [event.sequence for event in events]
    assert epoch + 3 == (await state(lone, digest)).sequence


async def test_a_page_from_before_the_restore_and_one_from_after_it_are_told_apart(
    lone: MemoryStore | RedisStore, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N26, Q6."""
    await lone.apply(make_statement(at_ms=1000))
    epoch = await raised(lone)
    await lone.apply(make_statement(at_ms=2000, subscribed=True, expected_sequence=1))
    await lone.apply(make_statement(at_ms=3000))

    with pytest.raises(Conflict):
        await lone.apply(make_statement(at_ms=4000, subscribed=True, expected_sequence=2))
    back = await lone.apply(
        make_statement(at_ms=4000, subscribed=True, expected_sequence=epoch + 2)
    )

    assert epoch + 3 == back.sequence


async def test_the_epoch_only_grows_and_stays_exact_in_json(own: RedisStore) -> None:
    """Catalogue N26: a backup that is restored twice does not bring the same numbers twice."""
    first = await raise_epoch(own.connection)
    second = await raise_epoch(own.connection, above=first + 10**9)
    third = await raise_epoch(own.connection)

    assert first < second < third < MOST
    assert first + 10**9 < second
    assert third == await epoch_of(own.connection)


async def test_records_of_both_lengths_are_read_erased_and_worked_on(
    own: RedisStore, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N26: address and erasure stand behind a long sequence as they do behind a short
    one.
    """
    own.keep_addresses_of(frozenset((BRAND,)))
    epoch = await raised(own)
    statement = make_statement(at_ms=2000)._replace(sealed_address=ADDRESS)
    await own.apply(statement)
    (record,) = await own.connection.run(
        [("HGET", keys.state(BRAND, digest, keys.DEFAULT_BUCKETS), digest)]
    )
    assert isinstance(record, bytes)

    known = decode_known(digest, record)
    work = [
        one
        for one in await RedisWork(own.connection).waiting([digest[0]], limit=1000)
        if one.statement == statement
    ]
    await RedisRecipientIndex(own.connection).erase(BRAND, digest, erased_ms=5000)
    change = await own.apply(
        make_statement(at_ms=3000, subscribed=True)._replace(sealed_address=ADDRESS)
    )
    (erased,) = await own.connection.run(
        [("HGET", keys.state(BRAND, digest, keys.DEFAULT_BUCKETS), digest)]
    )
    assert isinstance(erased, bytes)

    assert (ADDRESS, epoch + 1) == (known.sealed_address, known.preferences.sequence)
    assert [epoch + 1] == [one.sequence for one in work]
    assert epoch + 2 == change.sequence
    assert (b"", True) == (
        decode_known(digest, erased).sealed_address,
        decode_known(digest, erased).preferences.everything.subscribed,
    )


@pytest.mark.parametrize("expected", [None, 0, 2**32 - 1, 2**32, MOST])
def test_a_statement_keeps_the_sequence_that_it_expects(
    make_statement: Make, expected: int | None
) -> None:
    """Catalogue N26."""
    statement = make_statement(subscribed=True, expected_sequence=expected)

    assert statement == decode_statement(encode_statement(statement))
