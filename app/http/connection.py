"""One client connection on Hypercorn's protocols: its deadlines, its requests, and what happens
when either fails.

Hypercorn's own connection has no deadline for a body and none for a client that does not read its
answer; its keep-alive timer is a task made and cancelled for every request. Here a connection is in
one of three phases, each with its number of seconds (RFC 9112 9.5):

    HEAD  from accept, or from the first byte of a further request, to the end of the request's head
    BUSY  while requests are being answered
    IDLE  between requests

and the server's sweep ends the connections that overstay. A body has its own deadline, in `Inbox`,
outside any parser (catalogue E11).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from ssl import SSLError
from typing import cast

from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.typing import (
    AppWrapper,
    ASGIFramework,
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    LifespanState,
    Scope,
)
from hypercorn.utils import parse_socket_addr
from starlette.exceptions import HTTPException

from app.http.http1 import GuardedH11
from app.http.http2 import GuardedH2
from app.observe.log import LogEvent, logger

# bytes of one request that wait for the application before reading pauses
MAX_BUFFERED_BODY = 65_536

_log = logger("web")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """How long and how much one client may ask of us; seconds and counts."""

    head_seconds: float = 8.0
    body_seconds: float = 8.0
    busy_seconds: float = 30.0
    # longer than the idle time of the usual load balancers, so that they close first (catalogue
    # E19)
    idle_seconds: float = 75.0
    head_bytes: int = 16_384
    connections: int = 10_000
    requests_per_connection: int = 1_000
    streams_per_connection: int = 100
    grace_seconds: float = 10.0
    # at a stop, for the requests that kept connections had on their way
    lame_duck_seconds: float = 1.5


class Phase(Enum):
    """What a connection is doing."""

    HEAD = "head"
    BUSY = "busy"
    IDLE = "idle"


class Deadlines:
    """The phase of one connection and when it ends, in seconds of the loop's clock."""

    __slots__ = ("_now", "_seconds", "deadline", "phase")

    def __init__(self, limits: HttpLimits, now: Callable[[], float]) -> None:
        self._seconds = {
            Phase.HEAD: limits.head_seconds,
            Phase.BUSY: limits.busy_seconds,
            Phase.IDLE: limits.idle_seconds,
        }
        self._now = now
        self.enter(Phase.HEAD)

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self.phase = phase
        self.deadline = self._now() + self._seconds[phase]


class Inbox:
    """The events of one request on their way to the application: bounded, and impatient while the
    body is incomplete.
    """

    __slots__ = (
        "_arrived",
        "_buffered",
        "_closed",
        "_complete",
        "_deadline",
        "_events",
        "_loop",
        "_room",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, body_seconds: float) -> None:
        self._loop = loop
        self._deadline = loop.time() + body_seconds
        self._events: deque[ASGIReceiveEvent] = deque()
        self._buffered = 0
        self._complete = False
        self._closed = False
        self._arrived: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Hand over one event from the wire; waits while too much is unread. After `close`
        everything is dropped.
        """
        if self._closed:
            return
        self._events.append(event)
        _wake(self._arrived)
        if event["type"] == "http.request":
            self._buffered += len(event["body"])
            while self._buffered > MAX_BUFFERED_BODY and not self._closed:
                self._room = self._loop.create_future()
                await self._room

    async def get(self) -> ASGIReceiveEvent:
        """Return the next event: the `receive` of ASGI. Raises HTTPException 408 when the body is
        late.
        """
        while not self._events:
            self._arrived = self._loop.create_future()
            if self._complete:
                await self._arrived
                continue
            try:
                async with asyncio.timeout_at(self._deadline):
                    await self._arrived
            except TimeoutError as exc:
                raise HTTPException(408) from exc
        event = self._events.popleft()
        if event["type"] == "http.request":
            self._complete = not event["more_body"]
            self._buffered -= len(event["body"])
            _wake(self._room)
        return event

    def close(self) -> None:
        """Take nothing more: the request is answered."""
        self._closed = True
        _wake(self._room)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


class Requests(TaskGroup):
    """The requests of one connection, each a task that calls the application."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, asgi: ASGIFramework, body_seconds: float
    ) -> None:
        super().__init__(loop)
        self._asgi = asgi
        self._body_seconds = body_seconds

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start to answer one request and return where its events go."""
        inbox = Inbox(self._loop, self._body_seconds)
        self.spawn(self._answer, scope, inbox, send)
        return inbox.put

    async def _answer(
        self, scope: Scope, inbox: Inbox, send: Callable[[ASGISendEvent | None], Awaitable[None]]
    ) -> None:
        try:
            try:
                await self._asgi(scope, inbox.get, send)
            finally:
                inbox.close()
                await send(None)
        except Exception as exc:  # a rim: one request's failure stays its own
            # The application has answered 500 before it let this through; without an answer,
            # Hypercorn says 500 at send(None).
            _log.error(LogEvent.UNEXPECTED_ERROR, exc_info=exc)


class HttpConnection(TCPServer):
    """One client connection, from accept to close."""

    def __init__(  # noqa: PLR0913 - what Hypercorn's constructor takes, and what is ours
        self,
        *,
        asgi: ASGIFramework,
        wrapped: AppWrapper,
        loop: asyncio.AbstractEventLoop,
        config: Config,
        context: WorkerContext,
        limits: HttpLimits,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(wrapped, loop, config, context, LifespanState({}), reader, writer)
        self._asgi = asgi
        self._limits = limits
        self.patience = Deadlines(limits, loop.time)

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            requests = Requests(self.loop, self._asgi, self._limits.body_seconds)
            async with requests:
                self._begin(requests)
                await self.protocol.initiate()
                await self._read_data()
        except OSError:
            pass  # the client is gone
        except Exception as exc:  # a rim: one connection's failure stays its own
            _log.error(LogEvent.UNEXPECTED_ERROR, exc_info=exc)
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        """Do what the protocol says: send bytes, close, or note what phase it is in."""
        if isinstance(event, Updated):
            self.patience.enter(Phase.IDLE if event.idle else Phase.BUSY)
        else:
            await super().protocol_send(event)

    async def announce_end(self) -> None:
        """Tell the client, where the protocol can without a request, that it should send no more on
        this connection.
        """
        if isinstance(getattr(self, "protocol", None), GuardedH2):
            await cast("GuardedH2", self.protocol).announce_end()

    def end(self) -> None:
        """End the connection now, whatever it is doing."""
        self.writer.transport.abort()

    def _begin(self, requests: Requests) -> None:
        sock = self.writer.get_extra_info("socket")
        tls = self.writer.get_extra_info("ssl_object")
        speaks = (
            GuardedH2 if tls is not None and tls.selected_alpn_protocol() == "h2" else GuardedH11
        )
        self.protocol = speaks(  # type: ignore[assignment]  # in the place of Hypercorn's switch between protocols: we never switch
            self.app,
            self.config,
            self.context,
            requests,
            ConnectionState(self.state),
            tls is not None,
            parse_socket_addr(sock.family, sock.getpeername()),
            parse_socket_addr(sock.family, sock.getsockname()),
            self.protocol_send,
        )

    async def _read_data(self) -> None:
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(MAX_RECV)
            except (OSError, SSLError):
                break
            if self.patience.phase is Phase.IDLE and isinstance(self.protocol, GuardedH11):
                self.patience.enter(Phase.HEAD)
            await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())
