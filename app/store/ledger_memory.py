"""The ledger in memory: the twin of `RedisLedger`, and what a relay remembers by itself while the
store is away.

Bounded: the message that was written to longest ago goes first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

MAX_MESSAGES = 10_000


class MemoryLedger:
    """A ledger that lives and dies with the process. `clock` tells UTC milliseconds."""

    def __init__(self, *, clock: Callable[[], int], max_messages: int = MAX_MESSAGES) -> None:
        self._clock = clock
        self._max_messages = max_messages
        self._messages: OrderedDict[bytes, tuple[int, dict[bytes, bytes]]] = OrderedDict()

    def entries(self, message: bytes) -> Awaitable[Mapping[bytes, bytes]]:
        """Return every entry of a message; see `app.usecases.ports.CopyLedger`."""
        answer: asyncio.Future[Mapping[bytes, bytes]] = asyncio.get_running_loop().create_future()
        answer.set_result(self.known(message))
        return answer

    async def note(
        self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int
    ) -> None:
        """Write entries of a message; see `app.usecases.ports.CopyLedger`."""
        self.keep(message, entries, keep_seconds=keep_seconds)

    def known(self, message: bytes) -> Mapping[bytes, bytes]:
        """Return every entry of a message, at once."""
        if message not in self._messages:  # nearly always
            return {}
        until, entries = self._messages[message]
        return dict(entries) if self._clock() < until else {}

    def keep(self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int) -> None:
        """Write entries of a message, at once."""
        self._messages[message] = (
            self._clock() + keep_seconds * 1000,
            {**self.known(message), **entries},
        )
        self._messages.move_to_end(message)
        if len(self._messages) > self._max_messages:
            self._messages.popitem(last=False)
