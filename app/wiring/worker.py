"""How the worker process is put together."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from app import wiring
from app.core.brands import Brands
from app.core.errors import StoreUnavailable
from app.core.keyring import Keyring
from app.core.model import BrandNumber, Management
from app.core.webhook import Endpoint, EndpointKey
from app.http.server import run
from app.observe import log as logs
from app.observe import service_manager
from app.observe.background import Part, cancelled, note_end
from app.observe.log import LogEvent, Logger
from app.outbound.webhooks import WebhookClient
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.clock import monotonic_ms
from app.store.counters import RedisTallies
from app.store.deliveries import RedisDeliveries
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.store.work import RedisCrew, RedisWork
from app.usecases.counting import Counting
from app.usecases.group_cache import CachedGroups
from app.wiring.backlog import watching_backlog
from app.wiring.belonging import belong
from app.wiring.build_worker import build_worker
from app.wiring.health import health
from app.wiring.reload import Records, following
from app.worker.history import Trimmer
from app.worker.scheduler import Scheduler
from app.worker.worker import Pace, Worker

STORE_SECONDS = 5.0  # nobody waits for the worker, so it may wait for the store
_FIXED = ("worker.health_listen", "worker.claim_seconds", "worker.history_days")
GRACE_SECONDS = 20.0  # longer than a request to an endpoint may take


def serve_worker(settings: Settings) -> None:
    """Run the worker until it is asked to stop; requests under way are finished first."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_worker(settings))


async def _serve_worker(settings: Settings) -> None:
    log = logs.logger("worker")
    endpoints = _endpoints(settings)
    keyring = keyring_file.load(settings.keyring_file)
    stop = asyncio.create_task(wiring.stopped())
    hung_up = wiring.hangups()
    known = wiring.brands(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            wiring.opened_store(settings, log, patience=STORE_SECONDS)
        )
        client = await stack.enter_async_context(WebhookClient())
        await stack.enter_async_context(
            health(settings.worker.health_listen, {"store": store.ping})
        )
        await stack.enter_async_context(watching_backlog(known, store, None, log))
        scheduler, worker, parts = await stack.enter_async_context(
            _working(settings, known, store, client, keyring, log)
        )

        def adopt(reread: Settings, records: Records) -> None:
            known.adopt(records)
            store.keep_addresses_of(wiring.keeping(records))
            scheduler.adopt(_endpoints(reread))
            worker.adopt(
                _endpoints(reread), brands=_numbers(known), self_managed=_self_managed(known)
            )

        await stack.enter_async_context(
            following(
                settings,
                keyring,
                hangups=hung_up,
                adopt=adopt,
                fixed=_FIXED,
                log=log,
                confirm=partial(belong, store, settings),
            )
        )
        log.info(
            LogEvent.PROCESS_STARTED, health=settings.worker.health_listen, endpoints=len(endpoints)
        )
        service_manager.tell_ready()
        await _until(stop, parts, log)
        service_manager.tell_stopping()
        log.info(LogEvent.PROCESS_STOPPING)
    log.info(LogEvent.PROCESS_STOPPED)


def _endpoints(settings: Settings) -> dict[EndpointKey, Endpoint]:
    return {endpoint.key: endpoint for endpoint in (*settings.endpoints(), *settings.routing())}


def _numbers(brands: Brands) -> list[BrandNumber]:
    return [brand.number for brand in brands]


def _self_managed(brands: Brands) -> list[BrandNumber]:
    return [brand.number for brand in brands if brand.management is Management.SELF_MANAGED]


async def _until(
    stop: asyncio.Task[None], parts: Sequence[asyncio.Task[None]], log: Logger
) -> None:
    """Return when the process is asked to stop; raise what a part ended with before: half a worker
    must not say that it is ready.

    A part that returns has nothing to do, such as the trimmer of a history that is kept for ever.
    """
    waiting = {stop, *parts}
    while stop in waiting:
        ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for part in ended - {stop}:
            if error := part.exception():
                note_end(Part.DELIVERY, error, log)
                raise error


@asynccontextmanager
async def _working(  # noqa: PLR0913, PLR0917 - the parts of the process
    settings: Settings,
    known: Brands,
    store: RedisStore,
    client: WebhookClient,
    keyring: Keyring,
    log: Logger,
) -> AsyncIterator[tuple[Scheduler, Worker, Sequence[asyncio.Task[None]]]]:
    """Work for as long as the context is open; the tasks that are yielded run until then."""
    endpoints = _endpoints(settings)
    work = RedisWork(store.connection)
    counting = Counting(RedisTallies(store.connection))
    scheduler, worker = build_worker(
        name=secrets.token_hex(8),
        client=client,
        keyring=keyring,
        codec=wiring.token_codec(settings, keyring),
        data_centre=settings.data_centre,
        work=work,
        deliveries=RedisDeliveries(store.connection),
        crew=RedisCrew(store.connection),
        groups=CachedGroups(RedisGroups(store.connection), monotonic_ms),
        endpoints=endpoints,
        brands=_numbers(known),
        self_managed=_self_managed(known),
        tally=counting.count,
        clock=store.clock,
        chance=random.SystemRandom().random,
        pace=Pace(claim_ms=1000 * settings.worker.claim_seconds),
        log=log,
    )
    trimmer = Trimmer(
        work=work,
        brands=known,
        days=settings.worker.history_days,
        clock=wiring.now_ms,
        log=log,
    )
    writing, *turning = (
        asyncio.create_task(part.run()) for part in (scheduler, worker, trimmer, counting)
    )
    try:
        yield scheduler, worker, (writing, *turning)
    finally:
        for task in turning:
            await cancelled(task)
        # what could not be written is due again, and our sign of life ends by itself
        with suppress(StoreUnavailable):
            await worker.leave()
        with suppress(StoreUnavailable):
            await counting.write()
        with suppress(StoreUnavailable):
            await scheduler.close(GRACE_SECONDS)
        await cancelled(writing)
