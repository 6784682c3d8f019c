"""Several workers on one port: one relay to the outside, in what it takes, counts, survives, and
ends.
"""

import asyncio
import os
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.settings.first_run import new_dkim_key
from app.settings.model import Settings
from app.settings.relay import RelaySettings
from smtp_proxy.wiring.worker_config import WorkerConfig
from tests.smtp_proxy.test_relay_process import END, greeting, promotional, settings_with
from tests.support.relay import PROMOTIONAL
from tests.support.relay_process import RelayProcess, relay_process
from tests.support.sink import Sink
from tests.support.upstream import connected

MAILS = 40  # on a connection each: that one of two workers gets none has a chance of 2 in 2 ** 40
SUM = re.compile(
    r'^signoff_messages_total\{class="promotional",outcome="delivered"\} ([0-9.]+)$', re.M
)


async def delivered(relay: RelayProcess) -> float:
    """Return the one number that the relay tells."""
    _, text = await relay.get("/metrics")
    found = SUM.findall(text)
    assert len(found) <= 1, "a worker is told apart"
    return float(found[0]) if found else 0.0


def children(relay: RelayProcess) -> set[int]:
    return {
        int(pid)
        for pid in (
            Path(f"/proc/{relay.process.pid}/task/{relay.process.pid}/children").read_text().split()
        )
    }


async def test_two_workers_are_one_relay_whose_sums_outlive_a_worker(tmp_path: Path) -> None:
    """Catalogue X13, E19: mails are counted once whoever took them; a killed worker is replaced,
    and what it counted stays.
    """
    async with Sink() as sink, relay_process(tmp_path, sink, RELAY__WORKERS=2) as relay:
        await relay.told("process_started", 3)  # each worker, and then the supervisor
        port = await relay.port()
        first = await asyncio.gather(*(promotional(port) for _ in range(MAILS)))
        counted = await delivered(relay)
        ready = await relay.get("/readyz")
        before = children(relay)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        record = await relay.told("relay_worker_ended")
        await relay.told("process_started", 4)
        second = await asyncio.gather(*(promotional(port) for _ in range(MAILS)))
        counted_again = await delivered(relay)
        after = children(relay)
        relay.send(signal.SIGTERM)
        code = await relay.ended()

    assert {answer[:9] for answer in (*first, *second)} == {"250 2.0.0"}
    assert (counted, counted_again) == (MAILS, 2 * MAILS)
    assert len(sink.received) == 2 * MAILS
    assert (ready[0], ready[1].count('"ok"')) == (200, 2)
    assert record["pid"] == killed
    assert len(before) == len(after) == 2
    assert killed not in after
    assert code == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in after)


async def test_a_stop_of_all_workers_finishes_what_is_in_flight(tmp_path: Path) -> None:
    """Catalogue X18."""
    async with Sink() as sink, relay_process(tmp_path, sink, RELAY__WORKERS=2) as relay:
        await relay.told("process_started", 3)  # each worker, and then the supervisor
        port = await relay.port()
        sink.may_read.clear()
        async with AsyncExitStack() as stack:
            upstreams = [await stack.enter_async_context(connected(port)) for _ in range(8)]
            for upstream in upstreams:
                await upstream.begin(sender="bounce@acme.example")
                await upstream.send(PROMOTIONAL + END)
            await sink.reached("DATA", 8)
            relay.send(signal.SIGTERM)
            await relay.told("process_stopping", 3)  # the supervisor, and each worker
            new = await greeting(port)
            sink.may_read.set()
            answers = [await upstream.reply() for upstream in upstreams]
        code = await relay.ended()

    assert {answer[:9] for answer in answers} == {"250 2.0.0"}
    assert new.startswith("421 4.3.2")
    assert code == 0
    assert len(sink.received) == 8


async def test_a_hangup_reaches_every_worker(tmp_path: Path) -> None:
    """Catalogue D19."""
    (tmp_path / "s1.pem").write_bytes(new_dkim_key())
    settings_with(tmp_path, "s1")

    async with Sink() as sink, relay_process(tmp_path, sink, RELAY__WORKERS=2) as relay:
        await relay.told("process_started", 3)
        settings_with(tmp_path, "missing")
        relay.send(signal.SIGHUP)
        await relay.told("configuration_refused", 2)
        settings_with(tmp_path, "s1")
        relay.send(signal.SIGHUP)
        await relay.told("configuration_reloaded", 2)


async def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    async with Sink() as sink, relay_process(tmp_path, sink, RELAY__WORKERS=2) as relay:
        await relay.told("process_started", 3)
        pids = children(relay)
        relay.process.kill()
        await relay.process.wait()

        assert await relay.becomes(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def test_a_port_that_is_taken_is_one_clear_problem_also_among_workers(tmp_path: Path) -> None:
    async with (
        Sink() as sink,
        relay_process(
            tmp_path, sink, RELAY__WORKERS=2, RELAY__LISTEN=f"127.0.0.1:{sink.port}"
        ) as relay,
    ):
        code = await relay.ended()

    assert code == 2
    assert relay.log == []


def settings(**relay: object) -> Settings:
    brands = {"acme": {"sender_domains": ["acme.example"]}}
    return Settings.model_validate(
        {"public_url": "https://unsubscribe.example.com", "brands": brands, "relay": relay}
    )


def test_the_bounds_of_the_relay_are_divided_among_its_workers() -> None:
    """Catalogue X13, S7."""
    config = WorkerConfig(
        listen="127.0.0.1:1", tls_listen=None, lmtp_listen="127.0.0.1:2", health_listen="unix:/x"
    )
    whole = settings(
        workers=4,
        max_in_flight_bytes=2**30,
        max_connections=1000,
        max_connections_per_address=2,
        downstream_connections=50,
    )

    share = config.share(whole).relay

    assert (
        share.max_in_flight_bytes,
        share.max_connections,
        share.max_connections_per_address,
        share.downstream_connections,
    ) == (
        2**28, 250, 1, 12,
    )  # fmt: skip
    assert (share.listen, share.health_listen) == ("127.0.0.1:1", "unix:/x")


@pytest.mark.parametrize(
    "bounds",
    [
        {"workers": 30},  # each would have less memory than one message may need
        {"workers": 10, "max_connections": 9},
        {"workers": 10, "downstream_connections": 9},
        {"workers": 0},
        {"workers": 65},
    ],
)
def test_bounds_that_leave_a_worker_nothing_are_a_wrong_configuration(
    bounds: dict[str, int],
) -> None:
    """Catalogue X13."""
    with pytest.raises(ValueError, match="worker"):
        RelaySettings(**bounds)  # type: ignore[arg-type] # the tests name fields of the settings
