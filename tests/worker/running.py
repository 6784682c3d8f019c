"""A worker in this process on a real store: everything real but the clock's pauses, which are
short.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandId, BrandNumber, CampaignId, RecipientDigest, Source, Statement
from app.core.token import TokenCodec
from app.core.webhook import (
    ENDPOINT_GONE_MS,
    SCHEDULE,
    Endpoint,
    Reach,
    WebhookFormat,
    endpoint_key,
)
from app.observe.log import logger
from app.outbound.webhooks import WebhookClient
from app.store.counters import RedisTallies
from app.store.deliveries import RedisDeliveries
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.store.work import RedisCrew, RedisWork
from app.usecases.counting import Counting
from app.usecases.group_cache import CachedGroups
from app.wiring.build_worker import build_worker
from app.worker.breaker import Breaker
from app.worker.worker import Pace

KEYRING = Keyring(
    keys=[MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY)], pepper=b"p" * 32
)
CODEC = TokenCodec(keyring=KEYRING, data_centre=1)
SECRET = b"s" * 32
ALL = range(256)  # the partitions
AT_ONCE = (0.0,) * len(SCHEDULE)
BRISK = Pace(claim_ms=60_000, due_every_ms=5, idle_seconds=0.01, busy_seconds=0)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def endpoint_of(
    url: str, *, brand: int = 7, form: WebhookFormat = WebhookFormat.STANDARD, **parts: object
) -> Endpoint:
    number = BrandNumber(brand)
    named = {"secrets": (SECRET,), "reach": Reach.LOOPBACK, **parts}
    return Endpoint(
        key=endpoint_key(number, url, form),
        brand=number,
        brand_id=BrandId(f"b{brand}"),
        brand_name=f"B{brand}",
        url=url,
        format=form,
        **named,  # type: ignore[arg-type]
    )


def statement_of(
    address: str, *, brand: int = 7, subscribed: bool = False, at_ms: int = 0, **parts: object
) -> Statement:
    number = BrandNumber(brand)
    plain = Statement(
        id=os.urandom(16),
        brand=number,
        digest=RecipientDigest(CODEC.digest(address, brand=number)),
        groups=(),
        subscribed=subscribed,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=at_ms or now_ms(),
        campaign=CampaignId("spring-24"),
        key_id=1,
        sealed_address=CODEC.seal_address(address, brand=number, at_ms=now_ms()),
    )
    return plain._replace(**parts)  # type: ignore[arg-type]  # the parts of the test at hand


@asynccontextmanager
async def working(
    url: str,
    endpoints: Sequence[Endpoint],
    *,
    name: str = "worker",
    clock: Callable[[], int] = now_ms,
    schedule: Sequence[float] = AT_ONCE,
    breaker: Callable[[], Breaker] = Breaker,
    pace: Pace = BRISK,
    seconds: float = 15.0,
    brands: Collection[BrandNumber] = (),
    self_managed: Collection[BrandNumber] = (),
    gone_ms: int = ENDPOINT_GONE_MS,
    keyring: Keyring = KEYRING,
) -> AsyncIterator[RedisStore]:
    """Run a worker on this store for as long as the context is open; yields the store as another
    process sees it.
    """
    async with AsyncExitStack() as stack:
        own = RedisStore(url, timeout=10)
        stack.push_async_callback(own.close)
        client = await stack.enter_async_context(WebhookClient(seconds=seconds))
        counting = Counting(RedisTallies(own.connection))
        scheduler, worker = build_worker(
            name=name,
            client=client,
            keyring=keyring,
            codec=CODEC,
            data_centre=1,
            work=RedisWork(own.connection),
            deliveries=RedisDeliveries(own.connection),
            crew=RedisCrew(own.connection),
            groups=CachedGroups(RedisGroups(own.connection), now_ms, renewed_ms=0),
            endpoints={endpoint.key: endpoint for endpoint in endpoints},
            brands=brands,
            self_managed=self_managed,
            tally=counting.count,
            clock=clock,
            chance=random.Random(1).random,
            pace=pace,
            log=logger("test"),
            dated_by=now_ms,
            schedule=schedule,
            home_schedule=schedule,
            breaker=breaker,
            gone_ms=gone_ms,
        )
        tasks = [asyncio.create_task(part.run()) for part in (worker, scheduler, counting)]
        try:
            yield own
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await worker.leave()
            await counting.write()
            await scheduler.close(0.1)


async def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    """Return when something comes to hold; `holds` may return an awaitable."""
    async with asyncio.timeout(seconds):
        while True:
            result = holds()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(0.01)


async def settled(store: RedisStore) -> bool:
    """Tell whether nothing waits any more, in work streams or for a delivery."""
    return not await RedisWork(store.connection).lag(ALL) and not await RedisDeliveries(
        store.connection
    ).oldest(ALL)
