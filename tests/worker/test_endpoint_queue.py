"""One queue by itself, with what sends at its worst."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.groups import EVERYTHING
from app.core.webhook import Delivery, Endpoint, ReceiverAnswer
from app.worker.breaker import Breaker
from app.worker.endpoint_queue import EndpointQueue
from tests.worker.running import endpoint_of, eventually, now_ms, statement_of


async def test_what_cannot_be_sent_is_a_failed_attempt_and_what_waits_behind_it_goes_on() -> None:
    """Else it would be held by its worker until that ends: neither tried again nor a dead
    letter.
    """
    endpoint = endpoint_of("https://hooks.example/a")
    poison, good = (
        Delivery(
            endpoint=endpoint.key,
            statement=statement_of(address),
            changed=(EVERYTHING,),
            sequence=1,
            queued_ms=now_ms(),
        )
        for address in ("ann@example.net", "bob@example.net")
    )
    answers: dict[bytes, ReceiverAnswer] = {}
    reported: list[Mapping[str, Any]] = []  # Any: asyncio's own

    async def send(_: Endpoint, batch: Sequence[Delivery]) -> ReceiverAnswer:
        if poison in batch:
            raise KeyError("ann@example.net")
        return ReceiverAnswer(status=200)

    def settle(_: Endpoint, batch: Sequence[Delivery], answer: ReceiverAnswer) -> None:
        answers.update((delivery.id, answer) for delivery in batch)

    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    queue = EndpointQueue(
        endpoint, send=send, settle=settle, clock=now_ms, breaker=Breaker(), concurrency=1
    )
    queue.add((poison, good))
    await eventually(lambda: len(answers) == 2)

    assert {
        poison.id: ReceiverAnswer(reason="could not be sent: KeyError"),
        good.id: ReceiverAnswer(status=200),
    } == answers
    assert ["KeyError"] == [type(context["exception"]).__name__ for context in reported]


async def test_a_lane_that_closes_gives_back_what_it_has_not_sent_and_what_was_not_answered() -> (
    None
):
    """Catalogue N29: another worker sends it at once, instead of after the lease."""
    endpoint = endpoint_of("https://hooks.example/a")
    first, second = (
        Delivery(
            endpoint=endpoint.key,
            statement=statement_of(address),
            changed=(EVERYTHING,),
            sequence=1,
            queued_ms=now_ms(),
        )
        for address in ("ann@example.net", "bob@example.net")
    )
    under_way = asyncio.Event()

    async def send(_: Endpoint, batch: Sequence[Delivery]) -> ReceiverAnswer:
        under_way.set()
        never: asyncio.Future[ReceiverAnswer] = asyncio.get_running_loop().create_future()
        return await never

    queue = EndpointQueue(
        endpoint, send=send, settle=lambda *_: None, clock=now_ms, breaker=Breaker(), concurrency=1
    )
    queue.add((first, second))
    await under_way.wait()

    left = await queue.close(0)

    assert {first.id, second.id} == {delivery.id for delivery in left}
