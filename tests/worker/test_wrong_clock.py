"""Clocks that somebody sets while the worker runs: retries go on, and nothing is deleted, given up
or cancelled before its time.
"""

import pytest

from app.core.brands import Brands
from app.core.model import Brand, BrandId, BrandNumber
from app.observe import metrics
from app.observe.log import logger
from app.store import codec, keys
from app.store.clock import StoreClock, wall_ms
from app.store.deliveries import RedisDeliveries
from app.store.epoch import time_ms
from app.store.recipient_index import RedisRecipientIndex
from app.store.redis import RedisStore
from app.store.work import RedisWork
from app.worker.breaker import Breaker
from app.worker.history import MOST_APART_MS, Trimmer
from app.worker.intervals import has_come
from tests.support.memory_store import MemoryStore
from tests.support.receiver import receiving
from tests.worker.running import endpoint_of, eventually, now_ms, settled, statement_of, working

DAY, YEAR = 86_400_000, 365 * 86_400_000
BRAND = Brand(
    id=BrandId("b7"), number=BrandNumber(7), name="B7", sender_domains=frozenset(("b7.example",))
)


class Settable:
    """A machine's clock that somebody sets."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead_ms


@pytest.mark.parametrize("jump", [-DAY, DAY, 4 * YEAR])
async def test_retries_go_on_and_nothing_is_given_up_when_the_machines_clock_is_set(
    jump: int, url: str, store: RedisStore
) -> None:
    """Catalogue N28: the worker goes by the store's time."""
    machine = Settable()
    clock = StoreClock(store.connection, wall=machine)
    await clock.look()
    async with (
        receiving(statuses=[503, 503, 503]) as receiver,
        working(url, [endpoint_of(receiver.url)], clock=clock),
    ):
        await store.apply(statement_of("ann@example.net"))
        await receiver.until(lambda one: len(one.book) >= 1)
        machine.ahead_ms = jump
        await receiver.until(lambda one: len(one.book) == 4)
        await eventually(lambda: settled(store))

    assert not await RedisDeliveries(store.connection).dead_letters(None)


@pytest.mark.parametrize("jump", [-DAY, DAY])
async def test_no_interval_of_the_worker_waits_for_a_time_that_was_noted_before_the_clock_was_set(
    jump: int, url: str, store: RedisStore
) -> None:
    """Catalogue N28: whatever clock it is given."""
    clock = Settable()
    async with receiving() as receiver, working(url, [endpoint_of(receiver.url)], clock=clock):
        await store.apply(statement_of("ann@example.net"))
        await eventually(lambda: settled(store))
        clock.ahead_ms = jump
        receiver.statuses = [503, 503]
        await store.apply(statement_of("bob@example.net"))
        await receiver.until(lambda one: len(one.book) == 4)
        await eventually(lambda: settled(store))


async def test_the_stores_time_is_told_though_our_own_clock_is_wrong(store: RedisStore) -> None:
    """Catalogue N28."""
    machine = Settable()
    machine.ahead_ms = 4 * YEAR
    clock = StoreClock(store.connection, wall=machine)
    before = clock()

    await clock.look()
    machine.ahead_ms = -DAY

    assert before > now_ms() + 3 * YEAR
    assert abs(clock() - await time_ms(store.connection)) < 60_000


async def trimmed(store: RedisStore, *, ahead_ms: int, days: int) -> int:
    brands = Brands((BRAND,))
    machine = Settable()
    machine.ahead_ms = ahead_ms
    return await Trimmer(
        work=RedisWork(store.connection),
        brands=brands,
        days=days,
        clock=machine,
        log=logger("test"),
    ).trim()


@pytest.mark.parametrize("ahead", [4 * YEAR, -4 * YEAR, DAY, -DAY, MOST_APART_MS + 60_000])
async def test_a_clock_that_is_hours_or_years_off_deletes_nothing(
    ahead: int, store: RedisStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catalogue N28: it is refused, logged and counted."""
    statement = statement_of("ann@example.net")
    await store.apply(statement)
    before = metrics.DELETIONS_REFUSED._value.get()

    count = await trimmed(store, ahead_ms=ahead, days=1)

    printed = capsys.readouterr()
    assert (0, 1) == (count, len(await store.history(BRAND.number, statement.digest)))
    assert before + 1 == metrics.DELETIONS_REFUSED._value.get()
    assert "deletion_refused" in printed.out + printed.err


async def test_what_is_old_by_the_stores_time_is_deleted_and_what_is_young_stays(
    store: RedisStore,
) -> None:
    """Catalogue N28."""
    statement = statement_of("ann@example.net")
    key = keys.history(BRAND.number, statement.digest[0])
    old = await time_ms(store.connection) - 3 * DAY
    fields = ("s", codec.encode_statement(statement), "c", codec.encode_groups(()), "n", 1)
    await store.connection.run([("XADD", key, f"{old}-1", *fields)])
    await store.apply(statement)

    counts = [await trimmed(store, ahead_ms=0, days=days) for days in (4, 2, 2)]

    assert [0, 1, 0] == counts
    assert 1 == len(await store.history(BRAND.number, statement.digest))


async def test_an_erasure_by_a_clock_years_ahead_keeps_no_later_address_out(
    store: RedisStore,
) -> None:
    """Catalogue N28: in the store and in its twin."""
    store.keep_addresses_of(frozenset((BRAND.number,)))
    twin = MemoryStore(addresses_of=frozenset((BRAND.number,)))
    later = statement_of("ann@example.net", at_ms=now_ms() + DAY)
    await RedisRecipientIndex(store.connection).erase(
        BRAND.number, later.digest, erased_ms=now_ms() + 4 * YEAR
    )
    twin.erase(BRAND.number, later.digest, now_ms() + 4 * YEAR)

    await store.apply(later)
    await twin.apply(later)

    (known,) = await RedisRecipientIndex(store.connection).recipients(
        BRAND.number, after=None, limit=1
    )
    assert (
        later.sealed_address == known.sealed_address == twin.known(BRAND.number)[0].sealed_address
    )


@pytest.mark.parametrize(
    ("now", "due", "come"),
    [
        (1000, 1000, True),
        (1001, 1000, True),
        (999, 1000, False),
        (500, 1000, False),
        (499, 1000, True),
        (1000 - DAY, 1000, True),
    ],
)
def test_a_time_that_was_noted_farther_ahead_than_any_has_come(
    now: int, due: int, come: bool
) -> None:
    """Catalogue N28."""
    assert come == has_come(now, due, every_ms=500)


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_breaker_does_not_stay_open_for_the_time_by_which_the_clock_was_set(jump: int) -> None:
    """Catalogue N28."""
    breaker = Breaker(failures=1, first_pause_ms=1000)
    now = wall_ms()
    breaker.failed(now)

    assert (True, False) == (breaker.is_open(now + 500), breaker.is_open(now + jump))
