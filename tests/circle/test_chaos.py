"""People leave by every way there is while everything that could remember it is killed and stopped;
nothing that was said is lost.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from app.core.model import HistoryEntry, RecipientDigest
from app.observe.log import LogEvent
from app.store.redis import RedisStore
from tests.support import circles
from tests.support.clickers import WAYS, Clickers
from tests.support.receiver import Receiver, receiving
from tests.support.services import Services, becomes, running_services

FAULTS = 12
CLICKERS = 2  # for each way
FURTHER = 8  # clicks that are acknowledged between two faults
# a bound, never what the test decides by; an idle machine needs half a minute
LIVENESS_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that happens to a process."""

    name: str
    act: Callable[[Services, random.Random], Awaitable[None]]


async def killed(services: Services, name: str) -> None:
    """Kill a process and start it again."""
    await services[name].kill()
    await services[name].start()


async def frozen(pid: int, seconds: float) -> None:
    """Stop a process, which then neither answers nor goes away, and let it go on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def store_pid(services: Services) -> int:
    return int((services.folder / "var/store/store.pid").read_text())


async def store_killed(services: Services) -> None:
    """Kill the store; whoever watches over it brings another."""
    before = store_pid(services)
    os.kill(before, signal.SIGKILL)

    async def is_back() -> bool:
        with suppress(OSError, ValueError):  # its file is not written yet
            return store_pid(services) != before
        return False

    assert await becomes(is_back), "nobody brought the store back"


def faults() -> list[Fault]:
    """Return each thing that may happen to each process."""
    found = []
    for name in ("web", "worker", "inbox"):
        found.append(
            Fault(name=f"{name} killed", act=lambda services, _, name=name: killed(services, name))  # type: ignore[misc]
        )  # name is a constant
        found.append(
            Fault(
                name=f"{name} stopped",
                act=lambda services, chance, name=name: frozen(
                    services[name].pid, chance.uniform(0.1, 1.0)
                ),  # type: ignore[misc]  # as above
            )
        )
    found.append(Fault(name="store killed", act=lambda services, _: store_killed(services)))
    found.append(
        Fault(
            name="store stopped",
            act=lambda services, chance: frozen(store_pid(services), chance.uniform(0.1, 1.5)),
        )
    )
    return found


async def test_nothing_acknowledged_is_lost_and_nothing_is_said_twice(tmp_path: Path) -> None:
    """Catalogue E8, M6, Q2, Q7, E7: web, worker, inbox and store killed and stopped in an order
    that the seed decides.
    """
    seed = int(os.environ.get("SIGNOFF_CHAOS_SEED") or random.SystemRandom().randrange(2**32))
    chance = random.Random(seed)
    plan = chance.sample(faults(), k=len(faults())) + chance.choices(
        faults(), k=FAULTS - len(faults())
    )
    story = f"SIGNOFF_CHAOS_SEED={seed}: " + ", ".join(fault.name for fault in plan)

    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        circles.two_brands(tmp_path, [(receiver.url, "standard")])
        services = await stack.enter_async_context(
            running_services(tmp_path, "web", "worker", "inbox", WORKER__CLAIM_SECONDS=2)
        )
        clickers = Clickers(
            services=services,
            chance=chance,
            client=await stack.enter_async_context(aiohttp.ClientSession(connector=_connector())),
        )
        await _leave_through(plan, clickers, chance)
        store = RedisStore(f"unix://{services.folder}/var/store/store.sock", timeout=5)
        stack.push_async_callback(store.close)

        missing = await _missing(clickers, store)
        assert not missing, f"{story}\nacknowledged and not in the state: {missing}"
        histories = {
            address: await store.history(clickers.brand(address), _digest(clickers, address))
            for address in clickers.asked
        }
        wrong = {
            address: len(entries)
            for address, entries in histories.items()
            if not _is_right(clickers, address, entries)
        }
        assert not wrong, f"{story}\nnot exactly one event: {wrong}"
        untold = await _untold(histories, receiver)
        assert not untold, f"{story}\nnever told to the webhook: {untold}"

    counts = Counter(way.name for way in clickers.told.values())
    assert set(counts) == set(WAYS), f"{story}\nnot every way was gone: {counts}"
    assert set(clickers.refusals) <= {503}, story
    for service in services.by_name.values():
        assert {json.loads(line)["event"] for line in service.lines} <= set(LogEvent) - {
            LogEvent.UNEXPECTED_ERROR
        }, story


def _connector() -> aiohttp.TCPConnector:
    # a kept connection to a killed process would be a failure of the client's own
    return aiohttp.TCPConnector(force_close=True)


async def _leave_through(plan: list[Fault], clickers: Clickers, chance: random.Random) -> None:
    """Click while everything of the plan happens, and stop when nothing happens any more."""
    async with asyncio.timeout(LIVENESS_SECONDS), asyncio.TaskGroup() as clicking:
        for way in WAYS.values():
            for clicker in range(CLICKERS):
                clicking.create_task(clickers.click(way, clicker))
        for fault in plan:
            await clickers.further(FURTHER)
            await fault.act(clickers.services, chance)
        await clickers.further(FURTHER)
        clickers.stopping = True


def _digest(clickers: Clickers, address: str) -> RecipientDigest:
    return clickers.services.codec.digest(address, brand=clickers.brand(address))


async def _missing(clickers: Clickers, store: RedisStore) -> list[str]:
    """Return who was told that it is done and is still subscribed when the spools have had their
    time.
    """
    missing: list[str] = []

    async def none_is() -> bool:
        missing.clear()
        for address in clickers.told:
            (found,) = await store.preferences(
                clickers.brand(address), [_digest(clickers, address)]
            )
            if found.everything.subscribed:
                missing.append(address)
        return not missing

    await becomes(none_is)
    return missing


def _is_right(clickers: Clickers, address: str, entries: Sequence[HistoryEntry]) -> bool:
    """Say whether the history tells what happened: one change for who was told, none or one for who
    never heard.
    """
    sources = [entry.statement.source for entry in entries]
    return sources == [clickers.asked[address].source] or (
        not sources and address not in clickers.told
    )


async def _untold(histories: Mapping[str, Sequence[HistoryEntry]], receiver: Receiver) -> set[str]:
    """Return the events of which the brand has not heard."""
    expected = {entry.statement.id.hex() for entries in histories.values() for entry in entries}
    with suppress(TimeoutError):
        await receiver.until(
            lambda book: expected <= {told.id for told in book.book}, LIVENESS_SECONDS
        )
    return expected - {told.id for told in receiver.book}
