"""What a worker takes off the streams is counted, by it alone, with endpoints and without."""

from app.core.model import BrandNumber, CampaignId, Source
from app.core.tally import TallyKind, Tick, day_of
from app.store.counters import RedisTallies
from app.store.redis import RedisStore
from tests.support.receiver import receiving
from tests.worker.running import endpoint_of, eventually, now_ms, settled, statement_of, working

BRAND = BrandNumber(7)


async def counted(store: RedisStore) -> dict[tuple[str, str], int]:
    today = day_of(now_ms())
    ticks = await RedisTallies(store.connection).read(BRAND, range(today - 1, today + 2))
    assert all(isinstance(tick, Tick) for tick in ticks)
    found: dict[tuple[str, str], int] = {}
    for tick, count in ticks.items():
        found[tick.kind, tick.name] = found.get((tick.kind, tick.name), 0) + count
    return found


async def test_each_change_is_counted_once_though_two_workers_read_it(
    url: str, store: RedisStore
) -> None:
    expected = {
        (TallyKind.LEFT, "list_unsubscribe"): 20,
        (TallyKind.CAMPAIGN, "spring-24"): 20,
        (TallyKind.BACK, "list_unsubscribe"): 1,
        (TallyKind.LEFT, "mailto"): 1,
    }

    async def all_counted() -> bool:
        return await settled(store) and sum((await counted(store)).values()) >= 42

    async with (
        receiving() as receiver,
        working(url, [endpoint_of(receiver.url)]),
        working(url, [], name="other"),
    ):
        for number in range(20):
            await store.apply(statement_of(f"r{number}@example.net"))
            # the second click changes nothing
            await store.apply(statement_of(f"r{number}@example.net"))
        await store.apply(statement_of("r0@example.net", subscribed=True, at_ms=now_ms() + 1))
        await store.apply(
            statement_of("ann@example.net", source=Source.MAILTO, campaign=CampaignId(""))
        )
        await eventually(all_counted)

    assert expected == await counted(store)
