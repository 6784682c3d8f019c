"""A server for one test: any settings, driven as an operator does, alone or as one node of a
cluster. Debian's redis-server unless said.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import redis.asyncio as redis
from redis.exceptions import RedisError

from tests.support.ports import free_port

BINARY = "/usr/bin/redis-server"
PATIENCE = 60.0  # a bound for liveness
_DURABLE = (
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--maxmemory-policy",
    "noeviction",
    "--save",
    "",
)


class RedisServer:
    """One server on a port of loopback. Use `redis_server`."""

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str] = (),
        wrapper: Sequence[str] = (),
        binary: Path | str = BINARY,
    ) -> None:
        self.port = free_port()
        self.folder = folder
        self._binary = str(binary)
        self._options = tuple(options)
        self._wrapper = tuple(wrapper)
        self._process: asyncio.subprocess.Process | None = None
        self.operator = redis.Redis(port=self.port, socket_timeout=5, decode_responses=True)

    @property
    def url(self) -> str:
        """The address for `store.url`."""
        return f"redis://127.0.0.1:{self.port}"

    async def start(self, *options: str) -> None:
        """Start it, these options added; return when it listens, which may be before it has read
        its file.
        """
        self.folder.mkdir(exist_ok=True)
        fixed = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        self._process = await asyncio.create_subprocess_exec(
            *self._wrapper,
            self._binary,
            *fixed,
            *_DURABLE,
            *self._options,
            *options,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE):
            while not await self._listens():
                await asyncio.sleep(0.02)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def send(self, name: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(name)

    async def kill(self) -> None:
        """End it at once."""
        assert self._process is not None
        self.send(signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> None:
        """Ask it to end, also when it is stopped."""
        await self.operator.aclose()
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await self._process.wait()

    async def cluster(self, *words: str | int) -> str:
        """Give one command of CLUSTER and return its answer."""
        return str(await self.operator.execute_command("CLUSTER", *words))  # type: ignore[no-untyped-call]  # not annotated in redis-py

    async def is_(self, section: str, name: str, value: str) -> bool:
        """Say whether INFO has this value; False as well when the server does not answer."""
        with suppress(RedisError, OSError):
            return str((await self.operator.info(section)).get(name)) == value
        return False


@asynccontextmanager
async def redis_server(
    folder: Path,
    *,
    options: Sequence[str] = (),
    wrapper: Sequence[str] = (),
    binary: Path | str = BINARY,
) -> AsyncIterator[RedisServer]:
    """Run one server for as long as the context is open."""
    server = RedisServer(folder, options=options, wrapper=wrapper, binary=binary)
    await server.start()
    try:
        yield server
    finally:
        await server.end()
