"""What an operator's commands need of the store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import wiring
from app.observe.log import Logger
from app.settings.model import Settings
from app.store.deliveries import RedisDeliveries
from app.store.groups import RedisGroups
from app.store.journal import RedisJournal
from app.store.redis import Durability
from app.usecases.groups import Groups
from app.usecases.ports import Journal
from app.usecases.webhooks import Webhooks

_STORE_SECONDS = 10.0


@asynccontextmanager
async def opened_webhooks(settings: Settings, log: Logger) -> AsyncIterator[Webhooks]:
    """Open the webhook desk."""
    async with wiring.opened_store(settings, log, patience=_STORE_SECONDS) as store:
        yield Webhooks(deliveries=RedisDeliveries(store.wire), endpoints=settings.endpoints(), clock=wiring.now_ms)


@asynccontextmanager
async def opened_groups(settings: Settings, log: Logger) -> AsyncIterator[Groups]:
    """Open the brands' subscription groups."""
    replicated = Durability(settings.store.durability) is Durability.REPLICATED
    async with wiring.opened_store(settings, log, patience=_STORE_SECONDS) as store:
        yield Groups(RedisGroups(store.wire, replicated=replicated), wiring.now_ms)


@asynccontextmanager
async def opened_journal(settings: Settings, log: Logger) -> AsyncIterator[Journal]:
    """Open the journal of changes."""
    async with wiring.opened_store(settings, log, patience=_STORE_SECONDS) as store:
        yield RedisJournal(store.wire)
