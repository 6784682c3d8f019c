"""The durable acknowledgement: what a 200 promises (docs/how-it-works.md; catalogue E7, E8).

A statement goes to the spool and to the store at the same time. Both are waited for, the store 400
ms; then whatever is durable decides. While nothing is durable yet, the wait goes on for 5 s in all.
Neither: StoreUnavailable, and nothing was promised.

A resubscribe with `expected_sequence` is another matter: only the store can say whether it is
stale, so the store decides alone, and the spool keeps the decision, without its condition, for a
failover.
"""

import asyncio
from collections.abc import Callable

from app.core.errors import RuleViolation, SpoolUnavailable, StoreUnavailable
from app.core.model import Acknowledgement, Change, Recency, Source, Statement
from app.observe.log import LogEvent, Logger
from app.observe.metrics import ACK
from app.usecases.ports import Clock, Spool, Store
from app.usecases.recency import AHEAD_MS, recency_of, told_late

STORE_SECONDS = 0.4
LAST_SECONDS = 5.0


class RecordStatement:
    """Makes statements durable, and counts and logs each. One for each process; calls may run side by
    side in one event loop. Without a `log`, the caller alone tells what could not be kept.
    """

    def __init__(
        self, store: Store, spool: Spool | None, clock: Clock, *, log: Logger | None = None
    ) -> None:
        self._store = store
        self._spool = spool
        self._clock = clock
        self._log = log
        self._counts = {copies: ACK.labels(str(copies)) for copies in (1, 2)}

    async def __call__(self, statement: Statement) -> Acknowledgement:
        """Return once the statement is durable, with the number of copies; idempotent, since the
        state is a register.

        Raises StoreUnavailable when neither spool nor store could keep it, Conflict when a
        resubscribe is stale, and RuleViolation for a resubscribe by import, which is no consent of
        the recipient (catalogue Q6).
        """
        return await self._keep(statement, recency_of(statement, self._clock()))

    async def late(self, statement: Statement) -> Acknowledgement:
        """Do the same with a statement that has waited elsewhere before it came here."""
        return await self._keep(statement, told_late(statement))

    async def _keep(self, statement: Statement, recency: Recency) -> Acknowledgement:
        if statement.subscribed and statement.source is Source.IMPORT:
            raise RuleViolation("an import may not resubscribe anybody")
        latest = self._clock() + AHEAD_MS
        if statement.at_ms > latest:
            statement = statement._replace(at_ms=latest)
        try:
            if statement.subscribed and statement.expected_sequence is not None:
                copies = await self._decide(statement, recency)
            else:
                copies = await self._race(statement, recency)
        except StoreUnavailable as exc:
            if self._log:
                self._log.error(LogEvent.CLICK_NOT_DURABLE, reason=str(exc))
            raise
        self._counts[copies].inc()
        if self._log:
            self._log.debug(
                LogEvent.CLICK_ACKNOWLEDGED,
                id=statement.id.hex(),
                source=statement.source.label,
                copies=copies,
                recipient=statement.digest.hex(),
            )
        return Acknowledgement(copies=copies, id=statement.id)

    async def _race(self, statement: Statement, recency: Recency) -> int:
        spool = self._spool
        row = None if spool is None else asyncio.ensure_future(spool.append(statement))
        change = asyncio.ensure_future(self._store.apply(statement, recency))
        return await _Race(row, change, confirm=spool.confirm if spool else None).result()

    async def _decide(self, statement: Statement, recency: Recency) -> int:
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._store.apply(statement, recency)
        except TimeoutError as exc:
            raise StoreUnavailable("the store did not decide in time") from exc
        if self._spool is None:
            return 1
        try:
            async with asyncio.timeout(STORE_SECONDS):
                row = await self._spool.append(statement._replace(expected_sequence=None))
        except (SpoolUnavailable, TimeoutError):
            return 1
        self._spool.confirm(row)
        return 2


class _Race:
    """One statement on its way to both places. Callbacks and one timer, since a task or a wait for
    each click would cost as much as it.
    """

    __slots__ = (
        "_answer",
        "_applied",
        "_confirm",
        "_copies",
        "_late",
        "_open",
        "_reasons",
        "_row",
        "_timer",
    )

    def __init__(
        self,
        row: asyncio.Future[int] | None,
        change: asyncio.Future[Change],
        confirm: Callable[[int], None] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[int] = loop.create_future()
        self._confirm = confirm
        self._copies = 0
        self._open = 1 if row is None else 2
        self._late = False
        self._row: int | None = None
        self._applied = False
        self._reasons: list[str] = []
        self._timer = loop.call_later(STORE_SECONDS, self._at_deadline)
        change.add_done_callback(self._store_ended)
        if row is not None:
            row.add_done_callback(self._spool_ended)

    async def result(self) -> int:
        """Return the number of durable copies, at least 1."""
        try:
            return await self._answer
        finally:
            self._timer.cancel()

    def _store_ended(self, change: asyncio.Future[Change]) -> None:
        self._applied = self._succeeded(change)
        self._confirm_row()
        self._settle()

    def _spool_ended(self, row: asyncio.Future[int]) -> None:
        if self._succeeded(row):
            self._row = row.result()
        self._confirm_row()
        self._settle()

    def _succeeded(self, ended: asyncio.Future[int] | asyncio.Future[Change]) -> bool:
        if ended.cancelled():
            return False
        if (error := ended.exception()) is not None:
            self._reasons.append(f"{type(error).__name__}: {error}")
            return False
        self._copies += 1
        return True

    def _confirm_row(self) -> None:
        """Confirm the row when both are done, which may be long after the answer."""
        if self._applied and self._row is not None and self._confirm is not None:
            self._confirm(self._row)

    def _settle(self) -> None:
        self._open -= 1
        if self._open == 0 or (self._late and self._copies):
            self._end()

    def _at_deadline(self) -> None:
        self._late = True
        if self._copies:
            self._end()
        else:
            self._timer = asyncio.get_running_loop().call_later(
                LAST_SECONDS - STORE_SECONDS, self._end
            )

    def _end(self) -> None:
        if self._answer.done():
            return
        if self._copies:
            self._answer.set_result(self._copies)
        else:
            self._answer.set_exception(
                StoreUnavailable(
                    "; ".join(self._reasons) or "neither spool nor store answered in time"
                )
            )
