"""A relay as an operator runs it: a process of its own with its settings in the environment, its
log read line by line.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from app.store.embedded import EmbeddedStore
from tests.support.ports import free_port
from tests.support.sink import Sink

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # a bound for liveness, never what a test decides by


class RelayProcess:
    """A running relay. Use `relay_process`."""

    def __init__(self, process: asyncio.subprocess.Process, health_port: int) -> None:
        self.process = process
        self.log: list[dict[str, object]] = []
        self.health_port = health_port
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            with suppress(ValueError):
                self.log.append(json.loads(line))
            async with self._news:
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    def logged(self, event: str) -> list[dict[str, object]]:
        """Return the records of an event so far."""
        return [record for record in self.log if record["event"] == event]

    async def told(self, event: str, count: int = 1) -> dict[str, object]:
        """Return the `count`th record of an event, when it has been logged."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(
                lambda: len(self.logged(event)) >= count or self._reading.done()
            )
        assert len(self.logged(event)) >= count, self.log
        return self.logged(event)[count - 1]

    async def port(self, key: str = "listen") -> int:
        """Return a port of the relay, once it listens."""
        return int(str((await self.told("process_started"))[key]).rpartition(":")[2])

    def send(self, name: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(name)

    async def ended(self) -> int:
        """Return the exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await self._reading
            return code

    async def get(self, path: str) -> tuple[int, str]:
        """Ask the health listener."""
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{self.health_port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def becomes(self, claim: Callable[[], bool]) -> bool:
        """Wait until the claim holds, and say whether it came to that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not claim():
                    await asyncio.sleep(0.05)
        return claim()


def _end_store(folder: Path) -> None:
    """Be the last user of a store whose users were killed: it would outlive the test."""
    store = EmbeddedStore(folder)
    store.ensure()
    store.release()


@asynccontextmanager
async def relay_process(
    folder: Path, sink: Sink, **settings: object
) -> AsyncIterator[RelayProcess]:
    """Run `signoff-smtp relay` in development mode in front of a sink; `settings` are named as in
    the environment, without prefix.
    """
    health_port = free_port()
    given = {
        "STATE_DIR": folder / "var",
        "LOG_FORMAT": "json",
        "RELAY__LISTEN": "127.0.0.1:0",
        "RELAY__LMTP_LISTEN": "127.0.0.1:0",
        "RELAY__HEALTH_LISTEN": f"127.0.0.1:{health_port}",
        "RELAY__DOWNSTREAM": f"smtp://127.0.0.1:{sink.port}?tls=none",
        **settings,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    environment = (
        clean
        | {"PYTHONPATH": str(ROOT)}
        | {f"SIGNOFF_{name}": str(value) for name, value in given.items()}
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "smtp_proxy",
        "relay",
        cwd=folder,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    relay = RelayProcess(process, health_port)
    try:
        yield relay
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await relay.ended()
        elif process.returncode == -signal.SIGKILL and not settings.get("STORE__URL"):
            await asyncio.to_thread(_end_store, Path(str(given["STATE_DIR"])) / "store")
