"""One run: a load, faults that the seed draws, quiet, the books."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from app.core.errors import StoreUnavailable
from tests.chaos.books import Account, Load, accounts
from tests.chaos.faults import FAULTS, Fault, Scene
from tests.chaos.importers import Importers
from tests.chaos.installation import installed
from tests.chaos.mailers import Mailers, Message
from tests.support.clickers import WAYS, Clickers

CLICKERS = 2  # for each way
MAILERS = 6
# clicks that are acknowledged between two faults: everything has recovered from the last one
FURTHER = 4
_TOGETHER = 0.3  # how often two faults happen at once
_LIVENESS_SECONDS = 300.0  # a bound, never what a run decides by
_PROBES = 40  # of each kind of people who left


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What happened, and the books."""

    plan: list[str] = field(default_factory=list)
    accounts: Sequence[Account] = ()

    @property
    def wrong(self) -> Sequence[str]:
        """Return everything that is not as it was promised."""
        return [f"{account.name}: {line}" for account in self.accounts for line in account.wrong]


def plan(chance: random.Random) -> Iterator[Sequence[Fault]]:
    """Draw faults for ever, one or two at a time: each comes once before any comes again."""
    deck: list[Fault] = []
    while True:
        deck = deck or chance.sample(FAULTS, k=len(FAULTS))
        first = deck.pop()
        second = next((fault for fault in deck if fault.target != first.target), None)
        if second is None or chance.random() >= _TOGETHER:
            yield (first,)
        else:
            deck.remove(second)
            yield first, second


async def run(
    folder: Path, *, seed: int, seconds: float, tell: Callable[[str], None], outcome: Outcome
) -> None:
    """Break an installation in a folder for so many seconds, let it settle, and close the books.

    All of it goes into `outcome` at once, so that a run that fails half way has its plan there.
    """
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(installed(folder))
        # a kept connection to a killed process would be a failure of the client's own
        connector = aiohttp.TCPConnector(force_close=True)
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        mailers = Mailers(installation=installation, chance=random.Random(f"{seed} mail"))
        clickers = Clickers(
            services=installation.services, chance=random.Random(f"{seed} clicks"), client=client
        )
        importers = Importers(
            installation=installation, chance=random.Random(f"{seed} lists"), client=client
        )
        scene = Scene(
            installation=installation, mailers=mailers, chance=random.Random(f"{seed} pauses")
        )
        load = Load(scene=scene, clickers=clickers, importers=importers)
        begin = time.monotonic()
        async with asyncio.timeout(seconds + _LIVENESS_SECONDS), asyncio.TaskGroup() as working:
            for number in range(CLICKERS):
                for way in WAYS.values():
                    working.create_task(clickers.click(way, number))
            for number in range(MAILERS):
                working.create_task(mailers.send(number))
            working.create_task(importers.bring(0))
            for faults in plan(random.Random(f"{seed} faults")):
                if time.monotonic() - begin >= seconds:
                    break
                outcome.plan.append(" + ".join(fault.name for fault in faults))
                tell(f"{time.monotonic() - begin:6.1f} s  {outcome.plan[-1]}")
                async with asyncio.TaskGroup() as happening:
                    for fault in faults:
                        happening.create_task(fault.act(scene))
                await clickers.further(FURTHER)
            clickers.stopping = mailers.stopping = importers.stopping = True
        tell(f"{time.monotonic() - begin:6.1f} s  quiet")
        with suppress(TimeoutError):  # what has not come by then the books tell
            async with asyncio.timeout(_LIVENESS_SECONDS):
                await _settled(load)
        outcome.accounts = await accounts(load, await _probes(load))
        tell(f"{time.monotonic() - begin:6.1f} s  books closed")


async def _settled(load: Load) -> None:
    """Return when the spools are applied and the receiver has heard of everything."""
    while True:
        with suppress(StoreUnavailable):
            if not await load.missing():
                break
        await asyncio.sleep(0.2)
    heard = load.installation.endpoint.taken
    while True:
        histories = await load.histories()
        if all(
            heard[entry.statement.id.hex()] for entries in histories.values() for entry in entries
        ):
            return
        await asyncio.sleep(0.5)


async def _probes(load: Load) -> list[Message]:
    """Mail some of those who have unsubscribed."""
    left = [
        address for address in load.clickers.told if load.clickers.asked[address].brand == "acme"
    ]
    groups = [
        left[:_PROBES],
        left[-_PROBES:],
        load.importers.told[:_PROBES],
        load.importers.told[-_PROBES:],
    ]
    probes = [
        Message(id=f"probe-{number}", recipients=group, body=b"Hello\r\n")
        for number, group in enumerate(groups)
        if group
    ]
    async with asyncio.timeout(_LIVENESS_SECONDS):
        await asyncio.gather(*map(load.scene.mailers.deliver, probes))
    return probes
