"""What a server must be before it may keep unsubscribes: laid out by our numbers, and set so that
it neither evicts nor loses.
"""

from contextlib import aclosing

import pytest
import redis

from app.core.errors import Misconfigured, StoreUnavailable
from app.store.embedded import EmbeddedStore
from app.store.redis import Durability, RedisStore


class Opened(RedisStore):
    """A store that closes itself at the end of `async with aclosing`."""

    aclose = RedisStore.close


async def test_an_evicting_store_refuses_to_start_outside_development(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    """Catalogue Q3."""
    operator.config_set("maxmemory-policy", "volatile-lru")
    async with aclosing(Opened(server.url, timeout=5)) as store:
        with pytest.raises(Misconfigured, match="volatile-lru"):
            await store.start()
        warnings = await store.start(development=True)

    assert any("volatile-lru" in warning for warning in warnings)


async def test_weak_settings_are_warned_of_and_good_ones_are_not(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    """Catalogue Q3."""
    async with aclosing(Opened(server.url, durability=Durability.REPLICATED, timeout=5)) as store:
        await store.start()
        operator.config_set("min-replicas-to-write", "1")
        quiet = await store.start()
        operator.config_set("appendfsync", "everysec")
        operator.config_set("appendonly", "no")
        operator.config_set("min-replicas-to-write", "0")
        operator.config_set("hash-max-listpack-entries", "128")
        loud = await store.start()

    assert () == quiet
    for name in ("appendonly", "appendfsync", "min-replicas-to-write", "hash-max-listpack-entries"):
        assert any(name in warning for warning in loud)


async def test_a_store_laid_out_with_other_numbers_refuses_to_start(server: EmbeddedStore) -> None:
    async with (
        aclosing(Opened(server.url, buckets=64, timeout=5)) as first,
        aclosing(Opened(server.url, buckets=32, timeout=5)) as second,
    ):
        await first.start()
        await first.start()

        with pytest.raises(Misconfigured, match="64 buckets, not 32"):
            await second.start()


async def test_an_empty_store_that_takes_no_writes_cannot_be_started(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    operator.config_set("min-replicas-to-write", "1")
    async with aclosing(Opened(server.url, timeout=5)) as store:
        with pytest.raises(StoreUnavailable):
            await store.start()
