"""What the state of a recipient costs in memory, hash-only and with a sealed address, and what it
costs to read everybody.

    python -m bench.state [recipients]

Starts its own embedded Valkey in a temporary folder for each. Records are counted after the streams
are gone, by the server's own account.
"""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

import redis
import uvloop

from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, Source, Statement
from app.core.token import TokenCodec
from app.store.embedded import EmbeddedStore
from app.store.recipient_index import RedisRecipientIndex
from app.store.redis import RedisStore

BRAND = BrandNumber(1)
BATCH = 10_000
AT_MS = 1_790_000_000_000
CODEC = TokenCodec(
    keyring=Keyring(
        keys=(MasterKey(id=1, secret=b"1" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
    ),
    data_centre=1,
)


def statement(number: int, *, sealed: bool) -> Statement:
    """Return the unsubscribe of one recipient with an address of 22 characters."""
    address = f"recipient{number:07}@ex.com"[-22:]
    return Statement(
        id=number.to_bytes(16),
        brand=BRAND,
        digest=CODEC.digest(address, brand=BRAND),
        groups=(),
        subscribed=False,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=AT_MS + number,
        sealed_address=CODEC.seal_address(address, brand=BRAND, at_ms=AT_MS) if sealed else b"",
    )


async def fill(url: str, recipients: int, *, sealed: bool) -> tuple[float, float]:
    """Write so many recipients and return the bytes in memory of one's record, and of one's entries
    in work and history.
    """
    store = RedisStore(url, timeout=30, addresses_of=frozenset({BRAND}) if sealed else frozenset())
    await store.start()
    with redis.Redis.from_url(url) as operator:
        before = operator.info("memory")["used_memory"]
        for start in range(0, recipients, BATCH):
            numbers = range(start, min(start + BATCH, recipients))
            await asyncio.gather(
                *(
                    asyncio.ensure_future(store.apply(statement(number, sealed=sealed)))
                    for number in numbers
                )
            )
        both = operator.info("memory")["used_memory"] - before
        streams = [
            key
            for pattern in ("so:*:w", "so:*:h:*")
            for key in operator.scan_iter(pattern, count=10_000)
        ]
        operator.unlink(*streams)
        await asyncio.sleep(2)  # UNLINK frees in the background
        records = operator.info("memory")["used_memory"] - before
    await store.close()
    return records / recipients, (both - records) / recipients


async def read(url: str, recipients: int) -> tuple[float, float]:
    """Read everybody and return seconds, and by how many MiB this process grew meanwhile."""
    store = RedisStore(url, timeout=30)
    recipient_index, after, count = RedisRecipientIndex(store.connection), None, 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    while found := await recipient_index.recipients(BRAND, after=after, limit=1_000):
        after, count = found[-1].digest, count + len(found)
    seconds = time.perf_counter() - began
    await store.close()
    if count != recipients:
        raise RuntimeError(f"read {count} of {recipients} recipients")
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024


async def measure(url: str, recipients: int, *, sealed: bool) -> None:
    """Print one row."""
    size, entries = await fill(url, recipients, sealed=sealed)
    seconds, grown = await read(url, recipients)
    name = "sealed address" if sealed else "hash-only"
    print(
        f"| {name} | {recipients:,} | {size:.1f} | {entries:.1f} | {recipients / seconds:,.0f} |"
        f" {grown:.1f} |",
        flush=True,
    )


def main() -> None:
    """Measure both."""
    recipients = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(
        "| record | recipients | bytes each in memory | its entries in work and history | read a"
        " second | MiB more while reading |",
        flush=True,
    )
    for sealed in (False, True):
        with tempfile.TemporaryDirectory() as name:
            embedded = EmbeddedStore(Path(name) / "store")
            embedded.ensure()
            try:
                uvloop.run(measure(embedded.url, recipients, sealed=sealed))
            finally:
                embedded.release()


if __name__ == "__main__":
    main()
