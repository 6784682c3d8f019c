"""What every work queue, delivery book and crew must do: over the twins in memory, the embedded
Valkey, a cluster, and Redis (interop).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from app.core.errors import InvalidInput
from app.core.groups import EVERYTHING
from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.core.webhook import Delivery, EndpointKey, WebhookFormat, Work, endpoint_key
from app.store.deliveries import RedisDeliveries
from app.store.redis import RedisStore
from app.store.work import RedisCrew, RedisWork
from app.usecases.delivery_ports import Crew, Deliveries, WorkQueue
from tests.support.memory_deliveries import MemoryCrew, MemoryDeliveries, MemoryWork
from tests.support.memory_store import MemoryStore

BRAND = BrandNumber(7)
ENDPOINT = endpoint_key(BRAND, "https://hooks.example/a", WebhookFormat.STANDARD)
OTHER = endpoint_key(BRAND, "https://hooks.example/b", WebhookFormat.STANDARD)
Make = Callable[..., Statement]


@dataclass(frozen=True, kw_only=True)
class Kit:
    """One store with everything that stands on it, seen through one recipient's partition."""

    store: MemoryStore | RedisStore
    work: WorkQueue
    deliveries: Deliveries
    crew: Crew
    digest: RecipientDigest

    async def entry(self) -> Work:
        (own,) = [work for work in await self.entries() if work.statement.digest == self.digest]
        return own

    async def entries(self) -> Sequence[Work]:
        return await self.work.waiting([self.digest[0]], limit=10_000)

    async def take(self, *, now_ms: int = 10**15, until_ms: int = 10**15 + 1) -> Sequence[Delivery]:
        taken = await self.deliveries.take(
            [self.digest[0]], now_ms=now_ms, until_ms=until_ms, limit=10_000
        )
        return [delivery for delivery in taken if delivery.digest == self.digest]

    async def dead(self) -> list[Delivery]:
        return [letter.delivery for letter in await self.letters()]

    async def letters(self, after: str = "") -> list:  # type: ignore[type-arg]
        found = await self.deliveries.dead_letters(BRAND, after=after, limit=10_000)
        return [letter for letter in found if letter.delivery.digest == self.digest]


@pytest.fixture
async def kit(store: MemoryStore | RedisStore, digest: RecipientDigest) -> AsyncIterator[Kit]:
    if isinstance(store, MemoryStore):
        deliveries = MemoryDeliveries()
        clock = lambda: time.monotonic_ns() // 1_000_000  # noqa: E731
        yield Kit(
            store=store,
            work=MemoryWork(store, deliveries),
            deliveries=deliveries,
            crew=MemoryCrew(clock),
            digest=digest,
        )
        return
    connection = store.connection
    yield Kit(
        store=store,
        work=RedisWork(connection),
        deliveries=RedisDeliveries(connection),
        crew=RedisCrew(connection),
        digest=digest,
    )


def delivery_of(work: Work, endpoint: EndpointKey = ENDPOINT, *, queued_ms: int = 5000) -> Delivery:
    return Delivery(
        endpoint=endpoint,
        statement=work.statement,
        changed=work.changed,
        sequence=work.sequence,
        queued_ms=queued_ms,
    )


async def moved(
    kit: Kit, statement: Statement, *endpoints: EndpointKey, due_ms: int = 1000
) -> Sequence[Delivery]:
    await kit.store.apply(statement)
    work = await kit.entry()
    (created,) = await kit.work.move(
        [(work, [delivery_of(work, endpoint) for endpoint in endpoints or (ENDPOINT,)])],
        due_ms=due_ms,
    )
    assert created is not None
    return created


async def test_a_change_waits_as_one_entry_and_reading_takes_nothing_away(
    kit: Kit, make_statement: Make
) -> None:
    statement = make_statement()
    await kit.store.apply(statement)
    await kit.store.apply(statement)

    first, again = await kit.entry(), await kit.entry()

    assert first == again
    assert (statement, (EVERYTHING,), 1) == (first.statement, first.changed, first.sequence)


async def test_moving_replaces_the_entry_by_its_deliveries(kit: Kit, make_statement: Make) -> None:
    created = await moved(kit, make_statement(), ENDPOINT, OTHER)

    assert [ENDPOINT, OTHER] == [delivery.endpoint for delivery in created]
    assert [] == [work for work in await kit.entries() if work.statement.digest == kit.digest]
    assert set(created) == set(await kit.take())


async def test_of_four_workers_that_move_one_entry_one_alone_raises_it(
    kit: Kit, make_statement: Make
) -> None:
    """Catalogue Q10."""
    await kit.store.apply(make_statement())
    work = await kit.entry()

    results = await asyncio.gather(
        *(kit.work.move([(work, [delivery_of(work)])], due_ms=0) for _ in range(4))
    )

    assert 3 == results.count([None])
    assert [1] == [len(created) for (created,) in results if created is not None]
    assert 1 == len(await kit.take())


async def test_an_entry_without_endpoints_is_done(kit: Kit, make_statement: Make) -> None:
    await kit.store.apply(make_statement())

    (created,) = await kit.work.move([(await kit.entry(), [])], due_ms=0)

    assert created is not None and not created
    assert [] == await kit.take()
    assert [] == [work for work in await kit.entries() if work.statement.digest == kit.digest]


async def test_what_waits_already_is_not_new_and_keeps_its_attempts(
    kit: Kit, make_statement: Make
) -> None:
    """A failover brings a statement to the streams a second time."""
    (delivery,) = await moved(kit, make_statement(), due_ms=1000)
    tried = replace(delivery, attempts=3, reason="answered 500")
    await kit.deliveries.retry([(tried, 2000)])
    await kit.store.apply(make_statement(at_ms=3000, subscribed=True))
    work = replace(await kit.entry(), statement=delivery.statement)

    (created,) = await kit.work.move([(work, [delivery])], due_ms=0)

    assert ([], [tried]) == (created, await kit.take())


async def test_what_is_taken_is_due_again_later_unless_it_is_finished(
    kit: Kit, make_statement: Make
) -> None:
    """Catalogue Q2: the taker may have died."""
    (delivery,) = await moved(kit, make_statement(), due_ms=1000)

    early = await kit.take(now_ms=999, until_ms=60_000)
    first = await kit.take(now_ms=1000, until_ms=60_000)
    meanwhile = await kit.take(now_ms=59_999, until_ms=60_000)
    again = await kit.take(now_ms=60_000, until_ms=120_000)
    await kit.deliveries.finish([delivery])
    afterwards = await kit.take()

    assert ([], [delivery], [], [delivery], []) == (early, first, meanwhile, again, afterwards)


async def test_a_failed_attempt_is_kept_with_its_reason_and_its_next_time(
    kit: Kit, make_statement: Make
) -> None:
    (delivery,) = await moved(kit, make_statement(groups=(11, 12)))
    failed = replace(delivery, attempts=2, reason="answered 503", late=True)

    await kit.deliveries.retry([(failed, 7000)])

    assert [] == await kit.take(now_ms=6999, until_ms=7000)
    assert [failed] == await kit.take(now_ms=7000, until_ms=8000)
    assert [(failed, 8000)] == [
        row
        for row in await kit.deliveries.pending(BRAND, limit=10_000)
        if row[0].digest == kit.digest
    ]


async def test_what_was_finished_does_not_come_back_by_a_late_failure(
    kit: Kit, make_statement: Make
) -> None:
    (delivery,) = await moved(kit, make_statement())
    await kit.deliveries.finish([delivery])

    await kit.deliveries.retry([(replace(delivery, attempts=1), 0)])
    await kit.deliveries.postpone([(delivery, 0)])
    await kit.deliveries.bury([delivery], at_ms=0)

    assert ([], []) == (await kit.take(), await kit.dead())


async def test_postponing_counts_no_attempt(kit: Kit, make_statement: Make) -> None:
    (delivery,) = await moved(kit, make_statement())

    await kit.deliveries.postpone([(delivery, 9000)])

    assert [] == await kit.take(now_ms=8999, until_ms=9000)
    assert [delivery] == await kit.take(now_ms=9000, until_ms=9001)


async def test_a_dead_letter_is_kept_once_with_its_reason_and_can_be_sent_again_once(
    kit: Kit, make_statement: Make
) -> None:
    """Catalogue Q7."""
    (delivery,) = await moved(kit, make_statement())
    given_up = replace(delivery, attempts=10, reason="no connection")
    await kit.deliveries.bury([given_up], at_ms=5000)
    await kit.deliveries.bury([given_up], at_ms=6000)
    (letter,) = await kit.letters()

    counts = [
        await kit.deliveries.resend([replace(letter, delivery=delivery)], due_ms=1)
        for _ in range(2)
    ]

    assert (given_up, 5000) == (letter.delivery, letter.at_ms)
    assert ([1, 0], [], [delivery]) == (counts, await kit.dead(), await kit.take())


async def test_dead_letters_are_paged_by_cursor_and_found_by_it(
    kit: Kit, make_statement: Make
) -> None:
    created = await moved(kit, make_statement(), ENDPOINT, OTHER)
    await kit.deliveries.bury(created, at_ms=1)
    first, second = await kit.letters()

    assert [second] == await kit.letters(after=first.cursor)
    assert [first] == await kit.deliveries.letters([first.cursor])
    assert (1, 0) == (await kit.deliveries.drop([first]), await kit.deliveries.drop([first]))
    assert [second] == await kit.letters()
    assert [] == await kit.deliveries.letters([first.cursor])


@pytest.mark.parametrize("cursor", ["nonsense", "999:1-0", "1:+", "1:1-0 2"])
async def test_what_is_no_cursor_is_invalid_input(kit: Kit, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await kit.deliveries.letters([cursor])
    with pytest.raises(InvalidInput):
        await kit.deliveries.dead_letters(None, after=cursor)


async def test_an_endpoint_is_switched_off_until_a_dead_letter_of_it_is_sent_again(
    kit: Kit, make_statement: Make
) -> None:
    endpoint = endpoint_key(
        BRAND, f"https://hooks.example/{kit.digest.hex()}", WebhookFormat.STREAMS
    )
    (delivery,) = await moved(kit, make_statement(), endpoint)
    await kit.deliveries.bury([delivery], at_ms=1)

    await kit.deliveries.switch_off(endpoint, at_ms=1)
    off = await kit.deliveries.switched_off()
    await kit.deliveries.resend(await kit.letters(), due_ms=0)

    assert endpoint in off
    assert endpoint not in await kit.deliveries.switched_off()


async def test_the_oldest_request_is_known_wherever_it_waits(
    kit: Kit, make_statement: Make
) -> None:
    """Catalogue Q9."""
    partition = [kit.digest[0]]
    await kit.store.apply(make_statement(at_ms=-1 % 2**40))
    unread = {work.statement.at_ms for work in await kit.work.oldest(partition)}
    lag = await kit.work.lag(partition)
    work = await kit.entry()
    await kit.work.move([(work, [delivery_of(work)])], due_ms=0)

    undelivered = await kit.deliveries.oldest(partition)

    assert min(unread) <= 2**40 - 1
    assert lag - 1 == await kit.work.lag(partition)
    assert (BRAND, 2**40 - 1) in undelivered


async def test_nobody_waits_for_an_import(kit: Kit, make_statement: Make) -> None:
    await kit.store.apply(make_statement(at_ms=1, source=Source.IMPORT))

    unread = [
        work
        for work in await kit.work.oldest([kit.digest[0]])
        if work.statement.digest == kit.digest
    ]
    work = await kit.entry()
    await kit.work.move([(work, [delivery_of(work, queued_ms=77_000)])], due_ms=0)

    assert [] == unread
    assert (BRAND, 77_000) in await kit.deliveries.oldest([kit.digest[0]])


async def test_dead_letters_are_counted(kit: Kit, make_statement: Make) -> None:
    before = await kit.deliveries.dead_count([kit.digest[0]])

    await kit.deliveries.bury(await moved(kit, make_statement()), at_ms=1)

    assert before + 1 == await kit.deliveries.dead_count([kit.digest[0]])


async def test_the_crew_is_who_gave_a_sign_and_has_not_left(kit: Kit) -> None:
    await kit.crew.join("one", for_ms=60_000)
    both = await kit.crew.join("two", for_ms=60_000)
    await kit.crew.leave("one")
    alone = await kit.crew.join("two", for_ms=60_000)
    await kit.crew.leave("two")

    assert (["one", "two"], ["two"]) == (list(both), list(alone))


async def test_who_gives_no_sign_is_dead_to_the_others(kit: Kit) -> None:
    """Catalogue Q2."""
    await kit.crew.join("dead", for_ms=60_000)
    alive = await kit.crew.join("alive", for_ms=60_000)
    while "dead" in alive:
        alive = await kit.crew.join("alive", for_ms=1)
    await kit.crew.leave("alive")

    assert ["alive"] == list(alive)


async def test_who_returned_a_token_last_is_known_by_brand(kit: Kit) -> None:
    first, second, never = (BrandNumber(60_000 + number) for number in range(3))

    await kit.work.note_returns({first, second}, at_ms=1000)
    await kit.work.note_returns({second}, at_ms=2000)
    await kit.work.note_returns((), at_ms=3000)

    assert {first: 1000, second: 2000} == await kit.work.returns([first, second, never])
    assert {} == await kit.work.returns([])


async def test_what_is_set_aside_waits_for_its_brand_and_is_raised_once(
    kit: Kit, make_statement: Make
) -> None:
    """Catalogue N11."""
    await kit.store.apply(make_statement())
    work = await kit.entry()
    here = [kit.digest[0]]
    before = await kit.work.aside_count(here)

    taken = await asyncio.gather(kit.work.set_aside([work]), kit.work.set_aside([work]))
    left, waiting = await kit.entries(), await kit.work.aside_count(here)
    strange = await kit.work.aside({BrandNumber(9)}, here, limit=8)
    (held,) = [
        one
        for one in await kit.work.aside({BRAND}, here, limit=10_000)
        if one.statement == work.statement
    ]
    results = await asyncio.gather(
        *(kit.work.move([(held, [delivery_of(held)])], due_ms=0) for _ in range(3))
    )
    await kit.work.aside({BRAND}, here, limit=8)

    assert (1, [], 1) == (
        sum(taken),
        [one for one in left if one.statement == work.statement],
        waiting - before,
    )
    assert [] == list(strange)
    assert (work.changed, work.sequence, True) == (held.changed, held.sequence, held.is_aside)
    assert 2 == results.count([None])
    assert [work.statement] == [one.statement for one in await kit.take()]
    assert before == await kit.work.aside_count(here)


async def test_it_is_known_when_a_process_last_had_an_endpoint(kit: Kit) -> None:
    """Catalogue N11."""
    mine, foreign = (
        endpoint_key(BRAND, f"https://{kit.digest.hex()}.example/{name}", WebhookFormat.STANDARD)
        for name in ("a", "b")
    )
    await kit.deliveries.note_known([mine], at_ms=1000)
    await kit.deliveries.note_known([mine], at_ms=2000)
    await kit.deliveries.note_known([], at_ms=3000)

    assert {mine: 2000} == await kit.deliveries.last_known([mine, foreign])
    assert {} == await kit.deliveries.last_known([])
