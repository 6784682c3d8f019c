"""Bring the spool's rows to the store: at start, after an error, and after a failover. Applying
again changes nothing, so it is free.

Rows go in pages, in the order of their time within a page; the register makes the order between
pages harmless. A row that the store does not take, since the part that holds it is away, keeps no
other waiting: the pages behind it follow while the store answers at all.
"""

import asyncio
from collections.abc import Awaitable, Container, Sequence
from typing import Protocol

from app.core.errors import Conflict, SpoolUnavailable, StoreUnavailable
from app.core.model import Recency, Statement
from app.observe.log import LogEvent, Logger
from app.usecases.ports import Spool, Store
from app.usecases.recency import told_late

PAGE = 250

_Row = tuple[int, Statement]


class _Fetch(Protocol):
    def __call__(self, *, after: int, limit: int) -> Awaitable[Sequence[_Row]]: ...


class Replayer:
    """Watches the store for one process's spool."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        log: Logger,
        *,
        interval: float = 1.0,
        longest_pause: float = 10.0,
    ) -> None:
        self._store = store
        self._spool = spool
        self._log = log
        self._interval = interval
        self._longest_pause = longest_pause
        self._generation: str | None = None
        # rows up to here were waiting at the last look: those above are probably on their way
        self._seen = 0
        self._failing = False

    async def run(self) -> None:
        """Look once an interval, less often while the store is away, until cancelled."""
        pause = self._interval
        while True:
            pause = self._interval if await self.look() else min(2 * pause, self._longest_pause)
            await asyncio.sleep(pause)

    async def look(self) -> bool:
        """Replay what is due and say whether the store answered.

        Every kept row is due when the server is another one than at the last look (or at the first
        look), else the rows that have waited since the last look. Of a row that the store never
        confirmed it hears for the first time, of the others again.
        """
        try:
            generation = await self._store.generation()
            if generation == self._generation:
                rows = await self._replay(self._spool.unconfirmed, upto=self._seen)
            else:
                rows = await self._replay(self._spool.recent, upto=None)
                self._generation = generation
        except (StoreUnavailable, SpoolUnavailable) as exc:
            if not self._failing:
                self._log.error(LogEvent.STORE_FAILED, reason=str(exc))
            self._failing = True
            return False
        if self._failing:
            self._log.info(LogEvent.STORE_RECOVERED)
        self._failing = False
        if rows:
            self._log.info(LogEvent.SPOOL_REPLAYED, rows=rows)
        return True

    async def _replay(self, fetch: _Fetch, *, upto: int | None) -> int:
        after = due = replayed = 0
        while page := await fetch(after=after, limit=PAGE):
            untold = {row for row, _ in await self._spool.unconfirmed(after=after, limit=PAGE)}
            after = page[-1][0]
            rows = [row for row in page if upto is None or row[0] <= upto]
            taken = await self._apply(rows, untold)
            if rows and not taken:
                await self._store.ping()  # raises when it is the whole store that is away
            due += len(rows)
            replayed += taken
        self._seen = after
        if due and not replayed:
            raise StoreUnavailable(f"none of {due} rows could be replayed")
        return replayed

    async def _apply(self, rows: Sequence[_Row], untold: Container[int]) -> int:
        """Apply one page at once, so that it leaves as one pipeline in this order; confirm what the
        store took, and return how much.
        """
        ordered = sorted(rows, key=lambda row: row[1].at_ms)
        waiting = [
            asyncio.ensure_future(
                self._store.apply(
                    statement, told_late(statement) if row in untold else Recency.REPEATED
                )
            )
            for row, statement in ordered
        ]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        taken = 0
        for (row, _), result in zip(ordered, results, strict=True):
            # a conflict is the store's last word
            if isinstance(result, BaseException) and not isinstance(result, Conflict):
                continue
            self._spool.confirm(row)
            taken += 1
        return taken
