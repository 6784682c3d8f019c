"""The limit of calls by key: shared by all nodes, sliding, and never in the way of an outage."""

from app.core.errors import StoreUnavailable
from app.usecases.call_limit import WINDOW_MS, CallLimit
from tests.support.memory_queries import MemoryCallCounter


class AwayCounter:
    """A counter whose store is away."""

    async def count(self, caller: str, *, window: int, window_ms: int) -> tuple[int, int]:
        raise StoreUnavailable("away")


async def test_two_nodes_count_together() -> None:
    """Catalogue Q10."""
    counter = MemoryCallCounter()
    one, other = (
        CallLimit(counter, lambda: 5 * WINDOW_MS + 20_000, per_minute=3) for _ in range(2)
    )

    pauses = [await node.pause("k") for node in (one, other, one, other)]

    assert [0, 0, 0, 40] == pauses


async def test_a_full_window_weighs_less_the_longer_it_is_over() -> None:
    counter, now_ms = MemoryCallCounter(), 5 * WINDOW_MS
    limit = CallLimit(counter, lambda: now_ms, per_minute=4)
    for _ in range(4):
        await limit.pause("k")

    now_ms = 6 * WINDOW_MS + WINDOW_MS // 2
    pauses = [await limit.pause("k") for _ in range(3)]

    assert [0, 0, 30] == pauses


async def test_while_the_store_is_away_nobody_is_limited() -> None:
    limit = CallLimit(AwayCounter(), lambda: 0, per_minute=1)

    assert [0, 0, 0] == [await limit.pause("k") for _ in range(3)]
