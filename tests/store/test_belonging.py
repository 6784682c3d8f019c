"""A store belongs to the keyring that it was made with: another pepper, or other bytes of a key, is
refused by name.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
import redis

from app.core.errors import Misconfigured, StoreUnavailable
from app.core.keyring import Identity, Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, RecipientDigest, Statement
from app.store import keys
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore

Make = Callable[..., Statement]
BRAND = BrandNumber(7)
FIRST = MasterKey(id=1, secret=b"1" * 32, status=KeyStatus.PRIMARY)
SECOND = MasterKey(id=2, secret=b"2" * 32, status=KeyStatus.PRIMARY)
PEPPER = b"p" * 32


def identity(*master: MasterKey, pepper: bytes = PEPPER) -> Identity:
    return Keyring(keys=master or (FIRST,), pepper=pepper).identity()


async def refusal(url: str, other: Identity) -> Sequence[str]:
    """What a process that starts with this keyring is told; empty when it may start."""
    store = RedisStore(url, timeout=5, identity=other)
    try:
        await store.start(development=True)
    except Misconfigured as exc:
        return exc.problems
    finally:
        await store.close()
    return ()


async def test_another_pepper_is_refused_with_its_reason_and_what_to_do_and_changes_nothing(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    """Catalogue N24."""
    first = await refusal(server.url, identity())
    before = operator.hgetall(keys.META)

    (told,) = await refusal(server.url, identity(FIRST, SECOND, pepper=PEPPER[:-1] + b"q"))
    again = await refusal(server.url, identity())

    assert ((), ()) == (first, again)
    assert told.startswith("keyring_file: the pepper (fingerprint ")
    assert "nobody who has unsubscribed would be found" in told
    assert "Bring back the keyring that belongs to this store" in told
    assert before == operator.hgetall(keys.META)


async def test_a_key_whose_bytes_changed_under_its_id_is_refused_and_a_new_id_is_learnt(
    server: EmbeddedStore,
) -> None:
    """Catalogue N24."""
    await refusal(server.url, identity())

    grown = await refusal(server.url, identity(FIRST, SECOND))
    changed = await refusal(server.url, identity(FIRST, replace(SECOND, secret=b"3" * 32)))
    both = await refusal(server.url, identity(replace(FIRST, secret=b"4" * 32), pepper=b"q" * 32))
    retired = await refusal(
        server.url, identity(FIRST, replace(SECOND, secret=b"0" * 32, status=KeyStatus.REVOKED))
    )
    fewer = await refusal(server.url, identity(FIRST))

    assert ((), (), ()) == (grown, retired, fewer)
    assert ["keyring_file: key 2 is not"] == [problem[:26] for problem in changed]
    assert ["keyring_file: key 1 is not", "keyring_file: the pepper ("] == sorted(
        problem[:26] for problem in both
    )


async def test_a_store_from_before_fingerprints_gets_the_one_that_is_in_force(
    server: EmbeddedStore, operator: redis.Redis, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N24."""
    older = RedisStore(server.url, timeout=5)
    await older.start(development=True)
    await older.apply(make_statement())
    await older.close()

    first, foreign = (
        await refusal(server.url, identity()),
        await refusal(server.url, identity(pepper=b"q" * 32)),
    )

    assert () == first
    assert 1 == len(foreign)
    assert identity().pepper.encode() == operator.hget(keys.META, "pepper")


async def test_of_two_keyrings_that_start_at_once_one_is_refused_and_leaves_no_trace(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    """Catalogue N24."""
    mine, other = (
        identity(FIRST),
        identity(replace(FIRST, secret=b"9" * 32), SECOND, pepper=b"q" * 32),
    )

    told = await asyncio.gather(*(refusal(server.url, one) for one in (mine, other)))

    (kept,) = [one for one, problems in zip((mine, other), told, strict=True) if not problems]
    stored: Mapping[bytes, bytes] = operator.hgetall(keys.META)  # type: ignore[assignment]  # it does not decode
    assert kept.pepper.encode() == stored[b"pepper"]
    assert {f"key:{key_id}".encode(): value.encode() for key_id, value in kept.keys.items()} == {
        name: value for name, value in stored.items() if name.startswith(b"key:")
    }


async def test_a_process_that_started_while_the_store_was_away_touches_no_foreign_store(
    server: EmbeddedStore, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N24: the check is made up for before the first read and the first write."""
    await refusal(server.url, identity())
    store = RedisStore(server.url, timeout=5, identity=identity(pepper=b"q" * 32))

    with pytest.raises(StoreUnavailable, match="the pepper"):
        await store.preferences(BRAND, [digest])
    with pytest.raises(StoreUnavailable, match="the pepper"):
        await store.apply(make_statement())
    with pytest.raises(Misconfigured):
        await store.belong()
    await store.close()


async def test_a_store_that_takes_another_ones_place_is_looked_at_again(
    server: EmbeddedStore, operator: redis.Redis, digest: RecipientDigest, make_statement: Make
) -> None:
    """Catalogue N24: behind a name there may stand another server after every break."""
    store = RedisStore(server.url, timeout=5, identity=identity())
    await store.start(development=True)
    await store.apply(make_statement())
    operator.hset(keys.META, "pepper", identity(pepper=b"q" * 32).pepper)
    operator.shutdown(nosave=True)
    server.ensure()

    # that the connections are broken may be found first
    with suppress(StoreUnavailable, Misconfigured):
        await store.belong()
    with pytest.raises(Misconfigured, match="the pepper"):
        await store.belong()
    with pytest.raises(StoreUnavailable, match="the pepper"):
        await store.preferences(BRAND, [digest])
    await store.close()


async def test_a_key_that_is_added_while_a_process_runs_is_learnt_and_a_changed_one_refused(
    server: EmbeddedStore,
) -> None:
    """Catalogue N24."""
    store = RedisStore(server.url, timeout=5, identity=identity())
    await store.start(development=True)

    await store.belong(identity(FIRST, SECOND))
    with pytest.raises(Misconfigured, match="key 2"):
        await store.belong(identity(FIRST, replace(SECOND, secret=b"3" * 32)))
    await store.belong()
    await store.close()

    assert () == await refusal(server.url, identity(FIRST, SECOND))


def test_the_values_by_which_a_keyring_is_known_tell_nothing_of_it_and_never_change() -> None:
    """Catalogue N24: they are stored, so another formula would lock every installation out."""
    known = identity(FIRST, replace(SECOND, status=KeyStatus.REVOKED))

    assert [1] == list(known.keys)
    assert (32, 16) == (len(known.pepper), len(known.keys[1]))
    assert PEPPER.hex() not in known.pepper
    assert ("d5806e51ca47d969843cf9dcb40ca3fd", "1c0a943fe73edece") == (known.pepper, known.keys[1])
    assert identity(pepper=b"q" * 32).pepper != known.pepper
