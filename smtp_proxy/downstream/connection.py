"""One connection to the downstream: replies in, bytes out, one deadline, back-pressure. It knows no
SMTP command.

One `ReplyListener` at a time holds the connection: it hears each reply, the end, and when there is
room to write again. Without one nothing may arrive, so whatever does (a 421 before an idle peer
closes, bytes slipped in behind a STARTTLS reply) ends the connection.

Deadlines cost one timer for many mails: it is only moved when it would come too late, and looks at
`_due` when it fires.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast

from smtp_proxy.downstream.peer_reply import PeerReply, ProtocolViolation, ReplyReader
from smtp_proxy.downstream.transaction import Buffer

# replies are short; asyncio's own buffer of 256 KiB costs an mmap and a munmap for each receive
RECEIVE_OCTETS = 4096
GOODBYE_SECONDS = 5.0  # how long a peer may take to read our QUIT
NEVER = float("inf")


class Ending(StrEnum):
    """Why a connection ended."""

    CLOSED = "closed"
    TIMED_OUT = "timed_out"
    VIOLATION = "protocol_violation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for each wait. `total` bounds a whole send, so that our answer comes before the
    upstream's ten minutes end (X12).
    """

    queue: float = 30  # for a free place in the pool
    connect: float = 10
    greeting: float = 30  # the greeting, and each reply until the session is ready
    command: float = 30  # MAIL, RCPT and DATA
    progress: float = 60  # content, since the peer last took some
    final: float = 300  # the reply to the final dot
    idle: float = 60
    total: float = 540


class ReplyListener(Protocol):
    """Who holds a connection."""

    def replied(self, reply: PeerReply) -> None:
        """Take the next reply."""

    def ended(self, ending: Ending) -> None:
        """Take note that nothing more will come; called once at most."""

    def writable(self) -> None:
        """Go on writing after `PeerConnection.full` was true."""


class PeerConnection(asyncio.BufferedProtocol):
    """The transport of one SMTP session, owned by one listener at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None  # from `connection_made` on
        # a view, because asyncio's TLS fills a slice of what it is lent
        self._received = memoryview(bytearray(RECEIVE_OCTETS))
        self._replies = ReplyReader()
        self._listener: ReplyListener | None = None
        self._ending: Ending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._due = NEVER
        self.limit = NEVER  # no deadline is later than this moment of the loop's clock
        self.full = False
        self.gone = loop.create_future()  # done when the socket is closed

    @property
    def usable(self) -> bool:
        """Whether another command may be written: open, and no half reply waits."""
        return self._ending is None and not self._replies.pending

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; only between `connection_made` and the end."""
        if self._transport is None:
            raise ConnectionError("not connected")
        return self._transport

    def listen(self, listener: ReplyListener | None) -> None:
        """Give the connection to a listener, or to nobody; a listener hears at once of an end that
        came before.
        """
        self._listener = listener
        if listener is None:
            self._due = NEVER
        elif self._ending is not None:
            self._listener = None
            listener.ended(self._ending)

    def expect_within(self, seconds: float) -> None:
        """End the connection unless this or `listen(None)` is called within so many seconds; an
        idle one says goodbye first.
        """
        self._due = min(self._loop.time() + seconds, self.limit)
        if self._due < self._timer_at and self._ending is None:
            self._start_timer()

    def write(self, data: Buffer) -> None:
        """Write octets; `full` tells when to stop until `ReplyListener.writable`."""
        self.transport.write(data)

    def writelines(self, pieces: list[Buffer]) -> None:
        """Write pieces in one call."""
        self.transport.writelines(pieces)

    def replace_transport(self, transport: asyncio.Transport) -> None:
        """Go on over TLS."""
        self._transport = transport

    def abort(self, ending: Ending = Ending.CLOSED) -> None:
        """Close at once, without a word and without flushing."""
        self._end(ending)
        if self._transport is not None:
            self._transport.abort()

    def quit(self) -> None:
        """Say goodbye and close; the answer is of no interest."""
        self._end(Ending.CLOSED)
        self.transport.write(b"QUIT\r\n")
        self.transport.close()
        self._loop.call_later(GOODBYE_SECONDS, self.transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports do all of it, but are no subclass
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the listener and whoever waits for the socket."""
        self._end(Ending.CLOSED)
        if not self.gone.done():
            self.gone.set_result(None)

    def eof_received(self) -> None:
        """Count the session as over, whatever could still be written."""
        self._end(Ending.CLOSED)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the receive buffer."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Cut what came into replies and hand each to the listener."""
        if self._ending is not None:
            return
        try:
            for reply in self._replies.feed(bytes(self._received[:nbytes])):
                if self._listener is None:  # a reply that nobody asked for
                    self.abort(Ending.VIOLATION)
                    return
                self._listener.replied(reply)
        except ProtocolViolation:
            self.abort(Ending.VIOLATION)

    def pause_writing(self) -> None:
        """Note that the peer reads more slowly than we write."""
        self.full = True

    def resume_writing(self) -> None:
        """Let the listener go on."""
        self.full = False
        if self._listener is not None:
            self._listener.writable()

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._due
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, NEVER
        if self._due == NEVER:
            return
        if self._due > self._loop.time():
            self._start_timer()
        elif self._listener is None:
            self.quit()
        else:
            self.abort(Ending.TIMED_OUT)

    def _end(self, ending: Ending) -> None:
        if self._ending is not None:
            return
        self._ending = ending
        if self._timer is not None:
            self._timer.cancel()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.ended(ending)
