"""The way out: a bounded pool of sessions with the downstream, and `send`, which turns one copy
into one Outcome.

What holds, whatever the peer does (catalogue C1 to C7, X5, X6):

1. `send` returns an outcome; it raises only when it is cancelled, and then the session it used is
   closed.
2. A session is used again only after a complete dialogue. The idle one used last goes first, so
   that a quiet hour lets the others close.
3. A copy is tried twice only when an idle session turned out to be dead before any octet of content
   was written to it.
4. At most `size` sessions are open; at most `waiting` sends queue for one, for a bounded time;
   beyond that the answer is 451 4.3.2.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from app.core.downstream import Target
from app.core.errors import DownstreamUnavailable
from smtp_proxy.downstream.capabilities import UNSEEN, Capabilities
from smtp_proxy.downstream.connection import NEVER, Timeouts
from smtp_proxy.downstream.dialogue import Dialogue, SendOutcome, refusal
from smtp_proxy.downstream.opening import NotOpened, OpenSession, SessionOpener
from smtp_proxy.downstream.transaction import Transaction, unsendable
from smtp_proxy.replies import Deferred, Delivered, Outcome, Reply

BUSY = Reply(451, "4.3.2", "Too many mails on their way to downstream")
STOPPING = Reply(451, "4.3.2", "Relay is stopping")
CLOSE_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 30.0

Veto = Callable[[], Awaitable[Outcome | None]]


class Downstream:
    """The pooled client of one target. Make it inside the running loop, `close` it there."""

    def __init__(  # noqa: PLR0913 - bounds of one pool, each with its default
        self,
        target: Target,
        *,
        hostname: str,
        size: int = 50,
        waiting: int = 1000,
        mails_per_session: int = 1000,
        timeouts: Timeouts | None = None,
        verifying: ssl.SSLContext | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._opener = SessionOpener(
            target, hostname=hostname, timeouts=self._timeouts, verifying=verifying
        )
        self._mails_per_session = mails_per_session
        # Each send holds a place, and opens a session only when none is idle: so sessions never
        # outnumber places.
        self._places = asyncio.Semaphore(size)
        self._waiting = 0
        self._max_waiting = waiting
        self._idle: list[OpenSession] = []
        self._open: set[OpenSession] = set()
        self._capabilities = UNSEEN
        self._tried_at = -NEVER
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """What the downstream offered when a session was last opened; before the first one all that
        depends on it.
        """
        return self._capabilities

    def may_have_changed(self) -> bool:
        """Say whether to look again what the downstream offers: it was never seen, or no session is
        open and none was for a while.
        """
        if self._capabilities is UNSEEN:
            return True
        return (
            not self._open
            and asyncio.get_running_loop().time() - self._tried_at >= LOOK_AGAIN_SECONDS
        )

    async def probe(self) -> None:
        """Open a session, learn the capabilities and keep it idle; raise DownstreamUnavailable."""
        limit = asyncio.get_running_loop().time() + self._timeouts.total
        if not await self._take_place():
            raise DownstreamUnavailable(BUSY.text)
        try:
            self._give_back(await self._open_session(limit))
        except NotOpened as failure:
            raise DownstreamUnavailable(str(failure)) from failure
        finally:
            self._places.release()

    async def send(
        self, transaction: Transaction, *, unless: Veto | None = None, limit: float = NEVER
    ) -> Outcome:
        """Send one copy and return what became of it, within `Timeouts.total` seconds and before
        the loop's clock reaches `limit`.

        `unless` is asked when a session may be had, right before the copy leaves: what it returns
        is the outcome instead.
        """
        refused = unsendable(transaction)
        if refused is not None:
            return refused
        limit = min(limit, asyncio.get_running_loop().time() + self._timeouts.total)
        if not await self._take_place():
            return Deferred(reply=BUSY)
        try:
            veto = await unless() if unless is not None else None
            return await self._send(transaction, limit) if veto is None else veto
        except NotOpened as failure:
            return Deferred(reply=failure.reply)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Say goodbye on idle sessions and cut the others; a send that still runs ends as deferred,
        a later one too.
        """
        self._closed = True
        sockets = [session.connection.gone for session in self._open]
        for session in list(self._open):
            if session in self._idle:
                session.connection.quit()
            else:
                session.connection.abort()
        self._idle.clear()
        if sockets:
            await asyncio.wait(sockets, timeout=CLOSE_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _take_place(self) -> bool:
        if not self._places.locked():
            return await self._places.acquire()
        if self._waiting >= self._max_waiting:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeouts.queue):
                return await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    async def _send(self, transaction: Transaction, limit: float) -> SendOutcome:
        idle = self._take_idle()
        if idle is not None:
            outcome, stale = await self._converse(idle, transaction, limit)
            if not stale:
                return outcome
        if self._closed:
            return Deferred(reply=STOPPING)
        outcome, _ = await self._converse(await self._open_session(limit), transaction, limit)
        return outcome

    async def _converse(
        self, session: OpenSession, transaction: Transaction, limit: float
    ) -> tuple[SendOutcome, bool]:
        refused = refusal(transaction, session.capabilities)
        if refused is not None:
            self._give_back(session)
            return refused, False
        session.connection.limit = limit
        dialogue = Dialogue(
            session.connection,
            transaction,
            capabilities=session.capabilities,
            timeouts=self._timeouts,
            reset=session.dirty,
        )
        dialogue.start()
        try:
            outcome = await dialogue.outcome
        except BaseException:
            session.connection.abort()
            raise
        session.mails += 1
        session.dirty = not isinstance(outcome, Delivered)
        self._give_back(session)
        return outcome, dialogue.stale

    async def _open_session(self, limit: float) -> OpenSession:
        self._tried_at = asyncio.get_running_loop().time()
        session = await self._opener.open(limit)
        self._capabilities = session.capabilities
        self._open.add(session)
        session.connection.gone.add_done_callback(lambda _: self._forget(session))
        return session

    def _take_idle(self) -> OpenSession | None:
        while self._idle:
            session = self._idle.pop()
            if session.connection.usable:
                return session
        return None

    def _give_back(self, session: OpenSession) -> None:
        if not session.connection.usable:
            session.connection.abort()
        elif self._closed or session.mails >= self._mails_per_session:
            session.connection.quit()
        else:
            session.connection.limit = NEVER
            session.connection.expect_within(self._timeouts.idle)
            self._idle.append(session)

    def _forget(self, session: OpenSession) -> None:
        self._open.discard(session)
        if session in self._idle:
            self._idle.remove(session)
