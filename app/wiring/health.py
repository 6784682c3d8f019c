"""Health and metrics of a process that serves nothing else over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from app.web import application
from app.web.connection import Limits as HttpLimits
from app.web.endpoints.health import Check
from app.web.server import Listener


@asynccontextmanager
async def health(address: str, checks: Mapping[str, Check], *, metrics: Collector = REGISTRY) -> AsyncIterator[None]:
    """Serve health and metrics, those of this process unless said, for as long as the context is open."""
    listener = Listener(application.admin(checks=checks, metrics=metrics), address, limits=HttpLimits())
    await listener.open()
    try:
        yield
    finally:
        await listener.close()
