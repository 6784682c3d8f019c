"""One POST over HTTP/2 (RFC 9113), by the h2 state machine over a TLS stream."""

import asyncio
import time

from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

from app.outbound.probe_answer import MAX_ANSWER, ProbeAnswer


async def post(
    host: str, target: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> ProbeAnswer:
    """POST a form and return the answer. Raises ConnectionError when the other side breaks off or
    breaks the protocol.
    """
    started = time.monotonic()
    connection = H2Connection()
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(
        stream,
        [
            (":method", "POST"),
            (":authority", host),
            (":scheme", "https"),
            (":path", target),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", str(len(body))),
        ],
    )
    connection.send_data(stream, body, end_stream=True)
    status, fields, size = 0, {}, 0
    while True:
        writer.write(connection.data_to_send())
        for event in _received(connection, await reader.read(65536)):
            if isinstance(event, ResponseReceived):
                fields = {_text(name): _text(value) for name, value in event.headers or ()}
                status = int(fields.get(":status", "0"))
            elif isinstance(event, DataReceived):
                size += len(event.data or b"")
                connection.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            elif isinstance(event, StreamReset | ConnectionTerminated):
                raise ConnectionError("the server broke off")
            if isinstance(event, StreamEnded) or size > MAX_ANSWER:
                return ProbeAnswer(
                    status=status,
                    fields=fields,
                    endless=size > MAX_ANSWER,
                    seconds=time.monotonic() - started,
                )


def _received(connection: H2Connection, octets: bytes) -> list[Event]:
    if not octets:
        raise ConnectionError("the connection was closed before the answer was complete")
    try:
        return connection.receive_data(octets)
    except ProtocolError as exc:
        raise ConnectionError(f"not HTTP/2: {exc}") from exc


def _text(octets: bytes | str) -> str:
    return octets.decode("latin-1") if isinstance(octets, bytes) else octets
