"""One worker among several: the addresses on which it listens, and its share of the relay's bounds.

A worker reads the same settings as its supervisor, so a change that comes by SIGHUP reaches it the
same way. Only its addresses are given.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from app import wiring as web_side
from app.settings.model import Settings
from app.settings.relay import RelaySettings

_FIXED = (
    "listen",
    "tls_listen",
    "lmtp_listen",
    "health_listen",
    "downstream",
    "downstream_user",
    "downstream_password",
    "downstream_ca_file",
    "downstream_connections",
    "downstream_seconds",
    "max_in_flight_bytes",
    "workers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """The addresses that the supervisor holds for one worker."""

    listen: str
    tls_listen: str | None
    lmtp_listen: str
    health_listen: str

    def share(self, settings: Settings) -> Settings:
        """Return the settings as they hold for this worker: bounds of the whole relay are divided,
        none to less than one.
        """
        relay = settings.relay
        share = {
            "listen": self.listen,
            "tls_listen": self.tls_listen,
            "lmtp_listen": self.lmtp_listen,
            "health_listen": self.health_listen,
            "max_in_flight_bytes": relay.max_in_flight_bytes // relay.workers,
            "max_connections": relay.max_connections // relay.workers,
            "max_connections_per_address": max(
                relay.max_connections_per_address // relay.workers, 1
            ),
            "downstream_connections": relay.downstream_connections // relay.workers,
        }
        return settings.model_copy(update={"relay": relay.model_copy(update=share)})


def needing_restart(running: Settings, read: Settings) -> Sequence[str]:
    """Return what has changed and yet does not hold before the next start, one sentence each."""
    keys = [
        f"relay.{key}" for key in _FIXED if getattr(running.relay, key) != getattr(read.relay, key)
    ]
    if _has_load_balancers(running.relay) != _has_load_balancers(read.relay):
        keys.append("relay.proxy_networks")
    keys += [
        key
        for key in ("store", "state_dir", "log_level", "log_format")
        if getattr(running, key) != getattr(read, key)
    ]
    return [f"{key}: the change needs a restart" for key in keys]


def _has_load_balancers(relay: RelaySettings) -> bool:
    """Say whether the listener looks for PROXY headers at all, which is decided when it opens."""
    return bool(relay.proxy_networks)


async def stopped_or_left() -> None:
    """Return when the worker is asked to stop, or its supervisor has died: then nobody would
    ask.
    """
    left = asyncio.Event()
    loop = asyncio.get_running_loop()
    stopped = asyncio.create_task(web_side.stopped())
    # a pipe on which nothing is ever said; its end is that of the supervisor
    loop.add_reader(sys.stdin.fileno(), left.set)
    alone = asyncio.create_task(left.wait())
    try:
        await asyncio.wait({stopped, alone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(sys.stdin.fileno())
        alone.cancel()
        stopped.cancel()
