"""A backup of a store, and its restore: everything comes back, nothing half counts, and nothing
foreign or damaged is used.
"""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from app.core.api_key import ApiKey
from app.core.audit import AuditAction, AuditEntry
from app.core.errors import Conflict, InvalidInput, StoreUnavailable
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import (
    BrandId,
    BrandNumber,
    GroupId,
    GroupKey,
    RecipientDigest,
    Statement,
    SubscriptionGroup,
)
from app.core.webhook import Delivery, EndpointKey
from app.store import backup, keys
from app.store.administration import RedisApiKeys, RedisAudit
from app.store.backup_file import Header, Reader, Record, Writer
from app.store.deliveries import RedisDeliveries
from app.store.epoch import epoch_of, raise_epoch
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.store.work import RedisWork
from tests.support.valkeys import cluster, valkey, watched

BRAND = BrandNumber(7)
KEYRING = Keyring(
    keys=[MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY)], pepper=b"p" * 32
)
KEY = KEYRING.backup_key()
HEADER = Header(
    id="b1",
    made_at="2026-12-01T00:00:00Z",
    data_centre=1,
    partitions=256,
    buckets=64,
    epoch=0,
    pepper=KEYRING.identity().pepper,
    keys={},
)
Make = Callable[..., Statement]
PEOPLE = 700  # in every part of a cluster, several in one partition


def nothing(*_: object) -> None:
    """Show no progress."""


@pytest.fixture(params=["server", "cluster", "sentinels"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a store of this test alone, of each kind."""
    async with AsyncExitStack() as stack:
        match request.param:
            case "server":
                yield (await stack.enter_async_context(valkey(tmp_path / "one"))).url
            case "cluster":
                yield (await stack.enter_async_context(cluster(tmp_path))).url
            case _:
                yield (await stack.enter_async_context(watched(tmp_path))).url


@pytest.fixture
async def store(url: str) -> AsyncIterator[RedisStore]:
    opened = RedisStore(
        url, timeout=20, addresses_of=frozenset((BRAND,)), identity=KEYRING.identity()
    )
    await opened.start(development=True)
    yield opened
    await opened.close()


@pytest.fixture
async def one_url(tmp_path: Path) -> AsyncIterator[str]:
    """A single server, where the kind of store does not matter."""
    async with valkey(tmp_path / "one") as server:
        yield server.url


@pytest.fixture
async def one(one_url: str) -> AsyncIterator[RedisStore]:
    """The store on it."""
    opened = RedisStore(
        one_url, timeout=20, addresses_of=frozenset((BRAND,)), identity=KEYRING.identity()
    )
    await opened.start(development=True)
    yield opened
    await opened.close()


def digest_of(number: int) -> RecipientDigest:
    return RecipientDigest(bytes([number % 256]) + number.to_bytes(9, "big"))


async def fill(store: RedisStore, make: Make, people: int = PEOPLE) -> None:
    """Let the store hold something of every kind."""
    said = [
        make(digest=digest_of(number), at_ms=1000 + number)._replace(
            sealed_address=b"\x01" + os.urandom(20)
        )
        for number in range(people)
    ]
    await asyncio.gather(*(asyncio.ensure_future(store.apply(one)) for one in said))
    await RedisGroups(store.connection).add(
        BRAND, SubscriptionGroup(id=GroupId("news"), name="News Ω"), most_active=50
    )
    await RedisApiKeys(store.connection).put(
        ApiKey(
            id="k1",
            brand=BrandId("acme"),
            name="crm",
            scopes=frozenset(),
            created_ms=1,
            secret_digest=b"d" * 32,
        )
    )
    await RedisAudit(store.connection).note(
        BRAND,
        AuditEntry(
            at_ms=1,
            actor="cli",
            action=AuditAction.SUPPRESSIONS_IMPORTED,
            target="ab" * 8,
            detail={"read": "1"},
        ),
    )
    work = RedisWork(store.connection)
    first, *_ = await work.waiting([0], limit=1)
    delivery = Delivery(
        endpoint=EndpointKey(b"endpoint"),
        statement=first.statement,
        changed=(GroupKey(0),),
        sequence=1,
        queued_ms=5,
    )
    await work.move([(first, [delivery])], due_ms=10)
    second, *_ = await work.waiting([1], limit=1)
    await RedisDeliveries(store.connection).bury([delivery], at_ms=7)
    other = Delivery(
        endpoint=EndpointKey(b"endpoint"),
        statement=second.statement,
        changed=(GroupKey(0),),
        sequence=1,
        queued_ms=5,
    )
    await work.move([(second, [other])], due_ms=10)
    await store.connection.run(
        [("SET", "so:tally:7:20000", "x"), ("PEXPIRE", "so:tally:7:20000", 86_400_000)]
    )


async def written(store: RedisStore, header: Header = HEADER) -> bytes:
    file = io.BytesIO()
    await backup.back_up(store.connection, Writer(file, header, KEY), progress=nothing)
    return file.getvalue()


def content(packed: bytes) -> set[tuple[bytes, ...]]:
    """What a backup says, however it is cut into commands."""
    found: set[tuple[bytes, ...]] = set()
    for name, key, *parts in Reader(io.BytesIO(packed)).records(KEY):
        if name in {b"HSET", b"ZADD"}:
            found |= {(name, key, *pair) for pair in zip(parts[::2], parts[1::2], strict=True)}
        else:
            found.add((name, key, *parts))
    return found


async def restored(
    store: RedisStore,
    records: Iterator[Record] | Sequence[Record],
    *,
    above: int = 0,
    name: str = "b1",
) -> int:
    return await backup.restore(
        store.connection, records, backup=name, above=above, replicated=False, progress=nothing
    )


async def test_everything_comes_back_and_sequences_go_on_above_what_was_told(
    store: RedisStore, make_statement: Make
) -> None:
    """Catalogue N26: on one server, behind sentinels, in a cluster."""
    await fill(store, make_statement)
    packed = await written(store)
    later = make_statement(digest=digest_of(5), at_ms=9000, subscribed=True)
    await store.apply(later)
    told = await store.apply(later._replace(at_ms=9001, subscribed=False))
    reader = Reader(io.BytesIO(packed))

    epoch = await restored(store, reader.records(KEY))

    same = content(await written(store))
    again = await store.apply(later)
    assert content(packed) == same
    assert 3 == told.sequence
    assert epoch + 1 == again.sequence > told.sequence
    assert (PEOPLE, PEOPLE, 1, 1, 1, 1) == tuple(
        reader.counts[name]
        for name in ("recipients", "changes", "groups", "api_keys", "audit_entries", "dead_letters")
    )
    (preferences,) = await store.preferences(BRAND, [digest_of(6)])
    assert not preferences.everything.subscribed


async def test_a_restore_replaces_all_that_is_there(one: RedisStore, make_statement: Make) -> None:
    await fill(one, make_statement, people=520)
    packed = await written(one)
    await one.apply(make_statement(digest=digest_of(9000)))
    await RedisGroups(one.connection).add(
        BRAND, SubscriptionGroup(id=GroupId("more"), name="More"), most_active=50
    )
    one.keep_addresses_of(frozenset())

    await restored(one, Reader(io.BytesIO(packed)).records(KEY))

    assert content(packed) == content(await written(one))


async def test_a_restore_that_is_broken_off_leaves_a_store_that_nobody_may_use_until_it_is_run_again(
    one: RedisStore, one_url: str, make_statement: Make
) -> None:
    """Catalogue N26: half of those who have unsubscribed would be missing from it."""
    await fill(one, make_statement, people=600)
    packed = await written(one)

    def broken() -> Iterator[Record]:
        for number, record in enumerate(Reader(io.BytesIO(packed)).records(KEY)):
            if number == 700:
                raise ConnectionAbortedError("pulled the plug")
            yield record

    with pytest.raises(ConnectionAbortedError):
        await restored(one, broken())
    begun = await backup.is_restoring(one.connection)
    process = RedisStore(one_url, timeout=20, identity=KEYRING.identity())
    for use in (process.start(), process.belong(), process.preferences(BRAND, [digest_of(1)])):
        with pytest.raises(StoreUnavailable, match="a restore of this store has not ended"):
            await use
    await restored(one, Reader(io.BytesIO(packed)).records(KEY))

    assert (True, False) == (begun, await backup.is_restoring(one.connection))
    assert content(packed) == content(await written(one))
    await process.start(development=True)
    await process.close()


async def test_two_restores_at_once_are_one(
    one: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_TRIES", 1)
    await one.connection.run([("SET", keys.RESTORE, "other")])

    with pytest.raises(Conflict, match="another restore"):
        await restored(one, [])

    assert not await backup.is_restoring(one.connection)


async def test_a_restore_that_was_overtaken_stops(one: RedisStore, make_statement: Make) -> None:
    await fill(one, make_statement, people=520)
    packed = await written(one)

    def slow() -> Iterator[Record]:
        for number, record in enumerate(Reader(io.BytesIO(packed)).records(KEY)):
            if number == 600:
                taken.set()
            yield record

    taken = asyncio.Event()

    class Losing:
        """The wire of a restore whose sign has gone by the second pipeline."""

        async def run(
            self, commands: Sequence[tuple[object, ...]], *, replicated: bool = False
        ) -> Sequence[object]:
            if taken.is_set():
                await one.connection.run([("DEL", keys.RESTORE)])
            return await one.connection.run(commands, replicated=replicated)  # type: ignore[arg-type]  # as they came

        def scan(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
            return one.connection.scan(pattern)

    losing: Any = Losing()  # what of a wire a restore uses
    with pytest.raises(StoreUnavailable, match="run it again"):
        await backup.restore(
            losing, slow(), backup="b", above=0, replicated=False, progress=nothing
        )
    assert await backup.is_restoring(one.connection)


async def test_epochs_of_the_store_and_of_the_backup_are_both_below_the_new_one(
    one: RedisStore,
) -> None:
    """Catalogue N26."""
    mine = await raise_epoch(one.connection, above=2**51)

    after_mine = await restored(one, [])
    after_other = await restored(one, [], above=2**52)

    assert mine < after_mine
    assert 2**52 < after_other == await epoch_of(one.connection)


async def test_a_store_counts_as_empty_after_processes_were_started_on_it(
    one: RedisStore, make_statement: Make
) -> None:
    await RedisDeliveries(one.connection).note_known([EndpointKey(b"endpoint")], at_ms=1)
    await one.ping()
    fresh = await backup.is_empty(one.connection)
    await one.apply(make_statement())

    assert (True, False) == (fresh, await backup.is_empty(one.connection))


async def small(one: RedisStore, make: Make) -> bytes:
    await one.apply(make(digest=digest_of(1)))
    return await written(one)


def refusal(packed: bytes, key: bytes = KEY) -> str:
    with pytest.raises(InvalidInput) as refused:
        for _ in backup.checked(Reader(io.BytesIO(packed)).records(key)):
            pass
    return str(refused.value)


async def test_a_file_that_is_cut_off_anywhere_is_refused(
    one: RedisStore, make_statement: Make
) -> None:
    packed = await small(one, make_statement)

    for end in range(len(packed)):
        assert refusal(packed[:end])


async def test_a_file_in_which_any_octet_was_changed_is_refused_or_says_the_same(
    one: RedisStore, make_statement: Make
) -> None:
    """Some bits of gzip say nothing, such as time and system in its head."""
    packed = await small(one, make_statement)
    whole, first = content(packed), packed.index(b"\n") + 1
    harmless: set[int] = set()

    for at in range(len(packed)):
        changed = packed[:at] + bytes([packed[at] ^ 0x20]) + packed[at + 1 :]
        try:
            found = content(changed)
        except InvalidInput:
            continue
        assert at >= first
        assert whole == found
        harmless.add(at)

    assert len(harmless) < len(packed) // 20


async def test_foreign_files_are_refused_by_what_they_are(
    one: RedisStore, make_statement: Make
) -> None:
    packed = await small(one, make_statement)
    forged, other = io.BytesIO(), io.BytesIO()
    writer = Writer(forged, HEADER, KEY)
    writer.write(b"HSET", b"so:meta", b"pepper", b"x")
    writer.end({})
    writer = Writer(other, HEADER, KEY)
    writer.write(b"FLUSHALL")
    writer.end({})

    assert "no backup of Signoff" in refusal(b"hallo\n")
    assert "no backup of Signoff" in refusal(b"")
    assert "has version 2" in refusal(packed.replace(b"signoff-backup 1", b"signoff-backup 2", 1))
    assert "made by another keyring" in refusal(packed, key=b"q" * 32)
    assert "something stands behind its end" in refusal(packed + b"x")
    assert "a command that no backup has" in refusal(forged.getvalue())
    assert "a command that no backup has" in refusal(other.getvalue())
    assert "first line cannot be read" in refusal(b'signoff-backup 1 {"keys": 5}\n')


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("so:meta", None),
        (keys.WORKERS, None),
        (keys.RESTORE, None),
        (keys.PROBES[3], None),
        (keys.epoch(3), None),
        (keys.ledger(b"\x03" * 16), None),
        (keys.calls("k1", 5), None),
        ("other:key", None),
        (keys.state(BRAND, digest_of(3), 64), backup.Kind.RECIPIENTS),
        (keys.history(BRAND, 3), backup.Kind.CHANGES),
        (keys.work(3), backup.Kind.WAITING),
        (keys.aside_of(BRAND, 3), backup.Kind.WAITING),
        (keys.pending(3), backup.Kind.WAITING),
        (keys.due(3), backup.Kind.OTHER),
        (keys.dead(3), backup.Kind.DEAD),
        (keys.groups(BRAND), backup.Kind.GROUPS),
        (keys.api_keys(), backup.Kind.API_KEYS),
        (keys.audit(BRAND), backup.Kind.AUDIT),
        (keys.tally(BRAND, 20000), backup.Kind.OTHER),
        ("so:something-of-a-later-version", backup.Kind.OTHER),
    ],
)
def test_every_key_is_kept_but_what_lives_for_minutes(key: str, kind: backup.Kind | None) -> None:
    assert kind == backup.kind_of(key.encode())
