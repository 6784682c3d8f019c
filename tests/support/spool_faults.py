"""A spool whose disk takes nothing more: what is promised with it, with the store alone, and
without either.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.store.redis import RedisStore
from tests.support import circles
from tests.support.services import Services

Act = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The statuses of one click in each phase, and whether everybody who was told that it is done
    has left once.
    """

    before: int
    store_alone: int
    neither: int
    spool_alone: int
    kept: bool


async def outage(services: Services, *, begin: Act, end: Act) -> Told:
    """Click while the spool works, while it fails, while the store is stopped too, and while the
    store alone is.
    """
    store_pid = int((services.folder / "var/store/store.pid").read_text())
    store = RedisStore(f"unix://{services.folder}/var/store/store.sock", timeout=5)

    async def click(phase: str) -> int:
        return await circles.click(services, f"{phase}@mail.example")

    try:
        before = await click("before")
        await begin()
        store_alone = await click("store-alone")
        os.kill(store_pid, signal.SIGSTOP)
        try:
            neither = await click("neither")
            await end()
            spool_alone = await click("spool-alone")
        finally:
            os.kill(store_pid, signal.SIGCONT)
        names = [f"{phase}@mail.example" for phase in ("before", "store-alone", "spool-alone")]
        kept = await circles.all_left_once(services, store, names)
    finally:
        await store.close()
    return Told(
        before=before, store_alone=store_alone, neither=neither, spool_alone=spool_alone, kept=kept
    )
