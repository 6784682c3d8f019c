"""A copy that is no longer wanted is counted and logged once, however often the relay asks about
those next in line.
"""

import asyncio

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from smtp_proxy.relay.send import PARALLEL_COPIES, CopyTimes
from tests.support.relay import PROMOTIONAL, relaying


def suppressed() -> float:
    return (
        REGISTRY.get_sample_value("signoff_recipients_suppressed_total", {"reason": "unsubscribed"})
        or 0.0
    )


async def test_who_leaves_while_copies_wait_is_suppressed_once() -> None:
    recipients = [f"user{number:02}@example.net" for number in range(3 * PARALLEL_COPIES)]
    before = suppressed()
    with capture_logs() as lines:
        async with relaying(times=CopyTimes(fresh=0)) as relay:
            relay.sink.may_read.clear()
            sending = asyncio.create_task(relay.relayed(PROMOTIONAL, *recipients))
            await relay.sink.reached("DATA", PARALLEL_COPIES)
            await relay.leave(recipients[-1])
            relay.sink.may_read.set()
            await sending

    assert recipients[:-1] == sorted(relay.sink.mailboxes)
    assert 1 == len([line for line in lines if line["event"] == "copy_suppressed"])
    assert 1 == suppressed() - before
