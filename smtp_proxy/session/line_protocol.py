"""Lines in and replies out over one connection: buffers, back-pressure, deadlines, and an orderly
end.

Knows transports and lines, and no SMTP command: what the lines mean is its interpreter's business
(`Session`). Serves RFC 5321 2.3.8 (only CR LF ends a line) and 4.5.3.2 (timeouts). Surprising facts
first:

1. The dialogue is a generator that the transport drives: it runs on inside `data_received` for as
   long as the client has sent enough, and stops at a `yield`: `yield None` waits for octets, `yield
   task` for a task. Reading a mail takes no future and no task (docs/adr/0004, docs/adr/0053).
2. A connection that we end is first closed for writing only, and what still comes is dropped:
   closing it whole over unread octets would make the kernel send a reset, and the client would
   never read why.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

from app.observe.metrics import SMTP_REFUSALS
from smtp_proxy.replies import SHUTTING_DOWN, TOO_SLOW, Reply, wire
from smtp_proxy.session.lines import Lines

T = TypeVar("T")
# Any: a Future is invariant, and the driver never looks at its result
Waiting = Generator[asyncio.Future[Any] | None, None, T]

_FIRST_REFUSAL = 400  # RFC 5321 4.2.1: 4yz and 5yz
_RECEIVE = 65_536  # asyncio's own 256 KiB are mapped and unmapped by the allocator for each read
_HIGH_WATER = 65_536  # what a client may send ahead while its mail is handed on
_LINGER_SECONDS = 2.0
_TLS_SECONDS = 30.0
_TICKS = 4  # in a deadline: no timer is made and cancelled for each command


class Farewell(Exception):
    """End the dialogue with a last reply. `at_once`: the client expects the end."""

    def __init__(self, reply: Reply, *, at_once: bool = False) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.at_once = at_once


class Interpreter(Protocol):
    """Gives the lines of one connection their meaning, and decides who may connect."""

    def admit(self, peer: str) -> Reply | None:
        """Count the connection in, or return why it may not stay. `peer` is an IP address, empty
        when unknown.
        """
        ...

    def dialogue(self) -> Waiting[None]:
        """Return the dialogue, from the greeting on."""
        ...

    def leave(self) -> None:
        """Count an admitted connection out: it is closed, and nothing runs for it any more."""
        ...

    def is_stopping(self) -> bool:
        """Say whether the dialogue shall end before its next command."""
        ...

    def failed(self, error: Exception) -> None:
        """Log an error that ended the dialogue."""
        ...


class LineProtocol(asyncio.Protocol):
    """One connection. Made within a running event loop; a transport is needed only by what a
    transport calls.
    """

    def __init__(
        self, interpreter: Interpreter, *, idle_seconds: float, tick_seconds: float
    ) -> None:
        self._interpreter = interpreter
        self._loop = asyncio.get_running_loop()
        self._idle_seconds = idle_seconds
        self._tick_seconds = tick_seconds / _TICKS
        self._steps: Waiting[None] | None = None
        self._pending: asyncio.Future[Any] | None = None  # Any: as in Waiting
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._ended_by_client = self._deaf = self._lost = False
        self._reading_paused = self._writing_paused = False
        self._transport: asyncio.Transport
        self.lines = Lines()  # what has come and is unread; more will arrive in the same buffer
        self.unsent: list[bytes] = []  # what was said and leaves when the dialogue waits next
        self.over_tls = False
        self.now = self._loop.time  # the loop's clock, in seconds

    # What the dialogue uses.

    def say(self, reply: Reply) -> None:
        """Put a reply in line; it leaves when the dialogue waits next."""
        if reply.code >= _FIRST_REFUSAL:
            SMTP_REFUSALS.labels(str(reply.code)).inc()
        self.unsent.append(wire(reply))

    def say_raw(self, lines: bytes) -> None:
        """Put something in line that has no enhanced code: a greeting, the answer to EHLO, 334,
        354.
        """
        self.unsent.append(lines)

    def read_line(self) -> Waiting[bytes | Reply]:
        """Wait for one line and return it without its end, or the reply to a line that cannot be
        one.
        """
        line = self.lines.take()
        if line is None:
            self.renew(self._idle_seconds)
        while line is None:
            if self._interpreter.is_stopping():
                raise Farewell(SHUTTING_DOWN)
            yield None
            line = self.lines.take()
        return line

    def listens(self) -> bool:
        """Say whether the client is still there to hear an answer; one that will send no more may
        be, or may have gone.
        """
        return not (self._lost or self._ended_by_client)

    # Any: what a coroutine yields is asyncio's own affair
    def until(self, work: Coroutine[Any, Any, T]) -> Waiting[T]:
        """Wait for a task and return its result; the task goes on when the client leaves."""
        task = self._loop.create_task(work)
        yield task
        return task.result()

    def renew(self, seconds: float) -> None:
        """Give the client this long from now for its next progress."""
        self._deadline = self.now() + seconds

    def secure(self, context: ssl.SSLContext) -> Waiting[bool]:
        """Turn TLS on and say whether it succeeded; octets that came in clear after the command are
        gone.
        """
        self._flush()
        transport = yield from self.until(self._start_tls(context))
        if transport is None:
            return False
        self._transport, self.over_tls, self._reading_paused = transport, True, False
        return True

    async def _start_tls(self, context: ssl.SSLContext) -> asyncio.Transport | None:
        # nothing can arrive between here and the moment when the handshake owns the connection
        self.lines.buffer.clear()
        with suppress(OSError, TimeoutError):
            return await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=_TLS_SECONDS,
                ssl_shutdown_timeout=_LINGER_SECONDS,
            )
        return None

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or send it away."""
        # a stream has no other, though those of uvloop do not inherit from it
        self._transport = cast(asyncio.Transport, transport)
        with suppress(AttributeError):  # uvloop has a buffer of its own
            transport.max_size = _RECEIVE  # type: ignore[attr-defined] # of asyncio's transport, not in its published interface
        self.over_tls = transport.get_extra_info("ssl_object") is not None
        name = transport.get_extra_info("peername")
        refusal = self._interpreter.admit(name[0] if isinstance(name, tuple) else "")
        if refusal is not None:
            self._deaf = True
            self._transport.write(wire(refusal))
            self._transport.close()
            return
        self._steps = self._interpreter.dialogue()
        self.renew(self._idle_seconds)
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)
        self._drive()

    def data_received(self, data: bytes) -> None:
        """Go on with the dialogue, or keep what has come for later."""
        if self._deaf:
            return
        self.lines.buffer += data
        if self._pending is None and not self._writing_paused:
            self._drive()
        elif len(self.lines.buffer) > _HIGH_WATER:
            self._pause_reading()

    def eof_received(self) -> bool:
        """End the dialogue, unless a task runs whose answer the client may still read."""
        self._ended_by_client = True
        return self._pending is not None and not self.over_tls

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the dialogue. A message that has come complete is still handed on."""
        if self._lost or self._steps is None:
            return
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._pending is None:
            self._steps.close()
            self._interpreter.leave()

    def pause_writing(self) -> None:
        """Stop answering a client that does not read."""
        self._writing_paused = True
        self._pause_reading()

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writing_paused = False
        if self._pending is None:
            self._resume_reading()
            self._drive()

    def wake(self) -> None:
        """Let a dialogue that waits for the client see that its listener is stopping."""
        if self._pending is None and not self._writing_paused:
            self._drive()

    def abort(self) -> None:
        """Drop the connection, and the task that runs for it."""
        if self._pending is not None:
            self._pending.cancel()
        self._transport.abort()

    def _drive(self, farewell: Farewell | None = None) -> None:
        """Run the dialogue to its next wait."""
        if self._steps is None or self._lost or self._deaf:
            return
        try:
            waits_for = self._steps.throw(farewell) if farewell else next(self._steps)
        except StopIteration:
            self._end(at_once=False)
            return
        except Farewell as last:
            self.say(last.reply)
            self._end(at_once=last.at_once)
            return
        except Exception as error:
            self._interpreter.failed(error)
            self.abort()
            return
        self._flush()
        if waits_for is not None:
            self._pending = waits_for
            waits_for.add_done_callback(self._resume)
        elif self._ended_by_client:
            self._end(at_once=True)

    def _resume(self, done: asyncio.Future[Any]) -> None:  # Any: as in Waiting
        self._pending = None
        if self._lost or done.cancelled():
            self._lost = True
            if self._steps is not None:
                self._steps.close()
            self._interpreter.leave()
            return
        self._resume_reading()
        self._drive()

    def _flush(self) -> None:
        if self.unsent:
            self._transport.write(b"".join(self.unsent))
            self.unsent.clear()

    def _end(self, *, at_once: bool) -> None:
        """Close: at once, or when the client has read the last reply (fact 3)."""
        self._flush()
        self._deaf = True
        transport = self._transport
        if (
            at_once
            or self._ended_by_client
            or transport.is_closing()
            or not transport.can_write_eof()
        ):
            transport.close()
        else:
            self._resume_reading()
            # the client has gone already, and `connection_lost` is on its way
            with suppress(OSError):
                transport.write_eof()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER_SECONDS, transport.abort)

    def _tick(self) -> None:
        if self._pending is None and self.now() >= self._deadline:
            if self._writing_paused:
                self.abort()  # it has not read what we said before
            else:
                self._drive(Farewell(TOO_SLOW))
            return
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._writing_paused:
            self._reading_paused = False
            self._transport.resume_reading()
