"""What a command that only watches needs of the store: less than the services of administration,
and none of their secrets.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import wiring
from app.observe.log import Logger
from app.settings.model import Settings
from app.store.clock import monotonic_ms
from app.store.groups import RedisGroups
from app.store.journal import RedisJournal
from app.usecases.group_cache import CachedGroups
from app.usecases.ports import Journal

_STORE_SECONDS = 10.0


@asynccontextmanager
async def opened_journal(
    settings: Settings, log: Logger
) -> AsyncIterator[tuple[Journal, CachedGroups]]:
    """Open the journal of changes, and what the groups in it are called."""
    async with wiring.opened_store(settings, log, patience=_STORE_SECONDS, serving=False) as store:
        yield (
            RedisJournal(store.connection),
            CachedGroups(RedisGroups(store.connection), monotonic_ms),
        )
