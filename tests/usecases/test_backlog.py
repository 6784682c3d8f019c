"""How long requests wait, and the alarm: the twins, a real spool, and a clock that the test
moves.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from app.core.brands import Brands
from app.core.model import Brand, BrandId, BrandNumber, Management, Source, Statement
from app.core.webhook import Delivery, WebhookFormat, endpoint_key
from app.observe import metrics
from app.observe.log import LogEvent, logger
from app.store.spool import SqliteSpool
from app.usecases.backlog import Backlog
from tests.support.memory_deliveries import MemoryDeliveries, MemoryWork
from tests.support.memory_store import MemoryStore

HOUR = 3_600_000
BRANDS = Brands(
    [
        Brand(
            id=BrandId("seven"),
            number=BrandNumber(7),
            name="Seven",
            sender_domains=frozenset({"seven.example"}),
        ),
        Brand(
            id=BrandId("eight"),
            number=BrandNumber(8),
            name="Eight",
            sender_domains=frozenset({"eight.example"}),
            management=Management.SELF_MANAGED,
        ),
    ]
)
Make = Callable[..., Statement]


@dataclass
class Desk:
    """A backlog with everything it looks at."""

    spool: SqliteSpool | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    deliveries: MemoryDeliveries = field(default_factory=MemoryDeliveries)
    now_ms: int = 0

    def __post_init__(self) -> None:
        self.work = MemoryWork(self.store, self.deliveries)
        self.backlog = Backlog(
            work=self.work,
            deliveries=self.deliveries,
            spool=self.spool,
            brands=BRANDS,
            clock=lambda: self.now_ms,
            log=logger("test"),
        )

    async def move(self) -> list[Delivery]:
        """Do what a worker does with all that waits."""
        moved = []
        for work in await self.work.waiting(range(256), limit=100):
            endpoint = endpoint_key(
                work.statement.brand, "https://hooks.example/", WebhookFormat.STANDARD
            )
            delivery = Delivery(
                endpoint=endpoint,
                statement=work.statement,
                changed=work.changed,
                sequence=work.sequence,
                queued_ms=self.now_ms,
            )
            await self.work.move([(work, [delivery])], due_ms=self.now_ms)
            moved.append(delivery)
        return moved


async def test_while_the_worker_is_away_the_age_grows_and_after_an_hour_there_is_an_alarm(
    make_statement: Make,
) -> None:
    """Catalogue Q9."""
    desk = Desk(now_ms=1000)
    await desk.store.apply(make_statement(at_ms=1000))
    ages = []
    with capture_logs() as lines:
        for hours in (0, 0.5, 1, 2):
            desk.now_ms = 1000 + round(hours * HOUR)
            ages.append((await desk.backlog.look()).pending_ms)
        gauge = metrics.PENDING_OLDEST._value.get()

        await desk.deliveries.finish(await desk.move())
        after = await desk.backlog.look()

    assert [0, HOUR // 2, HOUR, 2 * HOUR] == ages
    assert [(LogEvent.PENDING_TOO_OLD, HOUR // 1000), (LogEvent.PENDING_CAUGHT_UP, None)] == [
        (line["event"], line.get("seconds")) for line in lines
    ]
    assert (2 * HOUR // 1000, 0) == (gauge, metrics.PENDING_OLDEST._value.get())
    assert (0, 0, 0) == (after.pending_ms, after.undelivered_ms, after.lag)


async def test_what_a_brand_has_not_been_told_still_waits_and_only_that_brand_is_late(
    make_statement: Make,
) -> None:
    """Catalogue Q9."""
    desk = Desk()
    await desk.store.apply(make_statement(at_ms=1000))
    await desk.move()
    desk.now_ms = 1000 + 2 * HOUR

    measure = await desk.backlog.look()

    assert (2 * HOUR, 2 * HOUR, 0) == (measure.pending_ms, measure.undelivered_ms, measure.lag)
    assert {"seven": 2 * HOUR, "eight": 0} == measure.by_brand


async def test_what_lies_in_the_spool_waits_and_is_a_breach_once_after_48_hours(
    spool: SqliteSpool, make_statement: Make
) -> None:
    """Catalogue Q9: the store has been away for two days."""
    desk = Desk(spool=spool)
    row = await spool.append(make_statement(at_ms=1000))
    await spool.append(make_statement(at_ms=1000, source=Source.IMPORT))
    desk.now_ms = 1000 + 49 * HOUR

    breaches = metrics.SLA_BREACHES._value.get()

    first = await desk.backlog.look()
    await desk.backlog.look()
    spool.confirm(row)
    after = await desk.backlog.look()

    assert (49 * HOUR, 0) == (first.pending_ms, after.pending_ms)
    assert breaches + 1 == metrics.SLA_BREACHES._value.get()


async def test_dead_letters_no_longer_wait_and_are_counted(make_statement: Make) -> None:
    desk = Desk()
    await desk.store.apply(make_statement(at_ms=1000))
    await desk.deliveries.bury(await desk.move(), at_ms=0)
    desk.now_ms = 1000 + 2 * HOUR

    measure = await desk.backlog.look()

    assert (0, 1) == (measure.pending_ms, measure.dead)


async def test_a_brand_that_the_settings_no_longer_have_counts_for_the_whole(
    make_statement: Make,
) -> None:
    desk = Desk()
    await desk.store.apply(
        make_statement(at_ms=1000)._replace(brand=BrandNumber(99), id=os.urandom(16))
    )
    desk.now_ms = 1000 + HOUR // 2

    measure = await desk.backlog.look()

    assert (HOUR // 2, {"seven": 0, "eight": 0}) == (measure.pending_ms, measure.by_brand)


async def test_a_self_managed_brand_that_returns_no_token_is_told_from_one_that_does() -> None:
    desk = Desk(now_ms=5 * HOUR)

    never = await desk.backlog.look()
    await desk.work.note_returns([BrandNumber(8)], at_ms=2 * HOUR)
    returned = await desk.backlog.look()

    assert ({"eight": math.inf}, {"eight": 3 * HOUR}) == (
        never.unreturned_ms,
        returned.unreturned_ms,
    )
