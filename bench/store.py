"""What the store and the acknowledgement cost: clicks a second, CPU a click, spool commits.

    python -m bench.store

Starts its own embedded Valkey in a temporary folder. Figures belong to the machine; compare ratios.
"""

import asyncio
import hashlib
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from app.store.spool import SqliteSpool
from app.usecases.record_statement import RecordStatement

BRAND = BrandNumber(1)
CALLERS = 50


def statement(number: int) -> Statement:
    """Return the unsubscribe of one recipient."""
    digest = hashlib.sha256(number.to_bytes(8)).digest()
    return Statement(
        id=digest[:16],
        brand=BRAND,
        digest=RecipientDigest(digest[:10]),
        groups=(),
        subscribed=False,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=1_700_000_000_000 + number,
    )


def cpu() -> float:
    """Return the CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def drive(
    name: str, act: Callable[[Statement], Awaitable[object]], *, calls: int, callers: int
) -> None:
    """Let so many callers, one call at a time each, make all the calls, and print rate, CPU and
    slowest calls.
    """
    statements = iter([statement(number) for number in range(calls)])
    took: list[float] = []

    async def caller() -> None:
        for one in statements:
            began = time.perf_counter()
            await act(one)
            took.append(time.perf_counter() - began)

    began, spent = time.perf_counter(), cpu()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds, spent = time.perf_counter() - began, cpu() - spent
    took.sort()
    print(
        f"{name:44} {callers:4} callers {calls / seconds:9,.0f}/s {spent / calls * 1e6:7.1f} µs CPU"
        f" a call   p50 {took[len(took) // 2] * 1e3:.2f} ms  p99"
        f" {took[len(took) * 99 // 100] * 1e3:.2f} ms"
    )


async def acknowledge(url: str, folder: Path) -> None:
    """Measure store, spool and both, with one caller and with many."""
    store, spool = RedisStore(url), SqliteSpool(folder)
    await store.start()
    unsubscribe = RecordStatement(store, spool, lambda: time.time_ns() // 1_000_000)
    for _ in range(2):
        for callers in (1, CALLERS):
            calls = 20_000 if callers > 1 else 2_000
            await drive("store.apply", store.apply, calls=calls, callers=callers)
            await drive("spool.append", spool.append, calls=calls, callers=callers)
            await drive("unsubscribe (spool and store)", unsubscribe, calls=calls, callers=callers)
    await drive("spool.append", spool.append, calls=20_000, callers=100)
    await spool.close()
    await store.close()


def main() -> None:
    """Run everything."""
    with tempfile.TemporaryDirectory() as name:
        embedded = EmbeddedStore(Path(name) / "store")
        embedded.ensure()
        try:
            uvloop.run(acknowledge(embedded.url, Path(name) / "spool"))
        finally:
            embedded.release()


if __name__ == "__main__":
    main()
