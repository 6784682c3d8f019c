"""How long requests wait: in a spool, in a work stream, for a delivery. The promise is 48 hours,
the alarm comes after one (catalogue Q9).

Any process may look, and more than one does: when the worker is dead, the web process still sees
what waits for it. A look reads a few keys of each partition, some partitions at a time, so that it
holds nobody up.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.core.brands import Brands
from app.core.errors import NotFound, SpoolUnavailable, StoreUnavailable
from app.core.model import PARTITIONS, Brand, BrandNumber, Management, Source, Statement
from app.core.webhook import PROMISED_MS
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.usecases.delivery_ports import Deliveries, WorkQueue
from app.usecases.ports import Spool

ALARM_MS = 3_600_000
LOOK_SECONDS = 5.0
_AT_ONCE = 64
_ROWS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What waits. Ages in milliseconds, 0 when nothing does; `by_brand` has every brand of the
    settings.
    """

    pending_ms: int
    undelivered_ms: int
    by_brand: Mapping[str, int]
    lag: int
    dead: int
    # events that wait for a process that knows their brand; their age is nobody's delay
    unknown: int
    # of each self-managed brand: since when it has returned no token; infinite: it never did
    unreturned_ms: Mapping[str, float]


class Backlog:
    """Looks at the store, and at this process's spool if it has one. `clock` in milliseconds."""

    def __init__(  # noqa: PLR0913 - the places where requests wait
        self,
        *,
        work: WorkQueue,
        deliveries: Deliveries,
        spool: Spool | None,
        brands: Brands,
        clock: Callable[[], int],
        log: Logger,
        alarm_ms: int = ALARM_MS,
    ) -> None:
        self._work = work
        self._deliveries = deliveries
        self._spool = spool
        self._brands = brands
        self._clock = clock
        self._log = log
        self._alarm_ms = alarm_ms
        self._alarmed = False
        self.latest: Measure | None = None  # what the last look saw
        self._counted_row = 0  # spool rows up to here that are breaches have been counted

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Measure:
        """Look once and set the gauges. While the store is away, what waits in the spool is what
        is known.
        """
        spooled = await self._spooled()
        unread: list[tuple[BrandNumber, int]] = []
        undelivered: list[tuple[BrandNumber, int]] = []
        lag = dead = unknown = 0
        returns: Mapping[BrandNumber, int] = {}
        try:
            for start in range(0, PARTITIONS, _AT_ONCE):
                some = range(start, start + _AT_ONCE)
                unread += [
                    (work.statement.brand, work.statement.at_ms)
                    for work in await self._work.oldest(some)
                ]
                undelivered += await self._deliveries.oldest(some)
                lag += await self._work.lag(some)
                dead += await self._deliveries.dead_count(some)
                unknown += await self._work.aside_count(some)
            returns = await self._work.returns([brand.number for brand in self._self_managed()])
        except StoreUnavailable:
            pass  # the process that lost it has said so; the ages of the spool matter now
        measure = self._measure(
            [*spooled, *unread, *undelivered],
            undelivered,
            returns,
            lag=lag,
            dead=dead,
            unknown=unknown,
        )
        self.latest = measure
        _set_gauges(measure)
        self._alarm(measure.pending_ms)
        return measure

    async def _spooled(self) -> Sequence[tuple[BrandNumber, int]]:
        if self._spool is None:
            return ()
        try:
            rows = await self._spool.unconfirmed(after=0, limit=_ROWS)
        except SpoolUnavailable:
            return ()
        asked = [
            (row, statement) for row, statement in rows if statement.source is not Source.IMPORT
        ]
        self._count_breaches(asked)
        return [(statement.brand, statement.at_ms) for _, statement in asked]

    def _count_breaches(self, rows: Sequence[tuple[int, Statement]]) -> None:
        limit = self._clock() - PROMISED_MS
        late = [
            row for row, statement in rows if row > self._counted_row and statement.at_ms < limit
        ]
        if late:
            self._counted_row = max(late)
            metrics.SLA_BREACHES.inc(len(late))

    def _measure(  # noqa: PLR0913 - what a look has seen
        self,
        waiting: Sequence[tuple[BrandNumber, int]],
        undelivered: Sequence[tuple[BrandNumber, int]],
        returns: Mapping[BrandNumber, int],
        *,
        lag: int,
        dead: int,
        unknown: int,
    ) -> Measure:
        now = self._clock()
        by_brand: dict[str, int] = {brand.id: 0 for brand in self._brands}
        for number, at_ms in waiting:
            name = self._name(number)
            if name in by_brand:
                by_brand[name] = max(by_brand[name], now - at_ms)
        return Measure(
            pending_ms=_oldest(waiting, now),
            undelivered_ms=_oldest(undelivered, now),
            by_brand=by_brand,
            lag=lag,
            dead=dead,
            unknown=unknown,
            unreturned_ms={
                brand.id: now - returns.get(brand.number, -math.inf)
                for brand in self._self_managed()
            },
        )

    def _self_managed(self) -> list[Brand]:
        return [brand for brand in self._brands if brand.management is Management.SELF_MANAGED]

    def _name(self, number: BrandNumber) -> str:
        try:
            return self._brands.by_number(number).id
        except NotFound:  # a brand that the settings no longer have; it counts for the whole
            return ""

    def _alarm(self, age_ms: int) -> None:
        if age_ms >= self._alarm_ms and not self._alarmed:
            self._alarmed = True
            self._log.error(LogEvent.PENDING_TOO_OLD, seconds=age_ms // 1000)
        elif age_ms < self._alarm_ms and self._alarmed:
            self._alarmed = False
            self._log.info(LogEvent.PENDING_CAUGHT_UP)


def _oldest(waiting: Sequence[tuple[BrandNumber, int]], now: int) -> int:
    return max((max(0, now - at_ms) for _, at_ms in waiting), default=0)


def _set_gauges(measure: Measure) -> None:
    metrics.PENDING_OLDEST.set(measure.pending_ms / 1000)
    metrics.WEBHOOK_OLDEST.set(measure.undelivered_ms / 1000)
    metrics.STREAM_LAG.set(measure.lag)
    metrics.WEBHOOK_DEAD_LETTERS.set(measure.dead)
    metrics.UNKNOWN_BRANDS.set(measure.unknown)
    for brand, age_ms in measure.by_brand.items():
        metrics.BRAND_PENDING_OLDEST.labels(brand).set(age_ms / 1000)
    for brand, since_ms in measure.unreturned_ms.items():
        metrics.SELF_MANAGED_RETURN.labels(brand).set(since_ms / 1000)
