"""A relay process that is killed in the middle of a long message: the next try sends what is
missing, and hardly anything twice.
"""

import asyncio
import signal
from collections import Counter
from pathlib import Path

from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from tests.support.relay import PROMOTIONAL
from tests.support.relay_process import PATIENCE, relay_process
from tests.support.sink import Silence, Sink
from tests.support.upstream import connected

SENDER = "bounce@acme.example"
RECIPIENTS = tuple(f"user{number:03}@example.net" for number in range(300))
DONE = 240


async def noted(store: RedisStore) -> int:
    """Return how many entries the ledger in the store has."""
    (keys,) = await store.connection.run_on_primaries(("KEYS", "so:*:l:*"))
    assert isinstance(keys, list)
    (count,) = (
        await store.connection.run([("HLEN", key) for key in keys if isinstance(key, bytes)])
        if keys
        else (0,)
    )
    assert isinstance(count, int)
    return count


async def test_what_was_finished_before_the_kill_is_not_sent_again(tmp_path: Path) -> None:
    """Catalogue N27."""
    async with Sink() as first, Sink() as second:
        for recipient in RECIPIENTS[DONE:]:
            first.always("RCPT", Silence(), recipient=recipient)
        async with (
            relay_process(tmp_path, first) as relay,
            connected(await relay.port()) as upstream,
        ):
            await upstream.begin(sender=SENDER, recipients=RECIPIENTS)
            await upstream.send(PROMOTIONAL + b".\r\n")
            store = RedisStore(EmbeddedStore(tmp_path / "var" / "store").url, timeout=10)
            async with asyncio.timeout(PATIENCE):
                # the rest never ends, so what runs is noted by the time, not by the count
                while await noted(store) < DONE:
                    await asyncio.sleep(0.05)
            await store.close()
            relay.send(signal.SIGKILL)
            await relay.ended()
        async with (
            relay_process(tmp_path, second) as relay,
            connected(await relay.port()) as upstream,
        ):
            await upstream.begin(sender=SENDER, recipients=RECIPIENTS)
            await upstream.send(PROMOTIONAL + b".\r\n")
            reply = await upstream.reply()

    copies = Counter([*first.mailboxes, *second.mailboxes])
    assert reply.startswith("250 ")
    assert dict.fromkeys(RECIPIENTS, 1) == copies
