"""Clicks beside the admin process at its busiest: how much later is a click answered (catalogue
N17)?

    python -m bench.beside [--seconds 10]

A web and an admin process as in production, an embedded store. One client clicks, one click after
the other: first alone, then while another client has the admin API check 10,000 internationalised
addresses again and again, then while it imports 300,000 empty lines. Goal: no click more than 50 ms
later than without.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from app.core.model import BrandId, CampaignId, Purpose
from app.settings.load import load
from app.wiring import brands, now_ms, token_codec
from bench.processes import Program, listens

_ADDRESSES = [f"user{number}@bücher{number % 500}.example" for number in range(10_000)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.chdir(folder)
        settings = load()
        for name in ("web", "admin"):
            stack.enter_context(
                Program([sys.executable, "-m", "app", name], log=Path(folder) / f"{name}.log")
            ).ready(
                lambda name=name: listens(
                    _port(settings.web.listen if name == "web" else settings.web.admin_listen)
                )  # type: ignore[misc]
            )
        key = (Path(folder) / "var/keys/admin-api-key").read_text().strip()
        api = f"http://{settings.web.admin_listen}/v1/brands/acme"
        check = json.dumps({"addresses": _ADDRESSES}).encode()
        works: dict[str, Callable[[], object] | None] = {
            "alone": None,
            "beside a check of 10,000 IDN addresses": lambda: _post(
                f"{api}/check", check, key, "application/json"
            ),
            "beside an import of 300,000 empty lines": lambda: _post(
                f"{api}/suppressions?dry_run=true", b"\n" * 300_000, key, "text/csv"
            ),
        }
        urls = _urls(f"http://{settings.web.listen}", 20_000)
        print(
            "| clicks | number | median ms | 99 of 100 below, ms | slowest ms | calls of the admin"
            " API |"
        )
        print("| --- | --- | --- | --- | --- | --- |")
        for name, work in works.items():
            found, calls = _measured(urls, work, seconds)
            found.sort()
            figures = (statistics.median(found), found[len(found) * 99 // 100], found[-1])
            print(
                f"| {name} | {len(found)} | {' | '.join(f'{figure:.2f}' for figure in figures)} |"
                f" {calls} |"
            )


def _measured(
    urls: list[str], work: Callable[[], object] | None, seconds: float
) -> tuple[list[float], int]:
    end, calls = time.monotonic() + seconds, 0

    def busy() -> None:
        nonlocal calls
        while work is not None and time.monotonic() < end:
            work()
            calls += 1

    other = threading.Thread(target=busy)
    other.start()
    found = []
    while time.monotonic() < end and urls:
        began = time.perf_counter()
        urllib.request.urlopen(urls.pop(), b"List-Unsubscribe=One-Click").read()
        found.append((time.perf_counter() - began) * 1000)
    other.join()
    return found, calls


def _urls(base: str, number: int) -> list[str]:
    settings = load()
    codec, brand = token_codec(settings), brands(settings).by_id(BrandId("acme")).number
    minter = codec.minter(
        brand=brand, purpose=Purpose.ONE_CLICK, at_ms=now_ms(), campaign=CampaignId("bench")
    )
    addresses = [f"click{each}@example.net" for each in range(number)]
    return [
        f"{base}/u?qmoe={minter.mint(address=one, digest=codec.digest(one, brand=brand))}"
        for one in addresses
    ]


def _post(url: str, body: bytes, key: str, media_type: str) -> None:
    request = urllib.request.Request(
        url, body, {"Authorization": f"Bearer {key}", "Content-Type": media_type}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
    except urllib.error.HTTPError as exc:
        raise SystemExit(f"{url}: {exc.code} {exc.read()[:300]!r}") from exc


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


if __name__ == "__main__":
    main()
