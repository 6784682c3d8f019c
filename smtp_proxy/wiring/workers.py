"""Several workers of one relay on one port: started, watched over, told what the operator asks, and
ended together.

1. Each worker is a process of its own that binds the same addresses (SO_REUSEPORT); the system
   spreads the connections. The supervisor binds them too, without listening, so that an address
   that is taken is one clear problem and port 0 means one port for all.
2. A worker that dies is replaced, after a pause that grows while it keeps dying. Before all have
   answered once, it ends the start.
3. SIGTERM and SIGHUP go on to every worker. A worker whose supervisor has died ends as if it had
   been asked to.
4. Health and metrics are those of the whole: ready while one worker is, and sums over all workers,
   also over those that have died.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app import wiring as web_side
from app.core.errors import Misconfigured, Overloaded, Unavailable
from app.observe import log as logs
from app.observe import service_manager
from app.observe.background import Part, cancelled, keep_running
from app.observe.log import LogEvent, Logger
from app.settings.model import Settings
from app.settings.types import split_address
from smtp_proxy.wiring import health
from smtp_proxy.wiring.worker_config import WorkerConfig

GRACE_SECONDS = 25.0  # within Kubernetes' usual 30
_LAST_SECONDS = 7.0  # for a worker to end after its grace
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
_STEADY_SECONDS = 60.0  # who has lived that long is replaced at once
_ASK_SECONDS = 1.0
_UP_PAUSE = 0.05


class WorkerFailed(SystemExit):
    """A worker has ended while the relay was starting; it has told why, and its code is ours."""


async def supervise(settings: Settings) -> None:
    """Run the workers of a relay until it is asked to stop."""
    log = logs.logger("relay")
    stopping = asyncio.create_task(web_side.stopped())
    hangups = web_side.hangups()
    relay = settings.relay
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-relay-")))
        listen, tls_listen, lmtp_listen = (
            _held(address, stack) for address in (relay.listen, relay.tls_listen, relay.lmtp_listen)
        )
        configs = [
            WorkerConfig(
                listen=listen or "",
                tls_listen=tls_listen,
                lmtp_listen=lmtp_listen or "",
                health_listen=f"unix:{folder}/{number}.sock",
            )
            for number in range(1, relay.workers + 1)
        ]
        workers = [
            WorkerProcess(number, config, folder) for number, config in enumerate(configs, start=1)
        ]
        checks = {f"worker_{worker.number}": worker.is_ready for worker in workers}
        sums = MultiProcessCollector(None, path=str(folder))  # type: ignore[no-untyped-call] # the library has no types there
        async with health(relay.health_listen, checks, metrics=sums), _running(workers, log):
            if not await _all_up(workers, stopping):
                raise WorkerFailed(
                    next(worker.failed for worker in workers if worker.failed is not None)
                )
            log.info(
                LogEvent.PROCESS_STARTED,
                listen=listen,
                tls_listen=tls_listen,
                lmtp_listen=lmtp_listen,
                downstream=relay.downstream,
                workers=relay.workers,
            )
            service_manager.tell_ready()
            passing_on = keep_running(Part.HANGUPS, lambda: _pass_on(hangups, workers), log)
            await stopping
            service_manager.tell_stopping()
            await cancelled(passing_on)
            log.info(LogEvent.PROCESS_STOPPING)
    log.info(LogEvent.PROCESS_STOPPED)


class WorkerProcess:
    """One worker, and whoever takes its place."""

    def __init__(self, number: int, config: WorkerConfig, folder: Path) -> None:
        self.number = number
        self.failed: int | None = None  # the code with which it ended before it was ever up
        self.was_up = False
        self._config = config
        self._folder = folder
        self._process: Process | None = None
        self._log = logs.logger("relay").bind(worker=number)

    async def run(self) -> None:
        """Keep one process running until cancelled, or until the first one ends before it was
        up.
        """
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            started = loop.time()
            self._process = await self._start()
            code = await self._process.wait()
            mark_process_dead(self._process.pid, str(self._folder))  # type: ignore[no-untyped-call] # the library has no types there
            self._log.error(LogEvent.RELAY_WORKER_ENDED, pid=self._process.pid, code=code)
            if not self.was_up:
                self.failed = abs(code) or 1
                return
            pause = (
                _FIRST_PAUSE
                if loop.time() - started > _STEADY_SECONDS
                else min(pause * 2, _LONGEST_PAUSE)
            )
            await asyncio.sleep(pause)

    def send(self, name: signal.Signals) -> None:
        """Send a signal to the process, if there is one now."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(name)

    async def end(self) -> None:
        """Ask the process to finish what is in flight, and wait for its end."""
        if self._process is None:
            return
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_SECONDS + _LAST_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()

    async def is_up(self) -> bool:
        """Say whether the process answers."""
        with suppress(Unavailable):
            await self._ask("/livez")
            self.was_up = True
        return self.was_up

    async def is_ready(self) -> None:
        """Return when the process can relay; raise Unavailable when it cannot."""
        await self._ask("/readyz")

    async def _ask(self, path: str) -> None:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                reader, writer = await asyncio.open_unix_connection(
                    self._config.health_listen.removeprefix("unix:")
                )
                try:
                    writer.write(
                        f"GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n".encode(
                            "ascii"
                        )
                    )
                    status = await reader.readline()
                finally:
                    writer.close()
        except OSError as exc:  # among them TimeoutError
            raise Unavailable(f"worker {self.number} does not answer") from exc
        if b" 200 " not in status:
            raise Overloaded(f"worker {self.number} is not ready")

    async def _start(self) -> Process:
        config = self._config
        command = [
            sys.executable,
            "-m",
            "smtp_proxy",
            "relay-worker",
            config.listen,
            config.lmtp_listen,
            config.health_listen,
        ]
        if config.tls_listen is not None:
            command += ["--tls-listen", config.tls_listen]
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._folder)}
        # the service manager hears of the whole, from the supervisor
        environment.pop("NOTIFY_SOCKET", None)
        # In a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone.
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, env=environment, start_new_session=True
        )


@asynccontextmanager
async def _running(workers: list[WorkerProcess], log: Logger) -> AsyncIterator[None]:
    """Run the workers for as long as the context is open, then let all of them finish at the same
    time.
    """
    tasks = [keep_running(Part.RELAY_WORKER, worker.run, log) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            await cancelled(task)
        await asyncio.gather(*(worker.end() for worker in workers))


async def _all_up(workers: list[WorkerProcess], stopping: asyncio.Task[None]) -> bool:
    """Say whether every worker has come up; also when the relay is asked to stop before."""
    while not all([await worker.is_up() for worker in workers]):
        if any(worker.failed is not None for worker in workers):
            return False
        if stopping.done():
            return True
        await asyncio.sleep(_UP_PAUSE)
    return True


async def _pass_on(hangups: asyncio.Event, workers: list[WorkerProcess]) -> None:
    while True:
        await hangups.wait()
        hangups.clear()
        for worker in workers:
            worker.send(signal.SIGHUP)


def _held(address: str | None, stack: ExitStack) -> str | None:
    """Bind an address for the workers, and return it with its real port. Raises Misconfigured."""
    if address is None:
        return None
    host, port = split_address(address)
    try:
        family, _, _, _, name = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # without SO_REUSEPORT, so a port that is taken shows, also one that would be shared
            alone.bind(name)
        held = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(name)
    except OSError as exc:
        raise Misconfigured([f"{address}: cannot listen there: {exc}"]) from exc
    bound = held.getsockname()
    return f"[{bound[0]}]:{bound[1]}" if family == socket.AF_INET6 else f"{bound[0]}:{bound[1]}"
