"""The epoch: the number above which the sequences of all changes go on
(docs/adr/0046-sequences-go-on-after-a-restore.md).

A store that came back from a backup has forgotten the changes since, and would count them a second
time: a receiver takes a sequence that it knows for an old event. So the epoch is raised to the
microseconds of that moment, above every number that can have been told.
"""

from app.core.errors import StoreUnavailable
from app.core.model import PARTITIONS
from app.store import keys
from app.store.connection import StoreConnection
from app.store.replies import raise_for
from app.store.script import Script, run

_RAISE, _TIME = Script("raise"), Script("time")
MOST = 2**53  # beyond which JSON numbers are not exact


async def epoch_of(connection: StoreConnection) -> int:
    """Return the highest epoch of all partitions; 0 before the first restore. Raises
    StoreUnavailable.
    """
    replies = await connection.run([("GET", keys.epoch(number)) for number in range(PARTITIONS)])
    for reply in replies:
        raise_for(reply)
    return max(int(reply) if isinstance(reply, bytes) else 0 for reply in replies)


async def raise_epoch(
    connection: StoreConnection, *, above: int = 0, replicated: bool = False
) -> int:
    """Raise the epoch of every partition above all that were ever told, and return it. Raises
    StoreUnavailable; may be repeated.

    `above` is an epoch that is known from elsewhere, such as that of a backup.
    """
    epoch = max(await epoch_of(connection) + 1, above + 1, 1000 * await time_ms(connection))
    if epoch >= MOST:
        raise StoreUnavailable(
            f"the store's clock lies in the year 2255 or beyond: epoch {epoch} would not be exact"
            " in JSON"
        )
    commands = [_RAISE.command([keys.epoch(number)], epoch) for number in range(PARTITIONS)]
    for reply in await run(connection, commands, replicated=replicated):
        raise_for(reply)
    return epoch


async def time_ms(connection: StoreConnection) -> int:
    """Return the store's own time, UTC milliseconds. Raises StoreUnavailable."""
    (reply,) = await run(connection, [_TIME.command([keys.META])])
    if not isinstance(reply, int):
        raise_for(reply)
        raise StoreUnavailable("a reply of another type")
    return reply
