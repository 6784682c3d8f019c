"""Sessions and their commands without a socket: the real state and the real line protocol, over
memory or over nothing.
"""

import asyncio
from collections.abc import Generator

from smtp_proxy.replies import Reply
from smtp_proxy.session.commands import Command
from smtp_proxy.session.config import ListenerState
from smtp_proxy.session.line_protocol import Waiting
from smtp_proxy.session.session import Session
from smtp_proxy.session.state import SessionState
from tests.support.upstream import Recorder, config_for


class StoreConnection(asyncio.Transport):
    """A connection in memory: keeps what is written, and is closed when it is told so."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000)})
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def session_state(handler: Recorder | None = None, /, **config: object) -> SessionState:
    """Return the state of a session whose client has just connected from loopback. Needs a running
    loop.

    With `over_tls` in the configuration its connection counts as secured.
    """
    over_tls = bool(config.pop("over_tls", False))
    session = Session(ListenerState(config_for(handler or Recorder(), **config)))
    assert session.admit("127.0.0.1") is None
    session.line.over_tls = over_tls
    return session.state


async def obey(
    state: SessionState, command: Command, argument: bytes = b"", *, then: bytes = b""
) -> list[str]:
    """Run a command to its end and return what is said, line by line; `then` is what the client
    sends while it runs.

    A command that waits for more than that fails.
    """
    answer = command(state, argument)
    if isinstance(answer, Generator):
        answer = await _run(state, answer, then)
    if answer is not None:
        state.line.say(answer)
    return said(state)


async def _run(state: SessionState, steps: Waiting[Reply | None], then: bytes) -> Reply | None:
    state.line.lines.buffer += then
    while True:
        try:
            waits_for = next(steps)
        except StopIteration as done:
            reply: Reply | None = done.value
            return reply
        assert waits_for is not None, "the command waits for octets that do not come"
        await asyncio.wait([waits_for])


def said(state: SessionState) -> list[str]:
    """Return what waits to be sent, line by line, and take it away."""
    lines = b"".join(state.line.unsent).decode("ascii").split("\r\n")[:-1]
    state.line.unsent.clear()
    return lines
