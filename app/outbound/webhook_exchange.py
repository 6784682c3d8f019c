"""One connection to a receiver of webhooks: a request out, an answer in, within bounds that no peer
can stretch (RFC 9112).

Surprising: nothing is read that nobody waits for. What comes while the connection rests, behind a
bound, or behind the status line for longer than `TAIL_SECONDS`, ends the connection. So memory is
what one read gives, and the loop is held for one read.
"""

import asyncio
import re
from typing import cast

import h11

from app.core.webhook import ReceiverAnswer

MOST_ANSWER_BYTES = 64 * 1024  # of one answer: interim answers, head and body
MOST_INTERIM = 16  # 1xx answers before the final one
TAIL_SECONDS = 1.0  # for what follows a status line that has decided already
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_RETRY_AFTER_CHARS = 64
_SWITCHING = 101


class NotSent(Exception):
    """A kept connection had ended before any octet of an answer."""


class Exchange(asyncio.Protocol):
    """One connection. `ask` is called by one caller at a time, after `wake` when the connection has
    rested.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_ANSWER_BYTES)
        self._answer: asyncio.Future[ReceiverAnswer] | None = None
        self._found: ReceiverAnswer | None = None  # what the status line says, while the rest comes
        self._read = self._interim = self._exchanges = 0
        self._tail: asyncio.TimerHandle | None = None
        self._ended = False
        self.is_reusable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports do all of it, but are no subclass
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, head: h11.Request, body: bytes) -> ReceiverAnswer:
        """Send a request and return its answer. Raises NotSent when a kept connection turns out to
        have ended.
        """
        transport = self._transport
        if transport is None or self._ended or transport.is_closing():
            raise NotSent
        self._answer = asyncio.get_running_loop().create_future()
        self._found, self.is_reusable = None, False
        self._read = self._interim = 0
        self._exchanges += 1
        pieces = (
            self._http.send(head),
            self._http.send(h11.Data(data=body)),
            self._http.send(h11.EndOfMessage()),
        )
        transport.write(b"".join(piece for piece in pieces if piece))
        return await self._answer

    def rest(self, seconds: float) -> None:
        """Wait for another request for so long, then end."""
        self._tail = asyncio.get_running_loop().call_later(seconds, self.abort)

    def wake(self) -> bool:
        """Tell whether the connection can take another request."""
        self._stop_waiting()
        return not self._ended

    def abort(self) -> None:
        """End the connection at once: nothing is said, nothing more is read."""
        self._ended = True
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, up to a bound."""
        if self._answer is None or self._answer.done():
            self.abort()  # nobody has asked
            return
        room = MOST_ANSWER_BYTES - self._read
        self._read += len(data)
        self._http.receive_data(data[:room])
        self._look()
        if self._read > MOST_ANSWER_BYTES and not self._answer.done():
            self._decide(self._found or ReceiverAnswer(reason="the answer has no end"))

    def eof_received(self) -> None:
        """Take what has come for the answer; the transport closes itself."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Do the same for a connection that broke."""
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._stop_waiting()
        if self._answer is None or self._answer.done():
            return
        if self._exchanges > 1 and not self._read:
            self._answer.set_exception(NotSent())
            return
        self._decide(
            self._found
            or ReceiverAnswer(reason="broken off: the connection ended before an answer")
        )

    def _look(self) -> None:
        """Read the events of HTTP that are there, until the answer is complete or cannot be."""
        while self._answer is not None and not self._answer.done():
            unread = self._http.trailing_data[0] if self._found is None else b""
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                self._decide(
                    self._found
                    or _by_status_line(unread)
                    or ReceiverAnswer(reason="broken off: the answer is no HTTP")
                )
                return
            match event:
                case h11.NEED_DATA | h11.PAUSED:
                    self._note_status(_by_status_line(unread))
                    return
                case h11.InformationalResponse(status_code=status):
                    self._interim += 1
                    if status == _SWITCHING or self._interim > MOST_INTERIM:
                        self._decide(
                            ReceiverAnswer(
                                reason="too many interim answers"
                                if status != _SWITCHING
                                else f"answered {status}"
                            )
                        )
                case h11.Response():
                    self._note_status(_answer_of(event))
                case h11.EndOfMessage():
                    self._complete()

    def _note_status(self, found: ReceiverAnswer | None) -> None:
        if found is None:
            return
        self._found = found
        if self._tail is None:
            self._tail = asyncio.get_running_loop().call_later(TAIL_SECONDS, self._decide_by_status)

    def _decide_by_status(self) -> None:
        if self._found is not None and self._answer is not None and not self._answer.done():
            self._decide(self._found)

    def _complete(self) -> None:
        found = self._found or ReceiverAnswer(reason="broken off: the answer has no status")
        states = self._http.states
        self.is_reusable = (
            all(state is h11.DONE for state in states.values())
            and not self._http.trailing_data[0]
            and not self._ended
        )
        if self.is_reusable:
            self._http.start_next_cycle()
            self._stop_waiting()
            if self._answer is not None:
                self._answer.set_result(found)
        else:
            self._decide(found)

    def _decide(self, answer: ReceiverAnswer) -> None:
        """Give the answer and end the connection, which is good for nothing more."""
        self.abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _stop_waiting(self) -> None:
        if self._tail is not None:
            self._tail.cancel()
            self._tail = None


def _answer_of(response: h11.Response) -> ReceiverAnswer:
    retry = next((value for name, value in response.headers if name == b"retry-after"), b"")
    return ReceiverAnswer(
        status=response.status_code, retry_after=retry.decode("latin-1")[:_RETRY_AFTER_CHARS]
    )


def _by_status_line(unread: bytes) -> ReceiverAnswer | None:
    """Return what the status line of a final answer says, when the rest of its head has not come or
    cannot be read.
    """
    found = _STATUS_LINE.match(unread)
    return ReceiverAnswer(status=int(found[1])) if found else None
