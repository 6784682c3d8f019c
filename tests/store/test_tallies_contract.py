"""What every tally must do: run over the twin in memory, the embedded Valkey, a cluster, and
Debian's Redis (interop).
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import redis

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber
from app.core.tally import KEPT_DAYS, OTHERS, TallyKind, Tick
from app.store import keys
from app.store.counters import RedisTallies
from app.store.redis import RedisStore
from app.usecases.ports import Tallies
from tests.support.memory_counters import MemoryTallies

DAY = 20_000
MOST = 3
_brands = itertools.count(100)


@pytest.fixture(
    params=["memory", "valkey", "cluster", pytest.param("redis", marks=pytest.mark.interop)]
)
async def tallies(request: pytest.FixtureRequest) -> AsyncIterator[Tallies]:
    """Each kind of tally in turn, with room for three names."""
    if request.param == "memory":
        yield MemoryTallies(most_names=MOST)
        return
    store = RedisStore(request.getfixturevalue(f"{request.param}_url"), timeout=5)
    yield RedisTallies(store.connection, most_names=MOST)
    await store.close()


@pytest.fixture
def brand() -> BrandNumber:
    """A brand that no other test knows."""
    return BrandNumber(next(_brands))


async def test_nothing_was_counted_of_a_new_brand(tallies: Tallies, brand: BrandNumber) -> None:
    assert {} == await tallies.read(brand, range(DAY, DAY + 30))
    assert {} == await tallies.read(brand, ())


async def test_counts_add_up_by_brand_day_kind_and_name(
    tallies: Tallies, brand: BrandNumber
) -> None:
    click, mail = (
        Tick(brand, DAY, TallyKind.LEFT, "list_unsubscribe"),
        Tick(brand, DAY + 1, TallyKind.LEFT, "mailto"),
    )
    back = Tick(brand, DAY, TallyKind.BACK, "list_unsubscribe")
    other = click._replace(brand=BrandNumber(brand + 1000))

    await asyncio.gather(*(tallies.add({click: 2, mail: 1, back: 5, other: 7}) for _ in range(3)))

    assert {click: 6, mail: 3, back: 15} == await tallies.read(brand, (DAY, DAY + 1))
    assert {mail: 3} == await tallies.read(brand, (DAY + 1,))


async def test_names_of_any_text_come_back_as_they_were(
    tallies: Tallies, brand: BrandNumber
) -> None:
    ticks = {Tick(brand, DAY, TallyKind.CAMPAIGN, name): 1 for name in ("प्रचार 🙂", "#l", ":c\n")}

    await tallies.add(ticks)

    assert ticks == await tallies.read(brand, (DAY,))


async def test_names_beyond_the_bound_are_counted_together(
    tallies: Tallies, brand: BrandNumber
) -> None:
    """A sender that gives each mail a campaign of its own must not fill the store."""
    for number in range(10):
        await tallies.add({Tick(brand, DAY, TallyKind.CAMPAIGN, f"c{number}"): 1})
    await tallies.add(
        {Tick(brand, DAY, TallyKind.CAMPAIGN, "c0"): 1, Tick(brand, DAY, TallyKind.COPIES, "c9"): 4}
    )

    found = Counter(
        {
            (tick.kind, tick.name): count
            for tick, count in (await tallies.read(brand, (DAY,))).items()
        }
    )

    assert {
        ("c", "c0"): 2,
        ("c", "c1"): 1,
        ("c", "c2"): 1,
        ("c", OTHERS): 7,
        ("m", "c9"): 4,
    } == found


async def test_a_day_goes_by_itself(
    valkey_url: str, valkey: RedisStore, brand: BrandNumber
) -> None:
    await RedisTallies(valkey.connection).add({Tick(brand, DAY, TallyKind.LEFT, "api"): 1})

    with redis.Redis.from_url(valkey_url) as operator:
        assert 0 < operator.ttl(keys.tally(brand, DAY)) <= KEPT_DAYS * 86_400


async def test_a_tally_that_cannot_be_read_is_an_outage_and_no_zero(
    valkey_url: str, valkey: RedisStore, brand: BrandNumber
) -> None:
    with redis.Redis.from_url(valkey_url) as operator:
        operator.hset(keys.tally(brand, DAY), "zz", "many")

    with pytest.raises(StoreUnavailable):
        await RedisTallies(valkey.connection).read(brand, (DAY,))
