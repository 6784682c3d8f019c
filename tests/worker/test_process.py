"""The worker as a process of its own: killed in the middle of a delivery, asked to stop, and the
commands beside it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app import wiring
from app.core.audit import AuditAction
from app.store.administration import RedisAudit
from app.store.redis import RedisStore
from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiving
from tests.worker.running import eventually, settled, statement_of


def environment(
    folder: Path, url: str, receiver: Receiver, health: str = "127.0.0.1:0"
) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(wiring.__file__).parents[2]),
        "SIGNOFF_STATE_DIR": str(folder / "var"),
        "SIGNOFF_STORE__URL": url,
        "SIGNOFF_WORKER__HEALTH_LISTEN": health,
        "SIGNOFF_WORKER__CLAIM_SECONDS": "2",
        "SIGNOFF_BRANDS__ACME__NUMBER": "7",
        "SIGNOFF_BRANDS__ACME__WEBHOOKS": json.dumps([{"url": receiver.url, "format": "streams"}]),
    }


@asynccontextmanager
async def worker(
    folder: Path, variables: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "worker",
        cwd=folder,
        env=variables,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    while b"process_started" not in (line := await process.stderr.readline()):
        assert line, "the worker ended before it started"
    drained = asyncio.create_task(process.stderr.read())
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)
        await drained


def told(receiver: Receiver) -> list[str]:
    return [
        event["event_uuid"].replace("-", "")
        for one in receiver.book
        for event in one.json["events"]  # type: ignore[index]
    ]  # JSON


async def signoff(folder: Path, variables: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "app", *arguments]
    ended = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout


async def test_a_worker_that_is_killed_in_the_middle_of_a_delivery_loses_nothing(
    tmp_path: Path, url: str, store: RedisStore
) -> None:
    """Catalogue Q2: each event is in the receiver's book, under one id."""
    clicks = [statement_of(f"r{number}@example.net") for number in range(120)]
    async with receiving(hanging=True) as receiver:
        variables = environment(tmp_path, url, receiver)
        async with worker(tmp_path, variables) as first:
            for click in clicks:
                await store.apply(click)
            await receiver.until(lambda receiver: len(receiver.book) >= 1)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        unanswered = told(receiver)
        receiver.hanging = False
        receiver.released.set()
        receiver.book.clear()

        async with worker(tmp_path, variables):
            await eventually(lambda: settled(store))

    assert unanswered
    assert {click.id.hex() for click in clicks} == set(told(receiver))


async def test_a_worker_that_is_asked_to_stop_finishes_what_is_under_way(
    tmp_path: Path, url: str, store: RedisStore
) -> None:
    """Catalogue Q2."""
    click = statement_of("ann@example.net")
    async with (
        receiving(hanging=True) as receiver,
        worker(tmp_path, environment(tmp_path, url, receiver)) as process,
    ):
        await store.apply(click)
        await receiver.until(lambda receiver: len(receiver.book) == 1)
        process.terminate()
        receiver.released.set()
        code = await asyncio.wait_for(process.wait(), 60)

    assert (0, [click.id.hex()]) == (code, told(receiver))
    assert await settled(store)


async def test_health_events_and_dead_letters_are_there_for_the_operator(
    tmp_path: Path, url: str, store: RedisStore
) -> None:
    click = statement_of("ann@example.net")
    health = f"127.0.0.1:{free_port()}"
    async with receiving(statuses=[410]) as receiver:
        variables = environment(tmp_path, url, receiver, health)
        async with worker(tmp_path, variables):
            await store.apply(click)
            await receiver.until(lambda receiver: len(receiver.book) == 1)
            letters: list[dict[str, object]] = []

            async def listed() -> bool:
                letters[:] = json.loads(await signoff(tmp_path, variables, "dlq", "list", "--json"))
                return bool(letters)

            await eventually(listed)
            seen = await signoff(
                tmp_path,
                variables,
                "events",
                "tail",
                "--brand",
                "acme",
                "--since",
                "1h",
                "--no-follow",
                "--json",
            )
            ready, metrics = await asyncio.gather(
                _get(f"http://{health}/readyz"), _get(f"http://{health}/metrics")
            )
            resent = json.loads(
                await signoff(
                    tmp_path, variables, "dlq", "resend", str(letters[0]["cursor"]), "--json"
                )
            )
            await receiver.until(lambda receiver: len(receiver.book) == 2)
            await eventually(lambda: settled(store))
            dropped = json.loads(
                await signoff(tmp_path, variables, "dlq", "drop", "--all", "--json")
            )
    noted = await RedisAudit(store.connection).entries(click.brand, after="", limit=10)

    assert ("acme", "answered 410", click.id.hex()) == (
        letters[0]["brand"],
        letters[0]["reason"],
        letters[0]["id"],
    )
    assert ("Email Unsubscribed", click.id.hex()) == (
        json.loads(seen)["event"],
        json.loads(seen)["id"],
    )
    assert ([{"resent": 1}], [{"dropped": 0}]) == (resent, dropped)
    assert [("cli", AuditAction.WEBHOOK_RESENT, {"resent": "1"})] == [
        (entry.actor, entry.action, entry.detail) for entry in noted
    ]
    assert '"ready"' in ready
    assert 'signoff_webhook_deliveries_total{result="gone"} 1.0' in metrics
    assert "signoff_pending_oldest_age_seconds" in metrics


async def _get(url: str) -> str:
    def ask() -> str:
        with urllib.request.urlopen(url, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    return await asyncio.to_thread(ask)
