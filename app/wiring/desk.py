"""What a command that only watches needs of the store: less than the services of administration, and none of their secrets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import wiring
from app.observe.log import Logger
from app.settings.model import Settings
from app.store.journal import RedisJournal
from app.usecases.ports import Journal

_STORE_SECONDS = 10.0


@asynccontextmanager
async def opened_journal(settings: Settings, log: Logger) -> AsyncIterator[Journal]:
    """Open the journal of changes."""
    async with wiring.opened_store(settings, log, patience=_STORE_SECONDS) as store:
        yield RedisJournal(store.wire)
