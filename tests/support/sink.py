"""A real SMTP peer for tests: it records what arrives byte for byte, and answers each stage as it
is told.

`Sink` listens on an ephemeral loopback port. Stages are the verbs (`EHLO`, `MAIL`, `DATA` …),
`CONNECT` for the greeting and `DOT` for the final reply. `sink.on(stage, action, …)` answers the
next times with these actions in turn, `sink.always(stage, action)` every time. At `RCPT` and `DOT`
either can be for one recipient: copies on several sessions come in no certain order.
"""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

END_OF_DATA = b"\r\n.\r\n"
PATIENCE = 10.0  # seconds; only liveness depends on it
PLAIN_EXTENSIONS = ("PIPELINING", "SIZE 30000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with these bytes; in pieces of one octet when `split`; and close afterwards when
    `close`.
    """

    data: bytes
    split: bool = False
    close: bool = False


class Drop:
    """Close the connection without an answer."""


class Reset:
    """Close the connection the hard way, by RST."""


class Silence:
    """Never answer, and keep the connection open."""


Action = Say | Drop | Reset | Silence


@dataclass(slots=True)
class Received:
    """One transaction whose content has ended."""

    connection: int
    mail: bytes
    recipients: tuple[bytes, ...]
    wire: bytes  # the content as sent, without the final dot

    @property
    def content(self) -> bytes:
        """The content after un-stuffing (RFC 5321 4.5.2)."""
        lines = self.wire.split(b"\r\n")
        return b"\r\n".join(line.removeprefix(b".") for line in lines)


@dataclass(slots=True)
class Client:
    """One accepted connection."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    # lines in the order of arrival, without their CRLF
    commands: list[bytes] = field(default_factory=list)
    mail: bytes = b""
    recipients: list[bytes] = field(default_factory=list)


class Sink:
    """The peer. Use it as an asynchronous context manager."""

    def __init__(
        self,
        *,
        extensions: Sequence[str] = PLAIN_EXTENSIONS,
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        tls_extensions: Sequence[str] | None = None,
        keep: bool = True,
    ) -> None:
        self.extensions = tuple(extensions) + (("STARTTLS",) if starttls else ())
        self.tls_extensions = tuple(extensions if tls_extensions is None else tls_extensions)
        self.received: list[Received] = []
        self.clients: list[Client] = []
        self.may_read = asyncio.Event()  # cleared: content is left in the socket
        self.may_read.set()
        self.content_octets = 0
        self.port = 0
        self.stages: list[str] = []  # every stage that was answered, dropped or left silent
        self._keep = keep
        self._starttls = starttls
        self._implicit_tls = implicit_tls
        self._once: defaultdict[str, deque[Action]] = defaultdict(deque)
        self._always: dict[str, Action] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def commands(self) -> list[bytes]:
        """All command lines of all connections, connection by connection."""
        return [line for client in self.clients for line in client.commands]

    def on(self, stage: str, *actions: Action, recipient: str = "") -> None:
        """Answer the next times at this stage with these actions in turn."""
        self._once[f"{stage} {recipient}".strip()].extend(actions)

    def always(self, stage: str, action: Action, *, recipient: str = "") -> None:
        """Answer every time at this stage with this action."""
        self._always[f"{stage} {recipient}".strip()] = action

    @property
    def mailboxes(self) -> list[str]:
        """The recipients of what was received, sorted; one that got two copies stands here
        twice.
        """
        return sorted(_address(line) for received in self.received for line in received.recipients)

    async def reached(self, stage: str, count: int = 1) -> None:
        """Return when so many dialogues have come to this stage."""
        async with asyncio.timeout(PATIENCE):
            while self.stages.count(stage) < count:
                await asyncio.sleep(0.001)

    async def disconnect(self) -> None:
        """Close every connection from this side, and go on listening."""
        for client in self.clients:
            client.writer.close()
        while self._tasks:
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._implicit_tls, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(len(self.clients), reader, writer)
        self.clients.append(client)
        task = asyncio.ensure_future(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: Client) -> None:
        try:
            await self._answer(client, "CONNECT", b"220 sink.example ESMTP\r\n")
            while True:
                line = (await client.reader.readuntil(b"\r\n"))[:-2]
                client.commands.append(line)
                verb = line[:4].decode("ascii", "replace").upper()
                handler = self._handlers().get(verb, self._other)
                await handler(client, line)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, _Closed):
            pass
        finally:
            client.writer.transport.abort()

    def _handlers(self) -> dict[str, Callable[[Client, bytes], Awaitable[None]]]:
        return {
            "EHLO": self._hello,
            "LHLO": self._hello,
            "STAR": self._start_tls,
            "AUTH": self._authenticate,
            "MAIL": self._mail,
            "RCPT": self._recipient,
            "DATA": self._data,
            "XFOR": self._forward,
            "RSET": self._reset,
            "QUIT": self._quit,
        }

    async def _answer(
        self, client: Client, stage: str, default: bytes, about: bytes = b""
    ) -> bytes:
        """Act at a stage and return the bytes that were said."""
        action = self._action(stage, about) or Say(default)
        self.stages.append(stage)
        if isinstance(action, Silence):
            await asyncio.Event().wait()
        if isinstance(action, Reset):
            # SOL_SOCKET, SO_LINGER: on, 0 s
            client.writer.get_extra_info("socket").setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")
        if not isinstance(action, Say):
            raise _Closed
        for piece in _pieces(action):
            client.writer.write(piece)
            await client.writer.drain()
            await asyncio.sleep(0)
        if action.close:
            client.writer.close()
            await client.writer.wait_closed()
            raise _Closed
        return action.data

    def _action(self, stage: str, about: bytes) -> Action | None:
        for key in (f"{stage} {_address(about)}", stage) if about else (stage,):
            if self._once[key]:
                return self._once[key].popleft()
            if key in self._always:
                return self._always[key]
        return None

    async def _hello(self, client: Client, _: bytes) -> None:
        over_tls = client.writer.get_extra_info("ssl_object") is not None
        lines = ["sink.example", *(self.tls_extensions if over_tls else self.extensions)]
        marked = [f"250-{line}\r\n" for line in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        await self._answer(client, "EHLO", "".join(marked).encode())

    async def _start_tls(self, client: Client, _: bytes) -> None:
        said = await self._answer(
            client, "STARTTLS", b"220 2.0.0 go ahead\r\n" if self._starttls else b"502 5.5.1 no\r\n"
        )
        if said.startswith(b"220") and self._starttls is not None:
            await client.writer.start_tls(self._starttls)

    async def _authenticate(self, client: Client, line: bytes) -> None:
        if line.upper().startswith(b"AUTH LOGIN"):
            for prompt in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"):
                await self._answer(client, "LOGIN", prompt)
                client.commands.append((await client.reader.readuntil(b"\r\n"))[:-2])
        await self._answer(client, "AUTH", b"235 2.7.0 welcome\r\n")

    async def _mail(self, client: Client, line: bytes) -> None:
        if client.mail:
            await self._answer(client, "NESTED", b"503 5.5.1 nested MAIL\r\n")
            return
        said = await self._answer(client, "MAIL", b"250 2.1.0 ok\r\n")
        if said.startswith(b"250"):
            client.mail, client.recipients = line, []

    async def _recipient(self, client: Client, line: bytes) -> None:
        said = await self._answer(
            client, "RCPT", b"250 2.1.5 ok\r\n" if client.mail else b"503 5.5.1 need MAIL\r\n", line
        )
        if said.startswith(b"250"):
            client.recipients.append(line)

    async def _data(self, client: Client, _: bytes) -> None:
        said = await self._answer(
            client, "DATA", b"354 go on\r\n" if client.recipients else b"503 5.5.1 need RCPT\r\n"
        )
        if not said.startswith(b"354"):
            return
        wire = await self._content(client)
        if self._keep:
            self.received.append(
                Received(client.number, client.mail, tuple(client.recipients), wire)
            )
        taken = (
            b"250 2.0.0 Ok: queued as SINK%d\r\n" % len(self.received)
            if client.recipients
            else b"554 5.5.1 no recipients\r\n"
        )
        about = client.recipients[0] if client.recipients else b""
        client.mail, client.recipients = b"", []
        await self._answer(client, "DOT", taken, about)

    async def _content(self, client: Client) -> bytes:
        held = b"\r\n"  # so that a lone dot is found too
        pieces: list[bytes] = []
        while True:
            await self.may_read.wait()
            chunk = await client.reader.read(65536)
            if not chunk:
                raise _Closed
            self.content_octets += len(chunk)
            held += chunk
            end = held.find(END_OF_DATA)
            if end >= 0:
                assert held.endswith(END_OF_DATA), "bytes behind the final dot"
                pieces.append(held[: end + 2])
                return b"".join(pieces)[2:] if self._keep else b""
            if self._keep:
                pieces.append(held[:-4])
            held = held[-4:]

    async def _forward(self, client: Client, _: bytes) -> None:
        await self._answer(client, "XFORWARD", b"250 2.0.0 ok\r\n")

    async def _reset(self, client: Client, _: bytes) -> None:
        client.mail, client.recipients = b"", []
        await self._answer(client, "RSET", b"250 2.0.0 ok\r\n")

    async def _quit(self, client: Client, _: bytes) -> None:
        await self._answer(client, "QUIT", b"221 2.0.0 bye\r\n")
        raise _Closed

    async def _other(self, client: Client, _: bytes) -> None:
        await self._answer(client, "OTHER", b"500 5.5.2 what?\r\n")


class _Closed(Exception):
    """The dialogue is over."""


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


def _pieces(action: Say) -> list[bytes]:
    return (
        [action.data[at : at + 1] for at in range(len(action.data))]
        if action.split
        else [action.data]
    )
