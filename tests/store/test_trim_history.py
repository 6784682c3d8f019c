"""Forgetting old history on a real server: by time, and never what a consumer group still has to
read.
"""

from collections.abc import Callable

import redis

from app.core.model import BrandNumber, RecipientDigest, Statement
from app.store import keys
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from app.store.work import RedisWork

BRAND = BrandNumber(7)
Make = Callable[..., Statement]


async def test_history_is_forgotten_by_time_but_not_what_a_group_has_not_read_or_not_acknowledged(
    server: EmbeddedStore, operator: redis.Redis, digest: RecipientDigest, make_statement: Make
) -> None:
    store = RedisStore(server.url, timeout=10)
    key, partition = keys.history(BRAND, digest[0]), [digest[0]]
    for step in range(4):
        await store.apply(make_statement(at_ms=1000 + step, subscribed=step % 2 == 1))
    operator.xgroup_create(key, "reader", id="0")
    entries = [entry for entry, _ in operator.execute_command("XRANGE", key, "-", "+")]  # type: ignore[no-untyped-call]  # in redis-py
    operator.xreadgroup("reader", "one", {key: ">"}, count=2)
    work, years = RedisWork(store.connection), 10 * 365 * 86_400_000

    unacknowledged = await work.trim_history(BRAND, partition, keep_ms=0)
    operator.xack(key, "reader", entries[0])
    half = await work.trim_history(BRAND, partition, keep_ms=0)
    operator.xack(key, "reader", *entries)
    unread = await work.trim_history(BRAND, partition, keep_ms=0)
    operator.xgroup_destroy(key, "reader")
    too_young = await work.trim_history(BRAND, partition, keep_ms=years)
    rest = await work.trim_history(BRAND, partition, keep_ms=0)
    nothing = await work.trim_history(BRAND, range(256), keep_ms=0)
    await store.close()

    assert (0, 1, 1, 0, 2, 0) == (unacknowledged, half, unread, too_young, rest, nothing)
