"""Brings deliveries to their endpoints, one queue each, and writes down what became of them.

A delivery that is handed over is held until its outcome is in the store; whatever happens to this
process meanwhile, the store lets it be due again after a while (catalogue Q2). What cannot go now,
for the queue is full or its breaker open, goes back with a later time and without an attempt
counted. So does what waits for an endpoint that these settings lack, until it is clear that nobody
has it: then it is cancelled, as a dead letter that says so.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from app.core import shipment
from app.core.errors import StoreUnavailable
from app.core.webhook import (
    ENDPOINT_GONE_MS,
    GIVE_UP_MS,
    SCHEDULE,
    Delivery,
    DeliveryResult,
    DeliveryVerdict,
    Endpoint,
    EndpointKey,
    ReceiverAnswer,
    judge,
    lateness,
)
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.usecases.delivery_ports import Deliveries
from app.worker.attempts import count_verdict, log_answer
from app.worker.breaker import Breaker
from app.worker.endpoint_queue import EndpointQueue, Send
from app.worker.intervals import has_come

SPREAD_MS = 10_000  # over which what a breaker held back comes again
_PAUSE_SECONDS = 0.5
_NOTED_EVERY_MS = 60_000
_LOOK_AGAIN_MS = 30_000  # at what waits for an endpoint that is not in these settings


class Scheduler:
    """The queues of this process. `clock` in milliseconds, `chance` in 0..1; belongs to one event
    loop.
    """

    def __init__(  # noqa: PLR0913 - the parts of the scheduler
        self,
        *,
        endpoints: Mapping[EndpointKey, Endpoint],
        deliveries: Deliveries,
        send: Send,
        clock: Callable[[], int],
        chance: Callable[[], float],
        log: Logger,
        schedule: Sequence[float] = SCHEDULE,
        home_schedule: Sequence[float] = shipment.SCHEDULE,
        breaker: Callable[[], Breaker] = Breaker,
        gone_ms: int = ENDPOINT_GONE_MS,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._send = send
        self._clock = clock
        self._chance = chance
        self._log = log
        self._schedule = schedule
        self._home_schedule = home_schedule
        self._breaker = breaker
        self._gone_ms = gone_ms
        # endpoints that are not in these settings: when a process last had them
        self._missed: dict[EndpointKey, int] = {}
        self._gone: frozenset[EndpointKey] = frozenset()
        self._next_note_ms = 0
        self._queues: dict[EndpointKey, EndpointQueue] = {}
        self._held: set[bytes] = set()
        self._off: frozenset[EndpointKey] = frozenset()
        self._verdicts: list[DeliveryVerdict] = []
        self._postponed: list[tuple[Delivery, int]] = []
        self._news = asyncio.Event()

    def adopt(self, endpoints: Mapping[EndpointKey, Endpoint]) -> None:
        """Deliver to these endpoints from now on. What an endpoint's queue holds goes out as its
        settings now say.
        """
        self._endpoints = dict(endpoints)
        for key, queue in self._queues.items():
            if key in endpoints:
                queue.adopt(endpoints[key])

    def room(self, endpoint: EndpointKey) -> int:
        """Return how many deliveries to this endpoint may be handed over now."""
        if endpoint in self._off or endpoint not in self._endpoints:
            return 0
        return self._queue_of(endpoint).room

    def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Take deliveries that are due; those that are held already stay with their queue."""
        now = self._clock()
        for delivery in deliveries:
            if delivery.id not in self._held:
                self._held.add(delivery.id)
                self._assign(delivery, now)

    def _assign(self, delivery: Delivery, now: int) -> None:
        endpoint = self._endpoints.get(delivery.endpoint)
        if endpoint is None:
            self._miss(delivery, now)
        elif delivery.endpoint in self._off:
            self._judge(delivery, ReceiverAnswer(status=410), now)
        elif (queue := self._queue_of(delivery.endpoint)).room:
            queue.add((delivery,))
        else:
            self._put_off(queue, delivery, now)

    def _miss(self, delivery: Delivery, now: int) -> None:
        """Put off what waits for an endpoint that these settings lack, or cancel it when nobody has
        had it for long enough.
        """
        if shipment.home_of(delivery.endpoint):
            self._judge(delivery, ReceiverAnswer(reason=_unlisted(delivery.endpoint)), now)
        elif delivery.endpoint in self._gone:
            self._decide(
                DeliveryVerdict(
                    result=DeliveryResult.CANCELLED,
                    delivery=replace(delivery, reason=_unlisted(delivery.endpoint)),
                )
            )
        else:
            self._missed.setdefault(delivery.endpoint, now)
            again = min(_LOOK_AGAIN_MS, self._gone_ms)
            self._postponed.append((delivery, now + again + round(again * self._chance())))
            self._news.set()

    def _put_off(self, queue: EndpointQueue, delivery: Delivery, now: int) -> None:
        closed = queue.closed_until_ms > now
        if closed and now - delivery.queued_ms > GIVE_UP_MS and not self._is_endless(delivery):
            self._decide(
                DeliveryVerdict(
                    result=DeliveryResult.DEAD,
                    delivery=replace(
                        delivery, reason=delivery.reason or "the endpoint never answered"
                    ),
                )
            )
            return
        again = (
            queue.closed_until_ms + round(SPREAD_MS * self._chance()) if closed else queue.slot_ms()
        )
        self._postponed.append((delivery, again))
        self._news.set()

    def _queue_of(self, key: EndpointKey) -> EndpointQueue:
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = EndpointQueue(
                self._endpoints[key],
                send=self._send,
                settle=self._settle,
                clock=self._clock,
                breaker=self._breaker(),
            )
        return queue

    def _settle(
        self, endpoint: Endpoint, batch: Sequence[Delivery], answer: ReceiverAnswer
    ) -> None:
        now = self._clock()
        log_answer(self._log, endpoint, len(batch), answer)
        for delivery in batch:
            self._judge(delivery, answer, now)
        queue = self._queues[endpoint.key]
        if queue.closed_until_ms > now:
            for delivery in queue.drain():
                self._put_off(queue, delivery, now)

    def _judge(self, delivery: Delivery, answer: ReceiverAnswer, now: int) -> None:
        marked, breach = lateness(delivery, now)
        if breach:
            metrics.SLA_BREACHES.inc()
        endless = self._is_endless(delivery)
        schedule = self._home_schedule if endless else self._schedule
        self._decide(
            judge(
                marked,
                answer,
                now_ms=now,
                chance=self._chance(),
                schedule=schedule,
                endless=endless,
            )
        )

    def _is_endless(self, delivery: Delivery) -> bool:
        """Tell whether a delivery is never given up: one to a data centre, while the settings list
        it.
        """
        return bool(shipment.home_of(delivery.endpoint)) and delivery.endpoint in self._endpoints

    def _decide(self, verdict: DeliveryVerdict) -> None:
        count_verdict(self._log, verdict)
        self._verdicts.append(verdict)
        self._news.set()

    async def look_at_switches(self) -> None:
        """Learn which endpoints want nothing more, and which an operator has switched on again."""
        self._off = await self._deliveries.switched_off()

    async def note_endpoints(self) -> None:
        """Say from time to time which endpoints these settings have, and learn which of those that
        they lack others have.
        """
        now = self._clock()
        pause = min(_NOTED_EVERY_MS, self._gone_ms // 2)
        if not has_come(now, self._next_note_ms, every_ms=pause):
            return
        await self._deliveries.note_known(self._endpoints.keys(), at_ms=now)
        for endpoint, at_ms in (await self._deliveries.last_known(tuple(self._missed))).items():
            self._missed[endpoint] = max(self._missed[endpoint], at_ms)
        self._gone = frozenset(
            endpoint for endpoint, at_ms in self._missed.items() if now - at_ms >= self._gone_ms
        )
        self._next_note_ms = now + pause

    async def run(self) -> None:
        """Write outcomes down as they come, until cancelled; while the store is away they are kept
        and written later.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.write()
            except StoreUnavailable:
                self._news.set()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def write(self) -> None:
        """Write the outcomes that are known. Raises StoreUnavailable, and then they are still to be
        written.
        """
        verdicts, postponed = tuple(self._verdicts), tuple(self._postponed)
        await self._deliveries.finish(
            [verdict.delivery for verdict in verdicts if verdict.result is DeliveryResult.DELIVERED]
        )
        await self._deliveries.retry(
            [
                (verdict.delivery, verdict.due_ms)
                for verdict in verdicts
                if verdict.due_ms is not None
            ]
        )
        await self._deliveries.postpone(postponed)
        for endpoint in {
            verdict.delivery.endpoint
            for verdict in verdicts
            if verdict.result is DeliveryResult.GONE
        } - self._off:
            with suppress(StoreUnavailable):  # whoever is told 410 next writes it
                await self._deliveries.switch_off(endpoint, at_ms=self._clock())
            self._off |= {endpoint}
            self._log.error(LogEvent.WEBHOOK_SWITCHED_OFF, endpoint=endpoint.hex())
        await self._deliveries.bury(
            [verdict.delivery for verdict in verdicts if verdict.is_dead], at_ms=self._clock()
        )
        del self._verdicts[: len(verdicts)]
        del self._postponed[: len(postponed)]
        self._held -= {verdict.delivery.id for verdict in verdicts} | {
            delivery.id for delivery, _ in postponed
        }

    async def close(self, seconds: float) -> None:
        """Let requests under way finish within so many seconds, write down what is known, and give
        the rest back: due now.
        """
        left = await asyncio.gather(*(queue.close(seconds) for queue in self._queues.values()))
        self._postponed.extend(
            (delivery, self._clock()) for deliveries in left for delivery in deliveries
        )
        await self.write()


def _unlisted(key: EndpointKey) -> str:
    if number := shipment.home_of(key):
        return f"data_centres no longer lists data centre {number}"
    return "cancelled: no endpoint of the settings has the URL and format any more"
