"""Clicks with wrk: a durable click (spool and store, everything on) beside a Starlette POST that
does nothing on the same Hypercorn.

    python -m bench.clicks [--rounds 5] [--seconds 5]

The systems take turns on one machine; medians, ratio to the no-op and CPU a request are printed as
a Markdown table. Afterwards every token that wrk may have posted is looked up in the store. Needs
wrk (Debian package `wrk`) and nothing else.
"""

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from app.core.brands import Brands
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import Brand, BrandId, BrandNumber, CampaignId, Purpose
from app.core.token import TokenCodec
from app.http.server import ServerSettings, public_listeners, run, serve
from app.observe.log import configure, logger
from app.store.embedded import EmbeddedStore
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.store.spool import SqliteSpool
from app.usecases.group_cache import CachedGroups
from app.usecases.record_statement import RecordStatement
from app.wiring.build_web import build_web

BRAND = BrandNumber(1)
TOKENS = 5_000
CONNECTIONS = 50
NOOP, OURS, CLICK = (
    "no-op Starlette POST, Hypercorn",
    "no-op Starlette POST, Signoff's server",
    "durable click: spool and store",
)

_TICKS = os.sysconf("SC_CLK_TCK")
_LUA = """
local requests, at = {}, 0
function init(args)
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", "/u?qmoe=" .. token,
      { ["Content-Type"] = "application/x-www-form-urlencoded" }, "List-RecordStatement=One-Click")
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


KEYRING = Keyring(
    keys=[MasterKey(id=1, secret=b"bench" * 6 + b"xx", status=KeyStatus.PRIMARY)],
    pepper=b"pepper" * 6,
)


def codec() -> TokenCodec:
    """Return the codec that every process of a run shares."""
    return TokenCodec(keyring=KEYRING, data_centre=1)


def address(number: int) -> str:
    """Return the number-th recipient."""
    return f"recipient{number}@example.com"


# The systems, each in its own process that prints where it listens


async def noop(request: Request) -> PlainTextResponse:
    """Do what a POST costs at least: read the body and answer."""
    await request.body()
    return PlainTextResponse("ok")


def noop_app() -> Starlette:
    """Return an application with the one route."""
    return Starlette(routes=[Route("/u", noop, methods=["POST"])])


async def serve_stock(_folder: Path) -> None:
    """Serve the no-op on Hypercorn as it comes."""
    config = Config()
    config.errorlog = None
    with tempfile.TemporaryDirectory() as folder:
        config.bind = ["127.0.0.1:0"]
        sockets = config.create_sockets().insecure_sockets
        config.bind = [f"fd://{sockets[0].fileno()}"]
        said(f"127.0.0.1:{sockets[0].getsockname()[1]}")
        await hypercorn_serve(noop_app(), config, shutdown_trigger=asyncio.Event().wait)  # type: ignore[arg-type]  # Starlette's ASGI
        del folder


async def serve_ours(_folder: Path) -> None:
    """Serve the no-op on Signoff's server, with its guards and deadlines."""
    await _serve(noop_app())


async def serve_click(folder: Path) -> None:
    """Serve the public application with spool and embedded store, as a process in production has
    them.
    """
    embedded = EmbeddedStore(folder / "store")
    embedded.ensure()
    store = RedisStore(embedded.url)
    await store.start()
    spool = SqliteSpool(folder / "spool")
    tokens = codec()
    record = RecordStatement(store, spool, now_ms, log=logger("web"))
    brand = Brand(
        id=BrandId("acme"), number=BRAND, name="Acme", sender_domains=frozenset({"acme.example"})
    )
    public = build_web(
        keyring=KEYRING,
        codec=tokens,
        data_centre=1,
        record=record,
        store=store,
        groups=CachedGroups(RedisGroups(store.connection), now_ms),
        brands=Brands([brand]),
        clock=now_ms,
        new_id=lambda: os.urandom(16),
        public_url="https://unsubscribe.example.com",
        security_contact="mailto:security@example.com",
        log=logger("web"),
    )
    await _serve(public)


async def _serve(public: ASGIApp) -> None:
    def bound(addresses: Mapping[str, str]) -> None:
        said(addresses["public"])

    await serve(
        public_listeners(public, ServerSettings(listen="127.0.0.1:0")),
        stop=asyncio.Event().wait,
        bound=bound,
    )


def said(where: str) -> None:
    """Tell the parent where this process listens."""
    print(where, flush=True)


SYSTEMS: Mapping[str, Callable[[Path], Awaitable[None]]] = {
    NOOP: serve_stock,
    OURS: serve_ours,
    CLICK: serve_click,
}


# The run


@dataclass
class System:
    """One system under load, and what was seen of it."""

    name: str
    process: subprocess.Popen[str]
    where: str
    helper: int | None = None  # process id of the store
    requests: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    helper_cpu: list[float] = field(default_factory=list)
    p99: list[str] = field(default_factory=list)


def started(name: str, folder: Path) -> System:
    """Start a system in its own process and wait until it listens."""
    command = [sys.executable, "-m", "bench.clicks", "--serve", name, "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    where = process.stdout.readline().strip()
    pid_file = folder / "store" / "store.pid"
    return System(name, process, where, int(pid_file.read_text()) if name == CLICK else None)


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def load(system: System, script: Path, tokens: Path, seconds: float) -> None:
    """Load one system for some seconds and note what came of it."""
    before, helper_before = (
        cpu_seconds(system.process.pid),
        cpu_seconds(system.helper) if system.helper else 0.0,
    )
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds:g}s",
        "--latency",
        "-s",
        str(script),
        f"http://{system.where}",
        "--",
        str(tokens),
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    requests = int(found(r"(\d+) requests in", output))
    system.requests.append(requests)
    system.rates.append(float(found(r"Requests/sec:\s+([\d.]+)", output)))
    system.p99.append(found(r"\n +99% +([\d.]+[mu]?s)", output))
    system.cpu.append((cpu_seconds(system.process.pid) - before) / requests * 1e6)
    if system.helper:
        system.helper_cpu.append((cpu_seconds(system.helper) - helper_before) / requests * 1e6)


def found(pattern: str, text: str) -> str:
    """Return the first group of the pattern. Raises AssertionError when the text has none."""
    match = re.search(pattern, text)
    assert match, text
    return match[1]


async def unrecorded(url: str, posted: int) -> int:
    """Return how many of the first `posted` recipients the store does not know as unsubscribed; wrk
    tries the first out on itself.
    """
    store = RedisStore(url)
    tokens = codec()
    states = await store.preferences(
        BRAND, [tokens.digest(address(number), brand=BRAND) for number in range(1, posted)]
    )
    await store.close()
    return sum(state.everything.subscribed for state in states)


def table(systems: list[System]) -> str:
    """Return the Markdown table."""
    base = statistics.median(systems[0].rates)
    lines = [
        (
            "| system | POST/s (median) | of the no-op | CPU µs a request (store) | p99 (median) |"
            " rounds |"
        ),
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for system in systems:
        rate = statistics.median(system.rates)
        helper = f" (+ {statistics.median(system.helper_cpu):.0f})" if system.helper_cpu else ""
        p99 = sorted(system.p99, key=lambda text: float(text.rstrip("mus")))[len(system.p99) // 2]
        rounds = ", ".join(f"{rate:,.0f}" for rate in system.rates)
        cpu = f"{statistics.median(system.cpu):.0f}{helper}"
        lines.append(
            f"| {system.name} | {rate:,.0f} | {rate / base:.0%} | {cpu} | {p99} | {rounds} |"
        )
    return "\n".join(lines)


def bench(rounds: int, seconds: float) -> int:
    """Run all rounds, print the table, and return 1 when a posted click is missing from the
    store.
    """
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as name:
        folder = Path(name)
        script, tokens = folder / "clicks.lua", folder / "tokens"
        script.write_text(_LUA)
        minter = codec().minter(
            brand=BRAND, purpose=Purpose.ONE_CLICK, at_ms=now_ms(), campaign=CampaignId("spring-24")
        )
        digest = codec().digest
        tokens.write_text(
            "\n".join(
                minter.mint(address=a, digest=digest(a, brand=BRAND))
                for a in map(address, range(TOKENS))
            )
        )
        embedded = EmbeddedStore(folder / "store")
        embedded.ensure()
        systems = [started(system, folder) for system in SYSTEMS]
        try:
            for _ in range(rounds):
                for system in systems:
                    load(system, script, tokens, seconds)
            # wrk begins each round with the first token
            posted = min(TOKENS, max(systems[-1].requests) - CONNECTIONS)
            missing = asyncio.run(unrecorded(embedded.url, posted))
        finally:
            for system in systems:
                system.process.terminate()
                system.process.wait()
            embedded.release()
        print(table(systems))
        print(
            f"\n{CONNECTIONS} connections kept open, {seconds:g} s a round; of {posted:,}"
            f" recipients the store does not know {missing}"
        )
        return 1 if missing else 0


def main() -> int:
    """Run the benchmark, or one of its systems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--serve", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is None:
        return bench(options.rounds, options.seconds)
    configure(readable=False)
    run(SYSTEMS[options.serve](options.folder))  # type: ignore[arg-type]  # every value is a coroutine function
    return 0


if __name__ == "__main__":
    sys.exit(main())
