"""The way to one endpoint: a bounded queue and a bounded number of requests under way, so that a
slow endpoint holds up nobody else.

1. What waits is sent in the order in which it came, in batches as large as the endpoint's format
   takes.
2. A batch holds only deliveries with no more failed attempts than its first, and is the smaller the
   more those are: one event that a receiver cannot digest comes to stand alone, and the others get
   through.
3. Two requests never carry the same recipient at the same time, so first attempts arrive in order.
   Retries may come later than what followed them; the sequence tells (docs/webhooks.md).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.core.model import RecipientDigest
from app.core.webhook import BATCH, Delivery, Endpoint, ReceiverAnswer
from app.worker.breaker import Breaker

CONCURRENCY = 10
# for each request that may be under way, so many deliveries may wait, or so many whole batches
ROOM_BATCHES = 20
FIRST_GUESS = 20.0  # requests a second over one connection, until the queue knows better
# what has no room comes again as if the queue were so much faster: too early costs a look, too late
# leaves it idle
_OPTIMISM = 2.0
_LONGEST_WAIT_MS = 60_000
_MEASURE_MS = 500

Send = Callable[[Endpoint, Sequence[Delivery]], Awaitable[ReceiverAnswer]]
Settle = Callable[[Endpoint, Sequence[Delivery], ReceiverAnswer], None]


class EndpointQueue:
    """One endpoint's deliveries in this process. `clock` in milliseconds; `settle` hears each
    request's outcome, once.
    """

    def __init__(  # noqa: PLR0913 - the parts of a queue
        self,
        endpoint: Endpoint,
        *,
        send: Send,
        settle: Settle,
        clock: Callable[[], int],
        breaker: Breaker,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._endpoint = endpoint
        self._send = send
        self._settle = settle
        self._clock = clock
        self._breaker = breaker
        self._concurrency = concurrency
        self._most = BATCH[endpoint.format]
        self._queue: deque[Delivery] = deque()
        self._rate = concurrency * FIRST_GUESS * self._most  # deliveries a second
        self._measured_ms = 0
        self._answered = 0  # deliveries since then
        self._booked_ms = 0.0
        self._under_way: set[RecipientDigest] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken_off: list[Delivery] = []

    def adopt(self, endpoint: Endpoint) -> None:
        """Send by these settings of the same endpoint from the next request on."""
        self._endpoint = endpoint

    @property
    def room(self) -> int:
        """Return how many deliveries may be added now."""
        if self._breaker.is_open(self._clock()):
            return 0
        room = (
            self._most
            if self._breaker.is_probing
            else ROOM_BATCHES * max(self._most, self._concurrency)
        )
        return max(0, room - len(self._queue))

    @property
    def closed_until_ms(self) -> int:
        """Return until when the breaker lets nothing through; a time past when it does."""
        return self._breaker.open_until_ms

    def slot_ms(self) -> int:
        """Return when a delivery that has no room now should come again: each call books the next
        place in time, at the queue's pace.
        """
        now = self._clock()
        step = 1000 / (_OPTIMISM * self._rate)
        self._booked_ms = max(self._booked_ms, now + step * len(self._queue)) + step
        return min(round(self._booked_ms), now + _LONGEST_WAIT_MS)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, at most as many as there is room, and begin."""
        self._queue.extend(deliveries)
        self._begin()

    def drain(self) -> Sequence[Delivery]:
        """Take back what waits and is not under way."""
        waiting = tuple(self._queue)
        self._queue.clear()
        return waiting

    async def close(self, seconds: float) -> Sequence[Delivery]:
        """Let the requests under way finish within so many seconds, then break them off. Return
        what was not sent, or not answered.
        """
        left = list(self.drain())
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        return left + self._broken_off

    def _begin(self) -> None:
        while self._queue and len(self._tasks) < (
            1 if self._breaker.is_probing else self._concurrency
        ):
            batch = self._batch()
            if not batch:
                return
            task = asyncio.get_running_loop().create_task(self._request(batch))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _batch(self) -> list[Delivery]:
        attempts = self._queue[0].attempts
        size = max(1, self._most >> 2 * attempts)
        batch: list[Delivery] = []
        while self._queue and len(batch) < size:
            delivery = self._queue[0]
            if delivery.attempts > attempts or delivery.digest in self._under_way:
                break
            batch.append(self._queue.popleft())
        self._under_way.update(delivery.digest for delivery in batch)
        return batch

    async def _request(self, batch: Sequence[Delivery]) -> None:
        try:
            answer = await self._send(self._endpoint, batch)
        except asyncio.CancelledError:
            self._broken_off.extend(batch)
            raise
        # a rim: what cannot be sent must come to be a dead letter with its reason, not wait here
        # unseen
        except Exception as exc:
            answer = ReceiverAnswer(reason=f"could not be sent: {type(exc).__name__}")
            _report(exc)
        finally:
            self._under_way.difference_update(delivery.digest for delivery in batch)
        self._measure(len(batch))
        if answer.is_success:
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock())
        self._settle(self._endpoint, batch, answer)

    def _measure(self, answered: int) -> None:
        """Learn the queue's pace, while there is always something to send."""
        now = self._clock()
        if not self._queue:
            self._measured_ms = self._answered = 0
            return
        self._answered += answered
        if not self._measured_ms:
            self._measured_ms, self._answered = now, 0
        elif now - self._measured_ms >= _MEASURE_MS:
            self._rate = (self._rate + 1000 * self._answered / (now - self._measured_ms)) / 2
            self._measured_ms, self._answered = now, 0

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _report(error)
        if not self._breaker.is_open(self._clock()):
            self._begin()


def _report(error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": "a webhook request", "exception": error}
    )
