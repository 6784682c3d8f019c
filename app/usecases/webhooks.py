"""What an operator may see and do of the delivery of events: endpoints, what waits, dead letters,
sending again, dropping.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.core.model import BrandNumber
from app.core.webhook import DeadLetter, Delivery, Endpoint
from app.usecases.delivery_ports import Deliveries

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """An endpoint of the settings, and whether it is switched off because it answered 410."""

    endpoint: Endpoint
    switched_off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A delivery that waits, and when it is tried next (UTC milliseconds)."""

    delivery: Delivery
    due_ms: int


class Webhooks:
    """The verbs of the webhook desk. Every method raises StoreUnavailable when the store cannot
    answer.
    """

    def __init__(
        self, *, deliveries: Deliveries, endpoints: Iterable[Endpoint], clock: Callable[[], int]
    ) -> None:
        self._deliveries = deliveries
        self._endpoints = tuple(endpoints)
        self._clock = clock

    async def endpoints(self, brand: BrandNumber) -> Sequence[EndpointState]:
        """Return a brand's endpoints in the order of the settings."""
        off = await self._deliveries.switched_off()
        own = [endpoint for endpoint in self._endpoints if endpoint.brand == brand]
        return [
            EndpointState(endpoint=endpoint, switched_off=endpoint.key in off) for endpoint in own
        ]

    async def waiting(self, brand: BrandNumber, *, limit: int = 100) -> Sequence[Waiting]:
        """Return deliveries of a brand that wait, at most `limit`."""
        return [
            Waiting(delivery=delivery, due_ms=due_ms)
            for delivery, due_ms in await self._deliveries.pending(brand, limit=limit)
        ]

    async def dead_letters(
        self, brand: BrandNumber | None, *, after: str = "", limit: int = 100
    ) -> Sequence[DeadLetter]:
        """Return dead letters of a brand, or of all, behind the cursor of the last one seen. Raises
        InvalidInput for no cursor.
        """
        return await self._deliveries.dead_letters(brand, after=after, limit=limit)

    async def resend(self, brand: BrandNumber | None, cursors: Sequence[str] | None = None) -> int:
        """Deliver dead letters again, those named or all, and return how many; their endpoints are
        switched on again.
        """
        return await self._each_page(brand, cursors, self._resend)

    async def drop(self, brand: BrandNumber | None, cursors: Sequence[str] | None = None) -> int:
        """Forget dead letters for good, those named or all, and return how many."""
        return await self._each_page(brand, cursors, self._deliveries.drop)

    async def _resend(self, letters: Sequence[DeadLetter]) -> int:
        now = self._clock()
        fresh = [
            replace(letter, delivery=replace(letter.delivery, attempts=0, queued_ms=now))
            for letter in letters
        ]
        return await self._deliveries.resend(fresh, due_ms=now)

    async def _each_page(
        self,
        brand: BrandNumber | None,
        cursors: Sequence[str] | None,
        act: Callable[[Sequence[DeadLetter]], Awaitable[int]],
    ) -> int:
        if cursors is not None:
            letters = await self._deliveries.letters(cursors)
            return await act(
                [letter for letter in letters if brand in {None, letter.delivery.statement.brand}]
            )
        done, after, begun = 0, "", self._clock()
        while page := await self._deliveries.dead_letters(brand, after=after, limit=PAGE):
            after = page[-1].cursor
            # What is given up again meanwhile is left alone: an endpoint that still answers 410
            # would keep this going for ever.
            done += await act([letter for letter in page if letter.at_ms <= begun])
        return done
