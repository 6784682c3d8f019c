"""Health and metrics of a process, on a listener of their own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from app.http.connection import HttpLimits
from app.http.health import Check, application
from app.http.server import Listener, listening


@asynccontextmanager
async def health(
    address: str, checks: Mapping[str, Check], *, metrics: Collector = REGISTRY
) -> AsyncIterator[None]:
    """Serve health and metrics, those of this process unless said, for as long as the context is
    open.
    """
    async with listening({"health": health_listener(address, checks, metrics=metrics)}):
        yield


def health_listener(
    address: str, checks: Mapping[str, Check], *, metrics: Collector = REGISTRY
) -> Listener:
    """Bind the listener that serves health and metrics alone. Raises Misconfigured when the address
    cannot be bound.
    """
    return Listener(application(checks, metrics=metrics), address, limits=HttpLimits())
