"""How a process comes to watch how long requests wait: the worker, and every process that has a
spool.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.brands import Brands
from app.observe.background import Part, kept_running
from app.observe.log import Logger
from app.store.deliveries import RedisDeliveries
from app.store.redis import RedisStore
from app.store.work import RedisWork
from app.usecases.backlog import Backlog
from app.usecases.ports import Spool


@asynccontextmanager
async def watching_backlog(
    brands: Brands, store: RedisStore, spool: Spool | None, log: Logger
) -> AsyncIterator[Backlog]:
    """Watch how long requests wait for as long as the context is open; `spool` is this process's
    own, if it has one.
    """
    backlog = Backlog(
        work=RedisWork(store.connection),
        deliveries=RedisDeliveries(store.connection),
        spool=spool,
        brands=brands,
        clock=store.clock,
        log=log,
    )
    async with kept_running(Part.BACKLOG, backlog.run, log):
        yield backlog
