"""How often one API key may call, over all nodes together (catalogue Q10).

The window slides: the last full one weighs less the further the present one has come. While the
store is away nobody is limited, since then nobody can count.
"""

from app.core.errors import StoreUnavailable
from app.usecases.ports import CallCounter, Clock

WINDOW_MS = 60_000


class CallLimit:
    """Counts calls by key."""

    def __init__(self, counter: CallCounter, clock: Clock, *, per_minute: int) -> None:
        self._counter = counter
        self._clock = clock
        self._per_minute = per_minute

    async def pause(self, caller: str) -> int:
        """Count one call; return 0 when it may go on, else after how many seconds to come again."""
        window, within = divmod(self._clock(), WINDOW_MS)
        try:
            present, past = await self._counter.count(caller, window=window, window_ms=WINDOW_MS)
        except StoreUnavailable:
            return 0
        if present + past * (1 - within / WINDOW_MS) <= self._per_minute:
            return 0
        return max(1, -(-(WINDOW_MS - within) // 1000))
