"""The processes of the Procfile, each one a process of the test: its log read line by line, to be
killed, stopped and started again.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from pathlib import Path

import aiohttp

from app import wiring
from app.core.brands import Brands
from app.core.token import TokenCodec
from app.settings.load import load
from app.settings.model import Settings
from tests.support.ports import free_port
from tests.support.stack import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # a bound for liveness, never what a test decides by
COMMANDS: Mapping[str, Sequence[str]] = {
    "web": ("app", "web"),
    "admin": ("app", "admin"),
    "worker": ("app", "worker"),
    "relay": ("smtp_proxy", "relay"),
    "inbox": ("smtp_proxy", "inbox"),
    "mailbox": ("smtp_proxy", "mailbox"),
}
_MAX_LINE = 1 << 20


class Service:
    """One process, through all its lives. `wrapper` stands before its command, such as a
    tracer's.
    """

    def __init__(
        self,
        name: str,
        *,
        folder: Path,
        environment: Mapping[str, str],
        wrapper: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.lines: list[str] = []  # what it wrote to stderr and stdout, all lives together
        self._command = (*wrapper, sys.executable, "-m", *COMMANDS[name])
        self._folder = folder
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    @property
    def pid(self) -> int:
        """The number of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def was_started(self) -> bool:
        """Whether it has ever run."""
        return self._process is not None

    async def start(self) -> None:
        """Start it, and return when it says that it has started."""
        before = len(self.logged("process_started"))
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_MAX_LINE,
        )
        self._reading = asyncio.create_task(self._read(self._process))
        await self.told("process_started", before + 1)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            async with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    def logged(self, event: str) -> list[dict[str, object]]:
        """Return the records of an event so far."""
        return [record for record in map(_record, self.lines) if record.get("event") == event]

    async def told(self, event: str, count: int = 1) -> dict[str, object]:
        """Return the `count`th record of an event, when it has been logged."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(
                lambda: (
                    len(self.logged(event)) >= count
                    or self._reading is None
                    or self._reading.done()
                )
            )
        assert len(self.logged(event)) >= count, "\n".join(self.lines)
        return self.logged(event)[count - 1]

    def send(self, name: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, name)

    async def kill(self) -> None:
        """End it at once, as the kernel does that runs out of memory."""
        self.send(signal.SIGKILL)
        await self._ended()

    async def end(self) -> int:
        """Ask it to end, also when it is stopped, and return its code."""
        assert self._process is not None
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self.send(signal.SIGCONT)
                self.send(signal.SIGTERM)
        return await self._ended()

    async def ended(self) -> int:
        """Return its code when it has ended by itself."""
        return await self._ended()

    async def _ended(self) -> int:
        assert self._process is not None
        assert self._reading is not None
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
            await self._reading
        return code


class Services:
    """Some processes of one installation in one folder. Use `running_services`."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        chosen = {name: f"127.0.0.1:{free_port()}" for name in DEFAULTS}
        given = {
            **chosen,
            "RELAY__DOWNSTREAM": f"smtp://{chosen['MAILBOX__LISTEN']}",
            "LOG_FORMAT": "json",
            **settings,
        }
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")
        }
        self.environment = (
            clean
            | {"PYTHONPATH": str(ROOT)}
            | {f"SIGNOFF_{name}": str(value) for name, value in given.items()}
        )
        self.settings = self.load()
        self.by_name: dict[str, Service] = {}

    def load(self) -> Settings:
        """Read the settings as the processes will, which also makes what a first run makes."""
        before, here = dict(os.environ), Path.cwd()
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        try:
            return load()
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)

    def __getitem__(self, name: str) -> Service:
        return self.by_name[name]

    def add(self, name: str, *, wrapper: Sequence[str] = (), **settings: object) -> Service:
        """Add a process that is not started yet, with settings of its own."""
        own = {f"SIGNOFF_{key}": str(value) for key, value in settings.items()}
        self.by_name[name] = Service(
            name, folder=self.folder, environment={**self.environment, **own}, wrapper=wrapper
        )
        return self.by_name[name]

    def url(self, address: str, target: str) -> str:
        """Return an http URL on one of the listeners, such as `settings.web.listen`."""
        return f"http://{address}{target}"

    @cached_property
    def codec(self) -> TokenCodec:
        """The tokens of this installation."""
        return wiring.token_codec(
            self.settings.model_copy(
                update={"keyring_file": self.folder / self.settings.keyring_file}
            )
        )

    @cached_property
    def brands(self) -> Brands:
        """Its brands."""
        return wiring.brands(self.settings)

    async def metrics(self, address: str) -> str:
        """Return what a process tells of itself."""
        async with (
            aiohttp.ClientSession() as client,
            client.get(self.url(address, "/metrics")) as answer,
        ):
            return await answer.text()


def port(address: str) -> int:
    """Return the port of an address."""
    return int(address.rpartition(":")[2])


def _record(line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


@asynccontextmanager
async def running_services(
    folder: Path, *names: str, **settings: object
) -> AsyncIterator[Services]:
    """Run these processes; `settings` are named as in the environment, without prefix, and stand
    above `signoff.toml` in the folder.
    """
    services = Services(folder, settings)
    for name in names:
        services.add(name)
    try:
        async with asyncio.TaskGroup() as starting:
            for name in names:
                starting.create_task(services[name].start())
        yield services
    finally:
        await asyncio.gather(
            *(service.end() for service in services.by_name.values() if service.was_started)
        )


async def becomes(claim: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until the claim holds, and say whether it came to that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not await claim():
                await asyncio.sleep(0.05)
            return True
    return False
