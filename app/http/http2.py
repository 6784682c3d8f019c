"""What a connection may say over HTTP/2, and how it ends.

1. A connection serves `keep_alive_max_requests` requests and survives `MAX_RESETS` streams that
   were reset or refused; one more ends it (CVE-2023-44487, L12).
2. No CONNECT: nothing here switches protocols.
3. Priority frames are dropped: RFC 9113 5.3.2 retired them, and Hypercorn's tree of them is bounded
   only by an exception.
4. Data for a stream that is already answered is acknowledged and dropped; Hypercorn would end the
   connection.
5. A stream that is answered before its request has ended is reset with NO_ERROR, which asks the
   client to stop sending and to keep the answer (RFC 9113 8.1).

HTTP/1 is guarded in `app.http.http1`.
"""

import contextlib
from typing import Any

import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hypercorn.events import Closed, RawData
from hypercorn.events import Event as WireEvent
from hypercorn.protocol.events import Event, StreamClosed
from hypercorn.protocol.h2 import H2Protocol
from hyperframe.frame import GoAwayFrame

MAX_RESETS = 100
# no new streams, and none that is on its way is refused (RFC 9113 6.8)
LAST_CALL = GoAwayFrame(0, last_stream_id=2**31 - 1).serialize()


class GuardedH2(H2Protocol):
    """Hypercorn's HTTP/2 side with bounded resets and an orderly end."""

    _faults = 0

    def __init__(self, *args: Any) -> None:  # Any: what Hypercorn's constructor takes
        super().__init__(*args)
        self._incomplete: set[int] = set()  # streams whose request has not ended

    async def initiate(
        self, headers: list[tuple[bytes, bytes]] | None = None, settings: bytes | None = None
    ) -> None:
        """Announce our settings: no extended CONNECT (RFC 8441), since there is no WebSocket
        here.
        """
        without = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        offered = {
            h2.settings.SettingCodes(code): value
            for code, value in self.connection.local_settings.items()
            if code != without
        }
        self.connection.local_settings = h2.settings.Settings(client=False, initial_values=offered)
        await super().initiate(headers, settings)

    async def stream_send(self, event: Event) -> None:
        """Send one event of an answer; after the last answer of a spent or stopping connection, end
        the connection.
        """
        await super().stream_send(event)
        if (
            isinstance(event, StreamClosed)
            and not self.streams
            and (self._spent() or self.context.terminated.is_set())
        ):
            await self._end(h2.errors.ErrorCodes.NO_ERROR)

    async def announce_end(self) -> None:
        """Ask the client to open no more streams, and still answer those that it has on the way
        (RFC 9113 6.8).
        """
        if not self.closed:
            await self._flush()
            await self.send(RawData(data=LAST_CALL))

    async def handle(self, event: WireEvent) -> None:
        """Take bytes or the end of the connection; at the end, wake every answer that waits for its
        bytes to leave (Hypercorn does not).
        """
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if self.closed:
                return
            if isinstance(event, h2.events.PriorityUpdated):
                continue
            if isinstance(event, h2.events.StreamReset):
                await self._count_fault()
            if isinstance(event, h2.events.StreamReset | h2.events.StreamEnded):
                self._incomplete.discard(event.stream_id)
            if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                self.connection.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
                continue
            await super()._handle_events([event])
        await self._flush()

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        fields = dict(request.headers or ())
        if self._spent():
            # REFUSED_STREAM promises that nothing was done, so the client may send the request
            # again (RFC 9113 8.7)
            await self._refuse(request.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif fields.get(b":method") == b"CONNECT" or not fields.get(b":path", b"").isascii():
            await self._refuse(request.stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
        else:
            self._incomplete.add(request.stream_id)
            await super()._create_stream(request)

    async def _send_data(self, stream_id: int) -> None:
        await super()._send_data(stream_id)
        # the whole answer has left
        if stream_id in self._incomplete and stream_id not in self.stream_buffers:
            self._incomplete.discard(stream_id)
            # the end of the request has come in the same breath
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
            await self._flush()

    async def _refuse(self, stream_id: int, code: h2.errors.ErrorCodes) -> None:
        # the client has reset it in the same breath
        with contextlib.suppress(h2.exceptions.StreamClosedError):
            self.connection.reset_stream(stream_id, code)
        await self._count_fault()

    async def _count_fault(self) -> None:
        self._faults += 1
        if self._faults > MAX_RESETS:
            await self._end(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)

    async def _end(self, code: h2.errors.ErrorCodes) -> None:
        if not self.closed:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.connection.close_connection(code)
                await self._flush()
            await self.handle(Closed())
            await self.send(Closed())

    def _spent(self) -> bool:
        return self.keep_alive_requests >= self.config.keep_alive_max_requests
