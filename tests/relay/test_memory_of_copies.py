"""Copies with bodies of their own and the memory of the process: bounded however many messages
there are, and never a deadlock.
"""

import asyncio
from collections.abc import Iterator

import pytest

from app.core.mail.macros_plan import BodyPlan
from app.core.mail.macros_text import Urls
from smtp_proxy.relay.send import CopyTimes
from smtp_proxy.session.limits import Limits
from tests.support.relay import PROMOTIONAL, Relay, relaying
from tests.support.sink import Sink
from tests.support.upstream import eventually

BODY = b"*|UNSUBSCRIBE|*\r\n" + (b"x" * 98 + b"\r\n") * 2_000
MAIL = PROMOTIONAL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + BODY
BODY_OCTETS = len(BODY) + 100_000  # of a copy at most, with its URL; and the message's head


def recipients(message: int, count: int) -> tuple[str, ...]:
    return tuple(f"user{number}@m{message}.example" for number in range(count))


async def sent(relay: Relay, messages: int, count: int) -> list[str]:
    return list(
        await asyncio.gather(
            *(relay.relayed(MAIL, *recipients(number, count)) for number in range(messages))
        )
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The octets of every body that was made."""
    sizes: list[int] = []
    fill = BodyPlan.fill

    def noted(plan: BodyPlan, urls: Urls) -> bytearray:
        body = fill(plan, urls)
        sizes.append(len(body))
        return body

    monkeypatch.setattr(BodyPlan, "fill", noted)
    return iter([sizes])


async def test_many_messages_to_a_downstream_that_stops_reading_hold_a_bounded_number_of_bodies(
    made: Iterator[list[int]],
) -> None:
    """Catalogue S7, X13: without the bound it would be 200 bodies, 40 MB."""
    sizes = next(made)
    limits = Limits(max_message_bytes=1_000_000, max_in_flight_bytes=10_000_000)
    async with relaying(sink=Sink(keep=False), limits=limits) as relay:
        relay.sink.may_read.clear()
        sending = asyncio.create_task(sent(relay, messages=10, count=20))
        assert await eventually(lambda: relay.sink.stages.count("DATA") == len(sizes) >= 20)
        for _ in range(50):
            await asyncio.sleep(0.001)
        stuck = sum(sizes)  # none of them can be gone
        relay.sink.may_read.set()
        replies = await sending

        assert stuck <= limits.max_in_flight_bytes // 2
        assert limits.max_in_flight_bytes >= relay.server.memory.peak >= stuck
        assert 0 == relay.server.memory.used
    assert ["250"] * 10 == [reply[:3] for reply in replies]
    assert 200 == len(sizes)


async def test_messages_that_fill_the_memory_still_get_their_copies_out() -> None:
    """Catalogue X13: what has been taken in never waits for ever for what others have taken in."""
    limits = Limits(max_message_bytes=250_000, max_in_flight_bytes=5 * (len(MAIL) + 1000))
    async with relaying(sink=Sink(keep=False), limits=limits) as relay:
        replies = await sent(relay, messages=5, count=4)

        assert ["250"] * 5 == [reply[:3] for reply in replies]
        assert 20 == relay.sink.stages.count("DOT")
        assert limits.max_in_flight_bytes + BODY_OCTETS >= relay.server.memory.peak
        assert 0 == relay.server.memory.used


async def test_a_copy_for_which_no_memory_comes_free_in_time_is_deferred() -> None:
    """Catalogue X12, X13: its upstream hears 451 and comes again; what did go out is remembered."""
    limits = Limits(max_message_bytes=250_000, max_in_flight_bytes=250_000)  # one body at a time
    async with relaying(sink=Sink(keep=False), limits=limits, times=CopyTimes(start=2)) as relay:
        relay.sink.may_read.clear()
        sending = asyncio.create_task(relay.relayed(MAIL, *recipients(0, 3)))
        await relay.sink.reached("DATA", 1)
        assert await eventually(lambda: len(relay.server.memory._waiting) == 2)
        assert await eventually(lambda: not relay.server.memory._waiting)
        relay.sink.may_read.set()
        first = await sending
        again = await relay.relayed(MAIL, *recipients(0, 3))

        assert first.startswith("45")
        assert again.startswith("250")
        assert 3 == relay.sink.stages.count("DOT")
        assert 0 == relay.server.memory.used
