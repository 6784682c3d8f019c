"""The worker's loop: changes out of the work streams, deliveries that are due, a share of the
partitions.

1. Every worker that is alive takes each n-th partition. Who shares with whom is only a hint that
   saves work: an entry or a delivery is taken by a script, by one worker alone, whoever thinks it
   is theirs (catalogue Q10).
2. A worker that gives no sign for `claim_ms` is dead to the others, which take its partitions over.
   What it had not taken they find at once, what it had taken is due again after the same time (Q2).
3. A change becomes deliveries in the step that takes it away, and what a queue has room for is
   handed over at once, so the first attempt follows a click by about one turn. An idle worker turns
   every `idle_seconds`, a busy one without a pause.
4. A change of a brand that this worker's settings lack is set aside, in whichever partition, until
   a worker knows the brand and takes it up: it is never consumed, and never in anybody's way.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.core.errors import StoreUnavailable
from app.core.events import event_name, scopes_of
from app.core.model import PARTITIONS, BrandNumber, Source
from app.core.shipment import home_key
from app.core.tally import Count, ticks_of
from app.core.webhook import Delivery, Endpoint, EndpointKey, Work
from app.observe.log import LogEvent, Logger
from app.usecases.delivery_ports import Crew, Deliveries, WorkQueue
from app.worker.intervals import has_come
from app.worker.scheduler import Scheduler

_EVERYWHERE = range(PARTITIONS)
_SIGNS = 5  # signs of life in the time after which a worker counts as dead
_AWAY_SECONDS = 1.0
Move = tuple[Work, Sequence[Delivery]]

# by which a self-managed brand gives us a token back
_RETURNS = frozenset((Source.CALLBACK, Source.MAILTO))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast and how much; times in milliseconds unless named otherwise."""

    # a worker is dead without a sign of life for so long, and what it had taken is due again;
    # longer than a request
    claim_ms: int = 20_000
    due_every_ms: int = 500  # how often retries are looked for
    idle_seconds: float = 0.2
    busy_seconds: float = 0.01
    entries: int = 8  # of one partition in one turn: a whole turn stays short


class Worker:
    """One worker process. `clock` in milliseconds, by the store's clock: by it deliveries are
    due.
    """

    def __init__(  # noqa: PLR0913 - the parts of the worker
        self,
        *,
        name: str,
        work: WorkQueue,
        deliveries: Deliveries,
        crew: Crew,
        scheduler: Scheduler,
        endpoints: Mapping[EndpointKey, Endpoint],
        brands: Collection[BrandNumber] = (),
        self_managed: Collection[BrandNumber] = (),
        tally: Count,
        clock: Callable[[], int],
        log: Logger,
        pace: Pace = Pace(),
    ) -> None:
        self._name = name
        self._work = work
        self._deliveries = deliveries
        self._crew = crew
        self._scheduler = scheduler
        self.adopt(endpoints, brands=brands, self_managed=self_managed)
        self._tally = tally
        self._clock = clock
        self._log = log
        self._pace = pace
        self._alive: Sequence[str] = ()
        self._next_sign = self._next_due = self._next_aside = 0
        self.partitions: Sequence[int] = ()

    def adopt(
        self,
        endpoints: Mapping[EndpointKey, Endpoint],
        *,
        brands: Collection[BrandNumber],
        self_managed: Collection[BrandNumber],
    ) -> None:
        """Raise events for these endpoints and brands from now on."""
        self._by_brand = _by_brand(endpoints.values())
        self._known = frozenset(brands) | self._by_brand.keys() | frozenset(self_managed)
        self._self_managed = frozenset(self_managed)

    async def run(self) -> None:
        """Turn until cancelled; an outage of the store is waited out."""
        failing = False
        while True:
            try:
                found = await self.turn()
            except StoreUnavailable as exc:
                if not failing:
                    self._log.error(LogEvent.STORE_FAILED, reason=str(exc))
                failing = True
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            if failing:
                self._log.info(LogEvent.STORE_RECOVERED)
            failing = False
            await asyncio.sleep(self._pace.busy_seconds if found else self._pace.idle_seconds)

    async def turn(self) -> int:
        """Look once at everything that is ours, and return how much there was. Raises
        StoreUnavailable.
        """
        now = self._clock()
        # said again at the next turn; until then nothing is held for gone
        with suppress(StoreUnavailable):
            await self._scheduler.note_endpoints()
        if has_come(now, self._next_sign, every_ms=self._pace.claim_ms // _SIGNS):
            await self._share()
            self._next_sign = now + self._pace.claim_ms // _SIGNS
        found = await self._raise_events(
            await self._work.waiting(self.partitions, limit=self._pace.entries)
        )
        found += await self._take_up(now)
        if has_come(now, self._next_due, every_ms=self._pace.due_every_ms):
            taken = await self._deliveries.take(
                self.partitions,
                now_ms=now,
                until_ms=now + self._pace.claim_ms,
                limit=self._pace.entries,
            )
            # asked after the taking: who resends switches on first, so a fresh letter meets no old
            # switch
            if taken:
                with suppress(StoreUnavailable):
                    await self._scheduler.look_at_switches()
            self._scheduler.hand_over(taken)
            found += len(taken)
            crowded = len(taken) > self._pace.entries * len(self.partitions) // 4
            self._next_due = now if crowded else now + self._pace.due_every_ms
        return found

    async def _share(self) -> None:
        try:
            alive = await self._crew.join(self._name, for_ms=self._pace.claim_ms)
        # where the others are noted is away: that only shares out the work, so it goes on as it was
        except StoreUnavailable:
            alive = self._alive or (self._name,)
        with suppress(StoreUnavailable):
            await self._scheduler.look_at_switches()
        if alive != self._alive:
            self._alive = alive
            self.partitions = range(alive.index(self._name), PARTITIONS, len(alive))
            self._log.info(
                LogEvent.WORKERS_CHANGED, alive=len(alive), partitions=len(self.partitions)
            )

    async def _take_up(self, now: int) -> int:
        """Raise what was set aside of brands that are known here, in every partition: whoever owns
        it may not know them.
        """
        if not has_come(now, self._next_aside, every_ms=self._pace.due_every_ms):
            return 0
        found = await self._raise_events(
            await self._work.aside(self._known, _EVERYWHERE, limit=self._pace.entries)
        )
        self._next_aside = now if found else now + self._pace.due_every_ms
        return found

    async def _raise_events(self, found: Sequence[Work]) -> int:
        strange = [
            work
            for work in found
            if work.statement.brand not in self._known and not work.statement.home
        ]
        if strange and (waiting := await self._work.set_aside(strange)):
            self._log.warning(LogEvent.EVENTS_SET_ASIDE, events=waiting)
        entries = [
            work for work in found if work.statement.brand in self._known or work.statement.home
        ]
        if not entries:
            return len(found)
        now = self._clock()
        moves = [(entry, self._deliveries_of(entry, now)) for entry in entries]
        rooms = {
            key: self._scheduler.room(key)
            for key in {delivery.endpoint for _, new in moves for delivery in new}
        }
        direct: list[Move] = []
        crowded: list[Move] = []
        for move in moves:
            (direct if _fits(move[1], rooms) else crowded).append(move)
        taken = await self._work.move(direct, due_ms=now + self._pace.claim_ms)
        for created in taken:
            self._scheduler.hand_over(created or ())
        self._count(direct, taken, now)
        self._count(crowded, await self._work.move(crowded, due_ms=now), now)
        returned = {
            entry.statement.brand for entry in entries if entry.statement.source in _RETURNS
        }
        with suppress(StoreUnavailable):  # only an age in a metric
            await self._work.note_returns(returned & self._self_managed, at_ms=now)
        return len(found)

    def _count(
        self, moves: Sequence[Move], taken: Sequence[Sequence[Delivery] | None], now: int
    ) -> None:
        """Count the changes that this worker took, and no other."""
        for (entry, _), created in zip(moves, taken, strict=True):
            if created is not None and entry.changed:
                for tick in ticks_of(entry, now_ms=now):
                    self._tally(tick)

    def _deliveries_of(self, work: Work, now: int) -> Sequence[Delivery]:
        return [
            Delivery(
                endpoint=key,
                statement=work.statement,
                changed=work.changed,
                sequence=work.sequence,
                queued_ms=now,
            )
            for key in self._endpoints_of(work)
        ]

    def _endpoints_of(self, work: Work) -> Sequence[EndpointKey]:
        statement = work.statement
        # the home tells the brand: an event's sequence counts there (docs/adr/0022)
        if statement.home:
            return (home_key(statement.home),)
        name = event_name(
            subscribed=statement.subscribed, source=statement.source, changed=work.changed
        )
        scopes = scopes_of(work.changed)
        return [
            endpoint.key
            for endpoint in self._by_brand.get(statement.brand, ())
            if endpoint.hears(name, scopes)
        ]

    async def leave(self) -> None:
        """Let the others take over at once. Raises StoreUnavailable."""
        await self._crew.leave(self._name)


def _fits(deliveries: Sequence[Delivery], rooms: dict[EndpointKey, int]) -> bool:
    """Tell whether every queue has room for its delivery, and if so take the places."""
    if not all(rooms[delivery.endpoint] > 0 for delivery in deliveries):
        return False
    for delivery in deliveries:
        rooms[delivery.endpoint] -= 1
    return True


def _by_brand(endpoints: Iterable[Endpoint]) -> dict[BrandNumber, list[Endpoint]]:
    grouped: dict[BrandNumber, list[Endpoint]] = {}
    for endpoint in endpoints:
        grouped.setdefault(endpoint.brand, []).append(endpoint)
    return grouped
