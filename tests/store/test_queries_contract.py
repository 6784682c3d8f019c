"""What every index, journal, key book, counter and audit must do: over the twins, the embedded
Valkey, a cluster, and Redis (interop).
"""

import itertools
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest

from app.core.api_key import ApiKey, KeyScope
from app.core.audit import AuditAction, AuditEntry
from app.core.cursors import position_of
from app.core.model import (
    PARTITIONS,
    BrandId,
    BrandNumber,
    GroupKey,
    HistoryEntry,
    KnownRecipient,
    RecipientDigest,
    Source,
    Statement,
)
from app.store import keys
from app.store.administration import RedisApiKeys, RedisAudit, RedisCallCounter, RedisEndedSessions
from app.store.journal import RedisJournal
from app.store.recipient_index import RedisRecipientIndex
from app.store.redis import RedisStore
from app.usecases.ports import (
    ApiKeyBook,
    AuditTrail,
    CallCounter,
    EndedSessions,
    Journal,
    Position,
    RecipientIndex,
    Store,
)
from tests.support.memory_queries import (
    MemoryApiKeys,
    MemoryAudit,
    MemoryCallCounter,
    MemoryEndedSessions,
    MemoryJournal,
    MemoryRoster,
)
from tests.support.memory_store import MemoryStore

_brands = itertools.count(500)
NEWLY = [(0, 0)] * PARTITIONS


@dataclass(frozen=True)
class Parts:
    """One store and what reads it; brand `own` keeps sealed addresses."""

    store: Store
    recipient_index: RecipientIndex
    journal: Journal
    api_keys: ApiKeyBook
    calls: CallCounter
    ended: EndedSessions
    audit: AuditTrail
    own: BrandNumber


@pytest.fixture(
    params=["memory", "valkey", "cluster", pytest.param("redis", marks=pytest.mark.interop)]
)
async def parts(request: pytest.FixtureRequest) -> AsyncIterator[Parts]:
    own = BrandNumber(next(_brands))
    if request.param == "memory":
        memory = MemoryStore(addresses_of=frozenset({own}))
        yield Parts(
            memory,
            MemoryRoster(memory),
            MemoryJournal(memory),
            MemoryApiKeys(),
            MemoryCallCounter(),
            MemoryEndedSessions(),
            MemoryAudit(),
            own,
        )
        return
    store = RedisStore(
        request.getfixturevalue(f"{request.param}_url"), timeout=5, addresses_of=frozenset({own})
    )
    await store.start(development=True)
    connection = store.connection
    yield Parts(
        store,
        RedisRecipientIndex(connection),
        RedisJournal(connection),
        RedisApiKeys(connection),
        RedisCallCounter(connection),
        RedisEndedSessions(connection),
        RedisAudit(connection),
        own,
    )
    await store.close()


def person(number: int) -> RecipientDigest:
    """A digest in partitions and buckets that differ from number to number."""
    return RecipientDigest(bytes([number * 37 % 256, number * 11 % 256]) + number.to_bytes(8))


def said(
    parts: Parts,
    number: int,
    *,
    at_ms: int = 1000,
    subscribed: bool = False,
    sealed: bytes = b"",
    group: int = 0,
) -> Statement:
    return Statement(
        id=os.urandom(16),
        brand=parts.own,
        digest=person(number),
        groups=(GroupKey(group),) if group else (),
        subscribed=subscribed,
        source=Source.API,
        at_ms=at_ms,
        sealed_address=sealed,
    )


async def whole(parts: Parts, *, page: int) -> list[KnownRecipient]:
    found: list[KnownRecipient] = []
    while read := await parts.recipient_index.recipients(
        parts.own, after=found[-1].digest if found else None, limit=page
    ):
        assert len(read) <= page
        found += read
        if len(read) < page:
            break
    return found


@pytest.mark.parametrize("page", [1, 7, 1000])
async def test_everybody_is_read_exactly_once_in_one_order_whatever_the_page(
    parts: Parts, page: int
) -> None:
    """Catalogue Q8."""
    people = range(60)
    for number in people:
        await parts.store.apply(said(parts, number, at_ms=1000 + number))
    await parts.store.apply(said(parts, 1)._replace(brand=BrandNumber(499)))

    found = await whole(parts, page=page)

    assert sorted(person(number) for number in people) == sorted(one.digest for one in found)
    assert [one.digest for one in await whole(parts, page=13)] == [one.digest for one in found]
    assert {person(number): 1000 + number for number in people} == {
        one.digest: one.preferences.everything.last_ms for one in found
    }


async def test_a_crowded_bucket_is_read_in_parts(parts: Parts) -> None:
    crowd = [RecipientDigest(b"\x05\x00\x07" + number.to_bytes(7)) for number in range(40)]
    for digest in crowd:
        await parts.store.apply(said(parts, 0)._replace(digest=digest))

    found = await whole(parts, page=9)

    assert crowd == [one.digest for one in found]


async def test_the_record_keeps_the_sealed_address_of_the_newest_key_in_any_order(
    parts: Parts,
) -> None:
    """Catalogue Q8: sealed addresses sort by the id of their key, so every order of the statements
    ends in the same record.
    """
    sealed = [b"\x01bob", b"\x02bob", b"\x02bob@", b"", b"\xc3\xa9", b"\xc3\xa8"]
    ends = set()
    for number, order in enumerate(itertools.islice(itertools.permutations(sealed), 0, None, 60)):
        for at, address in enumerate(order):
            await parts.store.apply(said(parts, number, at_ms=1000 + at, sealed=address))
    for one in await whole(parts, page=100):
        ends.add(one.sealed_address)

    assert {b"\xc3\xa9"} == ends


async def test_a_brand_that_does_not_keep_addresses_has_none(parts: Parts) -> None:
    other = BrandNumber(next(_brands))
    await parts.store.apply(said(parts, 1, sealed=b"\x01bob")._replace(brand=other))

    (found,) = await parts.recipient_index.recipients(other, after=None, limit=10)

    assert b"" == found.sealed_address


async def test_an_erased_recipient_stays_unsubscribed_under_the_hash_and_a_replay_brings_nothing_back(
    parts: Parts,
) -> None:
    """Catalogue Q12."""
    click = said(parts, 1, at_ms=1000, sealed=b"\x01bob")
    await parts.store.apply(click)
    await parts.store.apply(said(parts, 2, at_ms=1000, sealed=b"\x01eve"))
    (before,) = await parts.store.preferences(parts.own, [person(1)])

    known = await parts.recipient_index.erase(parts.own, person(1), erased_ms=5000)
    await parts.store.apply(click)
    await parts.store.apply(said(parts, 1, at_ms=5000, sealed=b"\x02bob"))

    found = {one.digest: one for one in await whole(parts, page=10)}
    (after,) = await parts.store.preferences(parts.own, [person(1)])
    assert known
    assert (b"", b"\x01eve") == (found[person(1)].sealed_address, found[person(2)].sealed_address)
    assert replace(before.everything, last_ms=5000) == after.everything
    assert not await parts.store.history(parts.own, person(1))
    assert 1 == len(await parts.store.history(parts.own, person(2)))


async def test_who_comes_back_after_an_erasure_is_known_again(parts: Parts) -> None:
    await parts.store.apply(said(parts, 1, at_ms=1000, sealed=b"\x01bob"))
    await parts.recipient_index.erase(parts.own, person(1), erased_ms=5000)

    await parts.store.apply(said(parts, 1, at_ms=6000, subscribed=True, sealed=b"\x01bob"))

    (found,) = await whole(parts, page=10)
    assert (True, b"\x01bob", 2) == (
        found.preferences.everything.subscribed,
        found.sealed_address,
        found.preferences.sequence,
    )
    assert 1 == len(await parts.store.history(parts.own, person(1)))


async def test_erasing_a_stranger_says_so_and_may_be_repeated(parts: Parts) -> None:
    assert not await parts.recipient_index.erase(parts.own, person(9), erased_ms=5000)
    await parts.recipient_index.erase(parts.own, person(9), erased_ms=4000)

    await parts.store.apply(said(parts, 9, at_ms=4500, sealed=b"\x01bob"))

    (found,) = await whole(parts, page=10)
    assert b"" == found.sealed_address


def behind(positions: Sequence[Position], entries: Sequence[HistoryEntry]) -> list[Position]:
    moved = list(positions)
    for entry in entries:
        moved[keys.partition(entry.statement.digest)] = position_of(entry)
    return moved


@pytest.mark.parametrize("page", [1, 5, 1000])
async def test_the_journal_gives_each_change_once_in_the_order_of_its_recipient(
    parts: Parts, page: int
) -> None:
    """Catalogue Q8."""
    for at in range(1, 5):
        for number in range(30):
            await parts.store.apply(said(parts, number, at_ms=1000 * at, subscribed=at % 2 == 0))
    positions, found = list(NEWLY), list[HistoryEntry]()
    while entries := await parts.journal.entries(parts.own, after=positions, limit=page):
        assert len(entries) <= page
        positions = behind(positions, entries)
        found += entries

    assert 120 == len(found) == len({entry.statement.id for entry in found})
    for number in range(30):
        assert [1, 2, 3, 4] == [
            entry.sequence for entry in found if entry.statement.digest == person(number)
        ]


async def test_a_change_that_comes_late_with_an_early_time_is_never_missed(parts: Parts) -> None:
    """Catalogue Q6, Q8: a click that waited in a spool is read by whoever had read further long
    before.
    """
    for number in range(20):
        await parts.store.apply(said(parts, number, at_ms=9000))
    positions = behind(NEWLY, await parts.journal.entries(parts.own, after=NEWLY, limit=100))

    late = said(parts, 3, at_ms=50, group=5)
    await parts.store.apply(late)

    assert [late] == [
        entry.statement
        for entry in await parts.journal.entries(parts.own, after=positions, limit=100)
    ]


async def test_a_key_is_found_by_its_id_and_listed_with_the_revoked(parts: Parts) -> None:
    """Catalogue L8."""
    key = ApiKey(
        id=os.urandom(8).hex(),
        brand=BrandId("acme"),
        name="Büro ☕",
        scopes=frozenset({KeyScope.READ}),
        created_ms=5,
        secret_digest=os.urandom(32),
    )
    await parts.api_keys.put(key)
    await parts.api_keys.put(replace(key, revoked_ms=7))

    assert replace(key, revoked_ms=7) == await parts.api_keys.key(key.id)
    assert [7] == [one.revoked_ms for one in await parts.api_keys.keys() if one.id == key.id]
    assert await parts.api_keys.key("0" * 16) is None


async def test_an_ended_session_stays_ended_and_no_other_does(parts: Parts) -> None:
    session = os.urandom(8).hex()

    before = await parts.ended.has_ended(session)
    await parts.ended.end(session, kept_ms=60_000)
    await parts.ended.end(session, kept_ms=60_000)

    assert not before
    assert await parts.ended.has_ended(session)
    assert not await parts.ended.has_ended(f"{session}0")


async def test_calls_are_counted_by_caller_and_window(parts: Parts) -> None:
    """Catalogue Q10."""
    caller = os.urandom(8).hex()
    counts = [await parts.calls.count(caller, window=7, window_ms=60_000) for _ in range(3)]
    counts += [
        await parts.calls.count(caller, window=8, window_ms=60_000),
        await parts.calls.count("other", window=8, window_ms=60_000),
    ]

    assert [(1, 0), (2, 0), (3, 0), (1, 3)] == counts[:4]
    assert 0 == counts[4][1]


async def test_the_audit_is_read_page_by_page_oldest_first(parts: Parts) -> None:
    """Catalogue Q8."""
    entries = [
        AuditEntry(
            at_ms=at,
            actor="k",
            action=AuditAction.GROUP_CREATED,
            target=f"g{at}",
            detail={"name": "Neu"},
        )
        for at in range(5)
    ]
    for entry in entries:
        await parts.audit.note(parts.own, entry)

    first = await parts.audit.entries(parts.own, after="", limit=3)
    rest = await parts.audit.entries(parts.own, after=first[-1].entry_id, limit=3)

    assert entries == [replace(entry, entry_id="") for entry in [*first, *rest]]
