"""The ledger on Redis or Valkey: the port `app.usecases.ports.CopyLedger`.

One hash a message, which lives in one slot and goes by itself when its time is over, so that a
message costs one command to look up, however many recipients it has. It leaves in one pipeline with
all look-ups of the same turn of the event loop, those of the states too.
"""

from collections.abc import Awaitable, Mapping, Sequence

from app.core.errors import StoreUnavailable
from app.store import keys
from app.store.batching import Batcher, Command, Reply
from app.store.connection import StoreConnection
from app.store.replies import as_bytes, as_list, raise_for


class RedisLedger:
    """The ledger in the same store as everything else, over its wire and `reads`; `replicated`: an
    entry counts once a replica has it.
    """

    def __init__(
        self, connection: StoreConnection, reads: Batcher, *, replicated: bool = False
    ) -> None:
        self._connection = connection
        self._reads = reads
        self._replicated = replicated

    def entries(self, message: bytes) -> Awaitable[Mapping[bytes, bytes]]:
        """Return every entry of a message, empty for one that is not known; under way before anyone
        awaits it.
        """
        return self._reads.submit([("HGETALL", keys.ledger(message))], _entries)

    async def note(
        self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int
    ) -> None:
        """Write entries of a message beside those that are there; all of them go after so many
        seconds.
        """
        key = keys.ledger(message)
        write: Command = ("HSET", key, *(part for entry in entries.items() for part in entry))
        for reply in await self._connection.run(
            [write, ("EXPIRE", key, keep_seconds)], replicated=self._replicated
        ):
            raise_for(reply)


def _entries(replies: Sequence[Reply]) -> Mapping[bytes, bytes]:
    (reply,) = replies
    try:
        flat = [as_bytes(part) for part in as_list(reply)]
    except ValueError as exc:
        raise StoreUnavailable(f"unreadable ledger: {exc}") from exc
    return dict(zip(flat[::2], flat[1::2], strict=True))
