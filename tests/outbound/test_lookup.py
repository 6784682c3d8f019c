"""Names whose servers never answer: nobody but who asked for them waits."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from app.outbound.lookup import SystemLookup
from app.outbound.webhooks import WebhookClient
from tests.outbound.test_webhook_client import REQUEST, endpoint
from tests.support.receiver import receiving

Silence = Callable[[str], int]  # how often a name was asked for
_real = socket.getaddrinfo


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    """Names under silent.example are those of a server that answers when the test is over."""
    over = threading.Event()
    asked: list[str] = []

    def ask(host: str, *args: object, **settings: object) -> object:
        asked.append(host)
        if host.endswith("silent.example"):
            over.wait()
            raise socket.gaierror("nobody answered")
        return _real(host, *args, **settings)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield asked.count
    over.set()


async def test_fifty_names_that_nobody_answers_for_hold_up_no_other(
    silent_names: Silence,
) -> None:
    """Catalogue N18: uvloop looks up two names at a time, the default executor six."""
    lookup = SystemLookup()
    waiting = [asyncio.create_task(lookup(f"{n}.silent.example", 443)) for n in range(50)]

    found = await lookup("localhost", 443)
    done = [task.done() for task in waiting]
    for task in waiting:
        task.cancel()

    assert (True, [False] * 50) == ("127.0.0.1" in found, done)


async def test_webhooks_of_a_silent_name_hold_up_those_of_no_other_brand(
    silent_names: Silence,
) -> None:
    """Catalogue N18."""
    async with receiving() as receiver, WebhookClient() as client:
        port = urlsplit(receiver.url).port
        waiting = [
            asyncio.create_task(
                client.post(endpoint(f"http://{n}.silent.example:{port}/"), REQUEST)
            )
            for n in range(10)
        ]
        answer = await client.post(endpoint(f"http://localhost:{port}/"), REQUEST)
        done = [task.done() for task in waiting]
        for task in waiting:
            task.cancel()

    assert (200, [False] * 10) == (answer.status, done)


async def test_who_asks_for_the_same_name_waits_for_the_same_answer(silent_names: Silence) -> None:
    lookup = SystemLookup()
    waiting = [asyncio.create_task(lookup("a.silent.example", 443)) for _ in range(10)]
    await lookup("localhost", 443)
    waiting[0].cancel()
    await asyncio.sleep(0)

    assert (1, 9) == (silent_names("a.silent.example"), sum(not one.done() for one in waiting[1:]))
    for task in waiting:
        task.cancel()


async def test_more_names_than_there_is_room_for_are_refused_not_queued(
    silent_names: Silence,
) -> None:
    lookup = SystemLookup(most=2)
    waiting = [asyncio.create_task(lookup(f"{n}.silent.example", 443)) for n in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(OSError, match="too many names"):
        await lookup("localhost", 443)
    for task in waiting:
        task.cancel()


@pytest.mark.parametrize("name", ["no-such-name.invalid", "a" * 64 + ".example", "a..example"])
async def test_a_name_without_an_address_is_an_oserror(name: str) -> None:
    with pytest.raises(OSError):
        await SystemLookup()(name, 443)


def test_a_name_that_nobody_answers_for_keeps_no_process_from_ending() -> None:
    program = """
import asyncio, socket, threading
socket.getaddrinfo = lambda *args, **settings: threading.Event().wait()
from app.outbound.lookup import SystemLookup

async def main():
    asyncio.create_task(SystemLookup()("a.silent.example", 443))
    await asyncio.sleep(0)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)

    assert 0 == ended.returncode
