"""An upstream for tests: a real socket that says exactly what it is told to, and a listener with a
recording handler behind it.
"""

import asyncio
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from smtp_proxy import replies
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.config import Handler, SessionConfig
from smtp_proxy.session.listener import Server
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.submission import Envelope

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
PATIENCE = 20.0  # a bound for liveness, never what a test decides by


@dataclass
class Recorder:
    """A handler that keeps what it is given and answers as told."""

    answer: Callable[[Envelope], Awaitable[Answer]] | Reply = replies.ACCEPTED
    envelopes: list[Envelope] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)

    async def __call__(self, envelope: Envelope, content: bytearray) -> Answer:
        self.envelopes.append(envelope)
        self.contents.append(bytes(content))
        return self.answer if isinstance(self.answer, Reply) else await self.answer(envelope)


class Upstream:
    """One connection. Every wait is bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await asyncio.wait_for(self.writer.drain(), PATIENCE)

    async def reply(self) -> str:
        """Read one reply, all its lines, without line ends at the end."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readuntil(b"\r\n"), PATIENCE)).decode(
                "ascii"
            )
            lines.append(line.removesuffix("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        """Send one command and read its reply."""
        await self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.reply()

    async def begin(
        self,
        *,
        sender: str = "a@acme.example",
        recipients: tuple[str, ...] = ("b@x.example",),
        parameters: str = "",
    ) -> None:
        """Say everything up to DATA, and see each step accepted."""
        for line in (
            f"MAIL FROM:<{sender}>{parameters}",
            *(f"RCPT TO:<{recipient}>" for recipient in recipients),
        ):
            answer = await self.say(line)
            assert answer.startswith("250 "), answer
        answer = await self.say("DATA")
        assert answer.startswith("354 "), answer

    async def mail(self, content: bytes, **begin: str) -> str:
        """Send a whole message, its end included, and return the last reply."""
        await self.begin(**begin)  # type: ignore[arg-type] # only parameters are passed on
        await self.send(content)
        return await self.reply()

    async def rest(self) -> bytes:
        """Read everything until the server closes."""
        with suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), PATIENCE)
        return b""

    async def secure(self, context: ssl.SSLContext) -> None:
        """Turn TLS on, after the server has said 220."""
        await asyncio.wait_for(
            self.writer.start_tls(context, server_hostname="localhost"), PATIENCE
        )

    def drop(self) -> None:
        """Reset the connection, as a client does that dies."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()


def config_for(handler: Handler, **config: object) -> SessionConfig:
    """Return the configuration as most tests want it."""
    given: dict[str, object] = {"hostname": "relay.example", "trusted_networks": LOOPBACK, **config}
    return SessionConfig(handler=handler, **given)  # type: ignore[arg-type] # the tests name fields of SessionConfig


@asynccontextmanager
async def listening(handler: Handler, **terms: object) -> AsyncIterator[tuple[Server, int]]:
    """Run a listener on a free port of loopback; with `implicit_tls` among the terms, one that is
    TLS from the first octet.

    With `memory` among them it shares that budget.
    """
    implicit_tls = bool(terms.pop("implicit_tls", False))
    memory = terms.pop("memory", None)
    assert memory is None or isinstance(memory, MemoryBudget)
    server = Server(config_for(handler, **terms), memory)
    _, port = await server.start("127.0.0.1", 0, implicit_tls=implicit_tls)
    try:
        yield server, port
    finally:
        await server.stop(1.0)


@asynccontextmanager
async def connected(port: int, *, hello: str = "EHLO client.example") -> AsyncIterator[Upstream]:
    """Connect, read the greeting, and say hello unless `hello` is empty."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    upstream = Upstream(reader, writer)
    try:
        await upstream.reply()
        if hello:
            await upstream.say(hello)
        yield upstream
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def eventually(claim: Callable[[], bool]) -> bool:
    """Wait until the claim holds, and say whether it came to that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not claim():
                await asyncio.sleep(0.01)
    return claim()
