"""Webhooks: events a second from the work streams to an endpoint, and how long a click takes to be
told when nothing else is going on.

    python -m bench.webhooks [--events 20000] [--clicks 100]

The worker runs as it comes, in a process of its own, with the embedded store's file synced at each
write; the endpoint is an aiohttp server in another process on the same machine, so it takes its
share of the cores.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from bench.processes import Program, cpu_ms, listens, wait_until
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
BRAND = BrandNumber(7)


class Book:
    """The endpoint: when each event came, by its id; `/seen` tells how many and `/times` when."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    async def take(self, request: web.Request) -> web.Response:
        """Take one request of any format."""
        body = await request.json()
        now = time.time()
        for event in body.get("events", ()):
            self.times.setdefault(event["event_uuid"].replace("-", ""), now)
        if "data" in body:
            self.times.setdefault(body["data"]["id"], now)
        return web.Response()

    async def tell(self, request: web.Request) -> web.Response:
        """Answer with what was seen."""
        return web.json_response(len(self.times) if request.path == "/seen" else self.times)


def serve(port: int) -> None:
    """Run the endpoint until it is ended."""
    book = Book()
    app = web.Application()
    app.router.add_post("/hook", book.take)
    app.router.add_get("/seen", book.tell)
    app.router.add_get("/times", book.tell)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


def statement(number: int) -> Statement:
    """Return the unsubscribe of one recipient, asked for now."""
    noise = os.urandom(10)
    return Statement(
        id=os.urandom(16),
        brand=BRAND,
        digest=RecipientDigest(noise[:2] + number.to_bytes(8)),
        groups=(),
        subscribed=False,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=time.time_ns() // 1_000_000,
    )


@contextmanager
def parts(folder: Path, form: str) -> Iterator[tuple[str, Program, Program]]:
    """Start an endpoint and a worker on an empty store; yields the endpoint's address, the endpoint
    and the worker.
    """
    port, health = free_port(), free_port()
    secret = folder / "secret"
    secret.write_text("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    hook = {"url": f"http://127.0.0.1:{port}/hook", "format": form, "secret_file": str(secret)}
    environment = {
        "PYTHONPATH": str(ROOT),
        "SIGNOFF_STATE_DIR": str(folder / "var"),
        "SIGNOFF_WORKER__HEALTH_LISTEN": f"127.0.0.1:{health}",
        "SIGNOFF_BRANDS__ACME__NUMBER": str(BRAND),
        "SIGNOFF_BRANDS__ACME__WEBHOOKS": json.dumps([hook]),
        "SIGNOFF_LOG_FORMAT": "json",
    }
    endpoint = Program(
        [sys.executable, "-m", "bench.webhooks", "--serve", str(port)],
        log=folder / "endpoint.log",
        cwd=ROOT,
    )
    with endpoint:
        endpoint.ready(lambda: listens(port))
        worker = Program(
            [sys.executable, "-m", "app", "worker"],
            log=folder / "worker.log",
            cwd=folder,
            environment=environment,
        )
        with worker:
            worker.ready(lambda: listens(health))
            yield f"http://127.0.0.1:{port}", endpoint, worker


def ask(url: str) -> object:
    """Return what the endpoint says."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


async def apply(url: str, statements: list[Statement]) -> None:
    """Write the changes as the web process does."""
    store = RedisStore(url, timeout=30)
    for start in range(0, len(statements), 2000):
        await asyncio.gather(
            *(asyncio.ensure_future(store.apply(one)) for one in statements[start : start + 2000])
        )
    await store.close()


def drain(form: str, events: int) -> str:
    """Let a worker bring a heap of events to an endpoint and return a row of the table."""
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        store = EmbeddedStore(folder / "var" / "store")
        store.ensure()
        try:
            with parts(folder, form) as (endpoint, receiver, worker):
                os.kill(worker.pid, signal.SIGSTOP)
                asyncio.run(apply(store.url, [statement(number) for number in range(events)]))
                spent, theirs = -cpu_ms(worker.pid), -cpu_ms(receiver.pid)
                os.kill(worker.pid, signal.SIGCONT)
                began = time.time()
                wait_until(lambda: ask(f"{endpoint}/seen") == events, "every event", 600)
                spent, theirs = spent + cpu_ms(worker.pid), theirs + cpu_ms(receiver.pid)
                times = sorted(dict(ask(f"{endpoint}/times")).values())  # type: ignore[call-overload]  # a JSON object
        finally:
            store.release()
        seconds = times[-1] - began
        return (
            f"| {form} | {events:,} | {events / seconds:,.0f} | {1000 * spent / events:.0f} |"
            f" {1000 * theirs / events:.0f} |"
        )


def latency(clicks: int) -> str:
    """Return how long single clicks take to reach the endpoint of an idle worker, in
    milliseconds.
    """
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        store = EmbeddedStore(folder / "var" / "store")
        store.ensure()
        try:
            with parts(folder, "standard") as (endpoint, _, _):
                statements = [statement(number) for number in range(clicks)]
                asked: dict[str, float] = {}
                asyncio.run(_timed(store.url, statements, asked))
                wait_until(lambda: ask(f"{endpoint}/seen") == clicks, "every click", 30)
                times = dict(ask(f"{endpoint}/times"))  # type: ignore[call-overload]  # a JSON object
        finally:
            store.release()
        took = sorted(1000 * (times[key] - at) for key, at in asked.items())
    return (
        f"click to endpoint, idle worker, {clicks} clicks: p50 {statistics.median(took):.0f} ms,"
        f" p99 {took[len(took) * 99 // 100]:.0f} ms"
    )


async def _timed(url: str, statements: list[Statement], asked: dict[str, float]) -> None:
    store = RedisStore(url, timeout=30)
    for one in statements:
        asked[one.id.hex()] = time.time()
        await store.apply(one)
        await asyncio.sleep(0.31)  # no multiple of the worker's own pause
    await store.close()


def main() -> None:
    """Run both measurements, or the endpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--clicks", type=int, default=100)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    print("| format | events | events/s | worker CPU µs an event | endpoint CPU µs an event |")
    print("| --- | --- | --- | --- | --- |")
    for form in ("streams", "standard"):
        print(drain(form, options.events), flush=True)
    print(f"\n{latency(options.clicks)}")


if __name__ == "__main__":
    main()
