"""What may happen to an installation. Each fault is over when its act returns; two at once never
have the same target.
"""

import asyncio
import fcntl
import os
import random
import resource
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.installation import PROCESSES, Installation, Mood
from tests.chaos.mailers import LATER, VANISHED, Mailers
from tests.support.services import Service

_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
_SPOOLING = ("web", "inbox")  # processes that acknowledge by a spool
_REFUSALS = 40  # recipients that a busy mail server puts off
KILLED, UNSAVED = (
    "relay killed during the try",
    "relay killed with notes that the store had not taken",
)


@dataclass(slots=True, kw_only=True)
class Scene:
    """Where faults happen."""

    installation: Installation
    mailers: Mailers
    chance: random.Random
    ends: int = 0  # how often a process was asked to end
    # processes that were asked to end and ended with something else than 0
    codes: list[str] = field(default_factory=list)

    def service(self, name: str) -> Service:
        """Return a process."""
        return self.installation.services[name]

    async def pause(self, most: float) -> None:
        """Let some time pass, at most so many seconds."""
        await asyncio.sleep(self.chance.uniform(0.1, most))

    def note_windows(self) -> None:
        """Note for whom a kill of the relay opens the window of docs/delivery.md: tries under way,
        and earlier ones whose note waits.
        """
        unsaved = _of_this_life(self.service("relay"), "ledger_failed")
        for message in self.mailers.messages:
            if message.trying:
                message.open(KILLED)
            if unsaved and message.replies and not message.is_taken:
                message.open(UNSAVED)


Act = Callable[[Scene], Coroutine[None, None, None]]
ActOn = Callable[[Scene, str], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that happens to a target."""

    name: str
    target: str
    act: Act


def _of_this_life(service: Service, event: str) -> bool:
    """Say whether a process has logged an event since it was started last."""
    for line in reversed(service.lines):
        if f'"{event}"' in line:
            return True
        if '"process_started"' in line:
            return False
    return False


async def _kill(scene: Scene, name: str) -> None:
    if name == "relay":
        scene.note_windows()
    await scene.service(name).kill()


async def _killed(scene: Scene, name: str) -> None:
    await _kill(scene, name)
    await scene.pause(0.5)
    await scene.service(name).start()


async def _ended(scene: Scene, name: str) -> None:
    code = await scene.service(name).end()
    scene.ends += 1
    if code != 0:
        scene.codes.append(f"{name} ended with {code}")
    await scene.service(name).start()


async def _frozen(scene: Scene, name: str) -> None:
    scene.service(name).send(signal.SIGSTOP)
    try:
        await scene.pause(2.0)
    finally:
        scene.service(name).send(signal.SIGCONT)


async def _spool_full(scene: Scene, name: str) -> None:
    """Every write to a file fails, as on a full disk."""
    pid = scene.service(name).pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        await scene.pause(2.0)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, _UNLIMITED)


async def _bit_flipped(scene: Scene, name: str) -> None:
    """One bit of what a killed process left in its spool, which the CRC of each record puts
    right.
    """
    await _kill(scene, name)
    for path in sorted(scene.installation.spools.glob("spool-*.db")):
        with path.with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # of a process that lives
                continue
            log = path.with_name(f"{path.name}-wal")
            _flip(log if log.exists() and log.stat().st_size else path, scene.chance)
            break
    await scene.service(name).start()


def _flip(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return
        at = chance.randrange(size)
        file.seek(at)
        octet = file.read(1)[0] ^ (1 << chance.randrange(8))
        file.seek(at)
        file.write(bytes((octet,)))


async def _junk_in_spool(scene: Scene, _: str) -> None:
    """A file that only looks like a spool of a dead process."""
    path = scene.installation.spools / f"spool-{scene.chance.randrange(100, 200)}.db"
    if not path.exists():
        path.write_bytes(scene.chance.randbytes(20_000))
    await scene.pause(0.5)


async def _store_killed(scene: Scene, _: str) -> None:
    await scene.installation.server.kill()
    await scene.pause(3.0)
    await scene.installation.server.start()


async def _store_frozen(scene: Scene, _: str) -> None:
    scene.installation.server.send(signal.SIGSTOP)
    try:
        await scene.pause(3.0)
    finally:
        scene.installation.server.send(signal.SIGCONT)


def _in_mood(mood: Mood) -> Act:
    async def act(scene: Scene) -> None:
        scene.installation.endpoint.mood = mood
        try:
            await scene.pause(3.0)
        finally:
            scene.installation.endpoint.mood = Mood.GOOD

    return act


async def _mail_server_busy(scene: Scene, _: str) -> None:
    scene.installation.sink.on("RCPT", *[LATER] * _REFUSALS)
    await scene.pause(2.0)


async def _mail_server_hung_up(scene: Scene, _: str) -> None:
    """Every connection is closed; a copy whose end was under way may have been taken."""
    for message in scene.mailers.messages:
        if message.trying:
            message.open(VANISHED)
    for client in scene.installation.sink.clients:
        client.writer.transport.abort()
    await scene.pause(0.5)


def _of(name: str, act: ActOn) -> Act:
    return lambda scene: act(scene, name)


_OF_PROCESSES: Mapping[str, tuple[Sequence[str], ActOn]] = {
    "killed": (PROCESSES, _killed),
    "asked to end": (PROCESSES, _ended),
    "stopped": (PROCESSES, _frozen),
    "on a full disk": (_SPOOLING, _spool_full),
    "killed, a bit of its spool flipped": (_SPOOLING, _bit_flipped),
}
_OF_OTHERS: Mapping[str, tuple[str, ActOn]] = {
    "store killed": ("store", _store_killed),
    "store stopped": ("store", _store_frozen),
    "junk in the folder of the spools": ("folder", _junk_in_spool),
    "mail server busy": ("mail server", _mail_server_busy),
    "mail server hung up": ("mail server", _mail_server_hung_up),
}
FAULTS: Sequence[Fault] = (
    *(
        Fault(name=f"{name} {what}", target=name, act=_of(name, act))
        for what, (names, act) in _OF_PROCESSES.items()
        for name in names
    ),
    *(Fault(name=name, target=target, act=_of(target, act)) for name, (target, act) in _OF_OTHERS.items()),
    *(Fault(name=f"receiver {mood}", target="receiver", act=_in_mood(mood)) for mood in Mood if mood is not Mood.GOOD),
)  # fmt: skip
