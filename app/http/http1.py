"""What a connection may say over HTTP/1 before any of it counts as a request.

Hypercorn and its parser accept more than a public port should. What is refused on the wire is
refused here, and only here:

1. A line of a head or trailer ends with CRLF. h11 takes a bare LF too (RFC 9112 2.2 allows it); a
   proxy in front may not, and then the two see different requests (catalogue L5).
2. Content-Length together with Transfer-Encoding is refused (RFC 9112 6.1), and so is
   Transfer-Encoding in HTTP/1.0.
3. No CONNECT, no Upgrade, no HTTP/2 by prior knowledge on a clear port: nothing here switches
   protocols.
4. A CRLF before a request line is no part of a request (RFC 9112 2.2): some clients send one behind
   a body. Whatever else stands behind a complete request never replaces its answer. Behind the last
   request of a connection it is dropped (RFC 9112 9.6). Behind another one, where it cannot be a
   request, the answer says `Connection: close`, and what cannot be read is not answered.
5. A head is at most `h11_max_incomplete_size` bytes, also when it arrives in one piece.

`h11._receivebuffer` is private to h11: the tests over raw sockets notice when a new h11 changes it.
HTTP/2 is guarded in `app.http.http2`.
"""

import functools
import re
from collections.abc import Iterable

import h11
from h11._receivebuffer import ReceiveBuffer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.events import RawData
from hypercorn.protocol.events import Event, Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import H11SendableEvent

_HTTP_1 = (b"1.1", b"1.0")
# how a request begins whose client sends the next one at once
_REQUEST = re.compile(rb"[A-Z]{1,20}+(?: |\Z)")


class Context(WorkerContext):
    """What the connections of a listener share; `leaving`: it stops soon, and each answer is its
    connection's last.
    """

    leaving = False


class StrictBuffer(ReceiveBuffer):
    """h11's receive buffer, reading heads and trailers that end every line with CRLF and stay
    within `limit` bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def drop_blank_lines(self) -> bool:
        """Drop the CRLFs at the beginning, and say whether what is left may begin a request; a lone
        CR does not yet.
        """
        data = self._data
        while data[:2] == b"\r\n":
            self._extract(2)
        return data != b"\r"

    def drop(self) -> None:
        """Drop everything."""
        self._extract(len(self._data))

    def is_surplus(self) -> bool:
        """Say whether there is something that is neither a request nor the beginning of one."""
        data = self._data
        at = 0
        while data[at : at + 2] == b"\r\n":
            at += 2
        return at < len(data) and data[at:] != b"\r" and not _REQUEST.match(data, at)

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines up to the first blank one, without their CRLF, or None while there is no
        blank line yet.
        """
        if self._data[:2] == b"\r\n":
            self._extract(2)
            return []
        end = self._data.find(b"\r\n\r\n", max(0, self._multiple_lines_search - 3))
        head = len(self._data) if end < 0 else end
        if self._data.count(b"\n", 0, head) != self._data.count(b"\r\n", 0, head):
            raise h11.LocalProtocolError("a line that does not end with CRLF")
        if head > self._limit:
            raise h11.LocalProtocolError("head too long", error_status_hint=431)
        if end < 0:
            self._multiple_lines_search = head
            return None
        return self._extract(end + 4)[:-4].split(b"\r\n")


class StrictConnection(h11.Connection):
    """An h11 server connection that reads one kind of message only: a plain HTTP/1 request."""

    def __init__(self, *, max_head_bytes: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=max_head_bytes)
        self.received = self._receive_buffer = StrictBuffer(max_head_bytes)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event as h11 does. Raises RemoteProtocolError also for what the module's
        rules 2 and 3 refuse.
        """
        if self._receive_buffer:
            state = self.their_state
            if state is h11.MUST_CLOSE:
                self.received.drop()
            elif state is h11.IDLE and not self.received.drop_blank_lines():
                return h11.NEED_DATA
        event = super().next_event()
        if isinstance(event, h11.Request):
            fault = _fault(event)
            if fault:
                raise h11.RemoteProtocolError(fault)
        return event


def _fault(request: h11.Request) -> str:
    names = {name.lower() for name, _ in request.headers.raw_items()}
    if request.method == b"CONNECT":
        return "CONNECT"
    if request.http_version not in _HTTP_1:
        return "not an HTTP/1 request"
    if b"upgrade" in names:
        return "an upgrade to another protocol"
    if b"transfer-encoding" in names and (
        b"content-length" in names or request.http_version == b"1.0"
    ):
        return "two framings of one body"
    return ""


@functools.lru_cache(maxsize=128)
def _response(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Response:
    """Return the validated response; the same few are sent thousands of times a second, so h11 need
    not check each again.
    """
    return h11.Response(status_code=status, headers=list(headers))


class GuardedH11(H11Protocol):
    """Hypercorn's HTTP/1 side over a StrictConnection; a response leaves in one write."""

    _held = b""  # the head of the response, until the first piece of its body
    _glued = False  # what is read now had come before the last answer left

    async def initiate(self) -> None:
        """Put the strict parser in the place of the forgiving one."""
        self.connection = self._strict = StrictConnection(
            max_head_bytes=self.config.h11_max_incomplete_size
        )

    async def stream_send(self, event: Event) -> None:
        """Send one event of the application's answer, as Hypercorn does, with a head that says
        whether the connection stays open.
        """
        if isinstance(event, Response):
            await self._send_h11_event(_response(event.status_code, self._head(event.headers)))
        else:
            await super().stream_send(event)

    async def _maybe_recycle(self) -> None:
        self._glued = bool(self._strict.received)
        await super()._maybe_recycle()

    async def _send_error_response(self, status_code: int) -> None:
        # else the client would take it for the answer to a request that has got its own
        if not self._glued:
            await super()._send_error_response(status_code)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Do nothing: a request that asks for another protocol has not come this far."""

    async def _create_stream(self, request: h11.Request) -> None:
        self._glued = False
        # Hypercorn's own looks for WebSockets, and walks h11's fields one Python call at a time to
        # do so
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=[(name.lower(), value) for name, value in request.headers.raw_items()],
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii"),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1

    def _head(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
        head = (*headers, *self.config.response_headers("h11"))
        spent = self.keep_alive_requests >= self.config.keep_alive_max_requests
        last = spent or (isinstance(self.context, Context) and self.context.leaving)
        received = self._strict.received
        # What is left of an unread body, or stands behind a body, must not pass for a request.
        if (
            last
            or self.connection.their_state is h11.SEND_BODY
            or (received and received.is_surplus())
        ):
            return (*head, (b"connection", b"close"))
        return head

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        try:
            data = self._held + self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            # the request broke off while it was being answered: there is nobody to say more to
            return
        self._held = data if isinstance(event, h11.Response) else b""
        if data and not self._held:
            await self.send(RawData(data=data))
