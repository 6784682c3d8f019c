"""Whose store it is: made sure of while a process runs, and when its keyring is read again."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from app.core.errors import Misconfigured, StoreUnavailable
from app.observe.background import Part, kept_running
from app.observe.log import LogEvent, Logger
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.redis import RedisStore

_LOOK_SECONDS = 1.0  # between two looks whose store it is, and what time it is there


@asynccontextmanager
async def belonging(store: RedisStore, log: Logger) -> AsyncIterator[None]:
    """Stop the process in order when another installation's store comes to stand behind the
    address, and raise Misconfigured then.
    """
    refusals: list[Misconfigured] = []

    async def watch() -> None:
        while not refusals:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await store.belong()
            except StoreUnavailable:
                continue
            except Misconfigured as exc:
                log.error(LogEvent.CONFIGURATION_REFUSED, problems=list(exc.problems))
                refusals.append(exc)
                signal.raise_signal(signal.SIGTERM)

    async with kept_running(Part.STORE_WATCH, watch, log):
        yield
    if refusals:
        raise refusals[0]


async def belong(store: RedisStore, settings: Settings) -> None:
    """Return when the store belongs to the keyring as its file is now, or when it cannot say so
    now. Raises Misconfigured.
    """
    keyring = await asyncio.to_thread(keyring_file.load, settings.keyring_file)
    with suppress(StoreUnavailable):  # looked at again as soon as it answers
        await store.belong(keyring.identity())
