"""The embedded server: one for a folder, whoever asks; it outlives its parent, is brought back, and
goes with its last user.
"""

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, RecipientDigest, Statement
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from app.usecases.record_statement import RecordStatement

BRAND = BrandNumber(7)
Make = Callable[..., Statement]


def pid(folder: Path) -> int:
    return int((folder / "store.pid").read_text())


def runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose server, if any, is gone after the test."""
    path = tmp_path / "store"
    yield path
    with contextlib.suppress(OSError, ValueError):
        if runs(number := pid(path)):
            os.kill(number, signal.SIGKILL)


def test_the_first_starts_the_server_and_the_others_adopt_it(folder: Path) -> None:
    first, second = EmbeddedStore(folder), EmbeddedStore(folder)

    started = [first.ensure(), second.ensure(), first.ensure()]

    assert [True, False, False] == started
    assert [False, True] == [second.release(), first.release()]


def test_many_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.observe.log import configure; from"
        " app.store.embedded import EmbeddedStore\nconfigure(); store ="
        " EmbeddedStore(Path(sys.argv[1])); print(store.ensure(), flush=True); sys.stdin.read();"
        " print(store.release())"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]

    started = [child.stdout.readline().strip() for child in children if child.stdout]
    ended = [child.communicate(timeout=30)[0].split()[-1] for child in children]

    assert ["False", "False", "False", "True"] == sorted(started)
    assert ["False", "False", "False", "True"] == ended
    assert not (folder / "store.sock").exists()


def test_the_server_survives_the_kill_of_the_process_that_started_it(folder: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from app.store.embedded import"
        " EmbeddedStore\nEmbeddedStore(Path(sys.argv[1])).ensure(); os.kill(os.getpid(),"
        " signal.SIGKILL)"
    )
    child = subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    heir = EmbeddedStore(folder)

    started = heir.ensure()

    assert (-signal.SIGKILL, False) == (child.returncode, started)
    assert heir.release()


def test_leftovers_of_a_killed_server_do_not_hinder_the_next(folder: Path) -> None:
    store = EmbeddedStore(folder)
    store.ensure()
    os.kill(pid(folder), signal.SIGKILL)
    (folder / "store.pid").write_text(str(os.getpid()))  # a number that was used again

    came_back = _eventually_started(store)

    assert came_back
    assert store.release()


def _eventually_started(store: EmbeddedStore) -> bool:
    # Until the kernel has ended the killed server its socket may still take a connection.
    return any(store.ensure() for _ in range(1000))


def test_a_stopped_server_is_waited_for_and_never_doubled(folder: Path) -> None:
    EmbeddedStore(folder).ensure()
    number = pid(folder)
    os.kill(number, signal.SIGSTOP)

    with pytest.raises(StoreUnavailable):
        EmbeddedStore(folder, patience=0.1).ensure()

    os.kill(number, signal.SIGCONT)
    assert number == pid(folder)
    assert EmbeddedStore(folder).ensure() is False


async def test_a_torn_tail_of_the_file_is_cut_off_and_the_rest_is_kept(
    folder: Path, make_statement: Make, digest: RecipientDigest
) -> None:
    embedded = EmbeddedStore(folder)
    embedded.ensure()
    store = RedisStore(embedded.url, timeout=5)
    await store.apply(make_statement())
    await store.close()
    embedded.release()
    (newest,) = (folder / "appendonlydir").glob("*.incr.aof")
    with newest.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\n")

    embedded.ensure()

    again = RedisStore(embedded.url, timeout=5)
    (found,) = await again.preferences(BRAND, [digest])
    await again.close()
    embedded.release()
    assert not found.everything.subscribed


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    store = EmbeddedStore(deep)

    store.ensure()

    path = Path(store.url.removeprefix("unix://"))
    assert len(str(path)) < 100
    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert EmbeddedStore(deep).url == store.url
    assert store.release()
    path.parent.rmdir()


async def test_no_acknowledged_click_is_lost_when_the_server_is_killed_again_and_again(
    folder: Path, make_statement: Make
) -> None:
    """Catalogue E8, Q3: each acknowledged click is in the state, with exactly one event."""
    embedded = EmbeddedStore(folder)
    embedded.ensure()
    fate = random.Random(8)
    store = RedisStore(embedded.url)
    unsubscribe = RecordStatement(store, None, lambda: 10_000_000)
    acknowledged: list[RecipientDigest] = []
    killed: list[int] = []
    supervisor = asyncio.create_task(embedded.supervise(interval=0.02))

    async def click(writer: int) -> None:
        for number in itertools.takewhile(lambda _: len(killed) < 6, itertools.count()):
            digest = RecipientDigest(
                bytes([fate.randrange(256), writer]) + number.to_bytes(8, "big")
            )
            try:
                await unsubscribe(make_statement(digest=digest, at_ms=1 + number))
            except StoreUnavailable:
                await asyncio.sleep(0.01)
            else:
                acknowledged.append(digest)

    async def kill() -> None:
        while len(killed) < 6:
            await asyncio.sleep(0.02 + fate.random() * 0.08)
            if await _answers(store):
                os.kill(pid(folder), signal.SIGKILL)
                killed.append(pid(folder))

    await asyncio.gather(kill(), *(click(writer) for writer in range(20)))
    async with asyncio.timeout(30):
        while not await _answers(store):
            await asyncio.sleep(0.02)
    found = await asyncio.gather(*(store.preferences(BRAND, [digest]) for digest in acknowledged))
    events = [await store.history(BRAND, digest) for digest in acknowledged[::50]]
    supervisor.cancel()
    await store.close()
    embedded.release()

    assert acknowledged
    assert not any(one.everything.subscribed for (one,) in found)
    assert {1} == {len(one) for one in events}


async def _answers(store: RedisStore) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


async def test_the_watcher_survives_a_process_that_may_open_no_more_files(folder: Path) -> None:
    """Catalogue N21: the server dies while nothing can be opened; when something can again, it is
    brought back.
    """
    program = (
        "import asyncio, os, resource, signal, sys; from pathlib import Path; from app.observe.log"
        " import configure\nfrom app.store.embedded import EmbeddedStore\nasync def main():\n   "
        " configure(); store = EmbeddedStore(Path(sys.argv[1])); store.ensure()\n    watch ="
        " asyncio.create_task(store.supervise(interval=0.05))\n    await asyncio.sleep(0.2)\n   "
        " soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n   "
        " resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))\n    before ="
        " int(sys.stdin.readline())\n    os.kill(before, signal.SIGKILL)\n    await"
        " asyncio.sleep(1)\n    assert not watch.done(), watch.exception()\n   "
        " resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n    async with"
        " asyncio.timeout(30):\n        while not await asyncio.to_thread(store._answers):\n       "
        "     await asyncio.sleep(0.05)\n    watch.cancel(); await asyncio.gather(watch,"
        " return_exceptions=True)\n    print(store.release())\nasyncio.run(main())\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    async with asyncio.timeout(30):
        while not (folder / "store.pid").exists() or not (folder / "store.pid").read_text().strip():
            await asyncio.sleep(0.05)
    said, logged = await asyncio.to_thread(child.communicate, f"{pid(folder)}\n", 60)

    assert (child.returncode, said) == (0, "True\n"), logged
    assert "Too many open files" in logged


async def test_a_watcher_that_is_cancelled_while_it_starts_the_server_leaves_none(
    folder: Path,
) -> None:
    """Catalogue N29: the thread that starts it cannot be cancelled, so it is waited for."""
    for delay in (0.0, 0.002, 0.01, 0.03, 0.1):
        store = EmbeddedStore(folder)
        store.ensure()
        os.kill(pid(folder), signal.SIGKILL)
        watch = asyncio.create_task(store.supervise(interval=0.0))
        await asyncio.sleep(delay)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await asyncio.to_thread(store.release)

        with (folder / "server.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: a server holds it
