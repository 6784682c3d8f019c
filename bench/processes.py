"""Programs that a benchmark starts: found or installed, given time to listen, their CPU time read,
and ended in every case.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 20.0  # seconds for a program to start or to stop
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


class Missing(SystemExit):
    """A program that is not here and cannot be installed; the message says how to get it."""


def need(programs: Mapping[str, str]) -> None:
    """Make sure that programs are there, given as program → Debian package; install them when root,
    else raise Missing.
    """
    packages = sorted({package for program, package in programs.items() if find(program) is None})
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        raise Missing(f"missing programs; run as root: {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)


def find(program: str) -> str | None:
    """Return the path of a program, also from the folders that only root's PATH holds."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Return when the condition holds; raise TimeoutError when it does not come to hold."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.005)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def tail(log: Path) -> str:
    """Return the end of a log, to tell why something failed."""
    return log.read_text(errors="replace")[-3000:] if log.exists() else ""


class Program:
    """A program of ours with all its descendants; a context manager that ends them."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """The process number of the program itself."""
        return self._process.pid

    def ready(self, condition: Callable[[], bool]) -> None:
        """Return when the program is ready; raise with the end of its log when it ends or takes too
        long.
        """
        try:
            wait_until(lambda: self._process.poll() is not None or condition(), "not ready")
        except TimeoutError:
            raise RuntimeError(f"{self._process.args!r} is not ready:\n{tail(self.log)}") from None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._process.args!r} ended:\n{tail(self.log)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        family = descendants(self.pid)
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end(family)


def descendants(root: int) -> dict[int, int]:
    """Return every process below `root` as pid → start time, which tells it from a later one with
    the same number.
    """
    below: dict[int, int] = {}
    found_so_far = {root}
    fields = _all_processes()
    grown = True
    while grown:
        found = {
            pid: values[21]
            for pid, values in fields.items()
            if values[3] in found_so_far and pid not in found_so_far
        }
        below |= found
        found_so_far |= set(found)
        grown = bool(found)
    return below


def working_in(folder: Path) -> dict[int, int]:
    """Return every process whose working directory is this folder, as `descendants` does: so a
    program that detached itself is found.
    """
    found = {}
    for pid, values in _all_processes().items():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cwd").readlink() == folder:
                found[pid] = values[21]
    return found


def end_on_sigterm() -> None:
    """Leave by way of every context manager when this process is asked to end, so that it leaves
    none of its programs behind.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def end(family: Mapping[int, int]) -> None:
    """End those processes that are still the ones we knew."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid, started in family.items():
            if _fields(pid)[21:22] == [started]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
        with contextlib.suppress(TimeoutError):
            wait_until(
                lambda: (
                    not any(_fields(pid)[21:22] == [started] for pid, started in family.items())
                ),
                "processes remain",
                3,
            )


def cpu_ms(*roots: int) -> float:
    """Return the CPU time, user and system, of process trees since they began, in milliseconds;
    ended children are counted.
    """
    pids = set(roots).union(*(descendants(root) for root in roots))
    return sum(sum(values[13:17]) for pid in pids if (values := _fields(pid))) * _TICK_MS


def _all_processes() -> dict[int, list[int]]:
    found = {
        int(entry.name): _fields(int(entry.name))
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal()
    }
    return {pid: values for pid, values in found.items() if values}


def _fields(pid: int) -> list[int]:
    """Return the numbers of /proc/PID/stat at their places as proc(5) counts them, less one; empty
    when the process is gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    state, *numbers = text.rpartition(")")[2].split()
    return [] if state == "Z" else [pid, 0, 0, *map(int, numbers)]
