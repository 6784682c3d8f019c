"""What every ledger of copies must do: run over the twin in memory, the embedded Valkey, a cluster,
and Debian's Redis (interop).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, RecipientDigest
from app.store import keys
from app.store.batching import Command, Reply
from app.store.ledger import RedisLedger
from app.store.ledger_memory import MemoryLedger
from app.store.redis import RedisStore
from app.usecases.ports import CopyLedger

DAY = 86_400


@pytest.fixture(
    params=["memory", "valkey", "cluster", pytest.param("redis", marks=pytest.mark.interop)]
)
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[CopyLedger]:
    """Each kind of ledger in turn."""
    if request.param == "memory":
        yield MemoryLedger(clock=lambda: 1000)
        return
    store = RedisStore(request.getfixturevalue(f"{request.param}_url"), timeout=5)
    opened = RedisLedger(store.connection, store.reads)
    yield opened
    await store.close()


@pytest.fixture
def message() -> bytes:
    """A message that no other test knows."""
    return os.urandom(16)


async def test_nothing_is_known_of_a_new_message(ledger: CopyLedger, message: bytes) -> None:
    assert {} == await ledger.entries(message)


async def test_what_was_noted_is_known(ledger: CopyLedger, message: bytes) -> None:
    """Catalogue X3: octets of any value come back as they were."""
    entries = {os.urandom(16): bytes(range(256)), os.urandom(16): b""}

    await ledger.note(message, entries, keep_seconds=DAY)

    assert entries == await ledger.entries(message)


async def test_entries_of_two_tries_stand_beside_each_other_and_the_later_one_wins(
    ledger: CopyLedger, message: bytes
) -> None:
    """Catalogue X3: two relays may each finish other recipients of one message."""
    await ledger.note(message, {b"ann": b"unknown", b"bob": b"delivered"}, keep_seconds=DAY)
    await ledger.note(message, {b"ann": b"delivered", b"cid": b"refused"}, keep_seconds=DAY)

    assert {b"ann": b"delivered", b"bob": b"delivered", b"cid": b"refused"} == await ledger.entries(
        message
    )


async def test_messages_do_not_share_entries(ledger: CopyLedger, message: bytes) -> None:
    await ledger.note(message, {b"ann": b"delivered"}, keep_seconds=DAY)

    assert {} == await ledger.entries(message[:-1] + bytes([message[-1] ^ 1]))


async def test_many_look_ups_of_one_turn_each_get_their_own_answer(ledger: CopyLedger) -> None:
    messages = [os.urandom(16) for _ in range(50)]
    await asyncio.gather(
        *(ledger.note(message, {b"name": message}, keep_seconds=DAY) for message in messages)
    )

    found = await asyncio.gather(*(ledger.entries(message) for message in messages))

    assert [{b"name": message} for message in messages] == list(found)


async def test_memory_forgets_when_the_time_is_over_and_what_is_oldest() -> None:
    now = 0
    ledger = MemoryLedger(clock=lambda: now, max_messages=2)
    for name in (b"1", b"2", b"3"):
        await ledger.note(name, {b"ann": b"delivered"}, keep_seconds=1)

    kept = [name for name in (b"1", b"2", b"3") if await ledger.entries(name)]
    now = 1000
    later = [name for name in (b"1", b"2", b"3") if await ledger.entries(name)]

    assert [b"2", b"3"] == kept
    assert [] == later


async def test_the_store_forgets_by_itself_after_the_last_entrys_time(
    valkey: RedisStore, message: bytes
) -> None:
    """Bounded memory: no key without an end."""
    ledger = RedisLedger(valkey.connection, valkey.reads)
    await ledger.note(message, {b"ann": b"delivered"}, keep_seconds=DAY)
    await ledger.note(message, {b"bob": b"delivered"}, keep_seconds=3 * DAY)

    (left,) = await valkey.connection.run([("TTL", keys.ledger(message))])

    assert isinstance(left, int)
    assert 3 * DAY - 60 < left <= 3 * DAY


async def test_a_store_that_is_away_says_so() -> None:
    store = RedisStore("redis://127.0.0.1:1/0", timeout=0.5)
    ledger = RedisLedger(store.connection, store.reads)

    with pytest.raises(StoreUnavailable):
        await ledger.entries(b"0" * 16)
    with pytest.raises(StoreUnavailable):
        await ledger.note(b"0" * 16, {b"ann": b"delivered"}, keep_seconds=DAY)
    await store.close()


async def test_a_key_of_another_type_is_unavailable_and_not_nothing(
    valkey: RedisStore, message: bytes
) -> None:
    """To take it for an unknown message would send every copy a second time without a word."""
    await valkey.connection.run([("SET", keys.ledger(message), b"text")])

    with pytest.raises(StoreUnavailable):
        await RedisLedger(valkey.connection, valkey.reads).entries(message)


async def test_the_look_up_of_a_message_and_of_its_recipients_are_one_round_trip() -> None:
    """Every mail pays it."""
    store = RedisStore("redis://127.0.0.1:1/0", timeout=0.5)
    sent: list[list[str | bytes | int]] = []

    async def run(commands: Sequence[Command], *, replicated: bool = False) -> Sequence[Reply]:
        sent.append([command[0] for command in commands])
        return [[] if command[0] == "HGETALL" else None for command in commands]

    store.reads._run = run
    asked = RedisLedger(store.connection, store.reads).entries(b"0" * 16)
    states = await store.preferences(BrandNumber(7), [RecipientDigest(b"0123456789")])

    assert {} == await asked
    assert [True] == [state.everything.subscribed for state in states]
    assert [["HGETALL", "HGET"]] == sent
    await store.close()
