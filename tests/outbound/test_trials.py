"""Trials of a downstream: whatever it says, and however long it talks, they end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from app.core.downstream import Target
from app.core.errors import Unavailable
from app.outbound.trials import greet_downstream

Talk = Callable[[asyncio.StreamWriter], Awaitable[None]]
_LONG = 60.0  # seconds; a trial that waits for the other side's end never ends


async def _never_ends(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-still here\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _floods(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-more\r\n" * 1000)
        await writer.drain()


async def _greets_and_floods(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 here\r\n")
    await _floods(writer)


@asynccontextmanager
async def _talking(talk: Talk) -> AsyncIterator[int]:
    """Serve connections that hear this talk, until the context ends."""

    async def served(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await talk(writer)
        writer.transport.abort()

    async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def _program(target: Target, seconds: float) -> str:
    """Run the trial as a command does, in an event loop of its own that ends with it, and return
    why it failed.
    """
    try:
        asyncio.run(
            greet_downstream(target, hostname="relay.example", ca_file=None, seconds=seconds)
        )
    except Unavailable as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("scheme", ["smtp", "lmtp"])
@pytest.mark.parametrize(
    ("talk", "seconds", "told"),
    [
        (_never_ends, 0.1, "no answer within"),
        (_floods, _LONG, "its reply has no end"),
        (_greets_and_floods, _LONG, "its reply has no end"),
    ],
)
async def test_a_reply_without_an_end_ends_the_trial(
    scheme: str, talk: Talk, seconds: float, told: str
) -> None:
    """Catalogue N37: at the deadline where it comes slowly, at a bound of octets where it comes
    fast; no thread is waited for.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    said: list[str] = []
    async with _talking(talk) as port:
        target = Target.parse(f"{scheme}://127.0.0.1:{port}?tls=none")

        def program() -> None:
            said.append(_program(target, seconds))
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=program, daemon=True).start()
        async with asyncio.timeout(_LONG):
            await ended.wait()

    assert told in said[0]
