"""The webhook desk: what it does with many dead letters at once."""

import os
from collections.abc import Sequence

from app.core.groups import EVERYTHING
from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.core.webhook import DeadLetter, Delivery, WebhookFormat, endpoint_key
from app.usecases.webhooks import PAGE, Webhooks
from tests.support.memory_deliveries import MemoryDeliveries

BRAND = BrandNumber(7)
NOW = 1_700_000_000_000
LETTERS = PAGE + 100


class StillGone(MemoryDeliveries):
    """Deliveries to an endpoint that answers 410 to whatever is sent again, faster than anybody can
    look.
    """

    def __init__(self) -> None:
        super().__init__()
        self.resent = 0

    async def resend(self, letters: Sequence[DeadLetter], *, due_ms: int) -> int:
        """Let them wait, and give them up at once."""
        resent = await super().resend(letters, due_ms=due_ms)
        self.resent += resent
        assert self.resent <= LETTERS, "what was given up again was sent again"
        await self.bury([letter.delivery for letter in letters], at_ms=due_ms + 1)
        return resent


def delivery(number: int) -> Delivery:
    statement = Statement(
        id=os.urandom(16),
        brand=BRAND,
        digest=RecipientDigest(bytes((number % 256,)) + os.urandom(9)),
        groups=(),
        subscribed=False,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=NOW,
    )
    endpoint = endpoint_key(BRAND, "https://hooks.example/a", WebhookFormat.STANDARD)
    return Delivery(
        endpoint=endpoint, statement=statement, changed=(EVERYTHING,), sequence=1, queued_ms=NOW
    )


async def buried(deliveries: MemoryDeliveries) -> None:
    """Put many dead letters there."""
    waiting = [delivery(number) for number in range(LETTERS)]
    for one in waiting:
        deliveries.add(one, due_ms=NOW)
    await deliveries.bury(waiting, at_ms=NOW)


async def test_sending_everything_again_ends_also_when_the_endpoint_still_refuses_everything() -> (
    None
):
    deliveries = StillGone()
    await buried(deliveries)

    resent = await Webhooks(deliveries=deliveries, endpoints=(), clock=lambda: NOW).resend(BRAND)

    assert LETTERS == resent
    assert LETTERS == await deliveries.dead_count(range(256))
