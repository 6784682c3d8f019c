"""The composition root of the SMTP side: what its processes share; one module beside this for each process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.web import application
from app.web.connection import Limits as HttpLimits
from app.web.endpoints.health import Check
from app.web.server import Listener


@asynccontextmanager
async def health(address: str, checks: dict[str, Check]) -> AsyncIterator[None]:
    """Serve health and metrics of a process for as long as the context is open."""
    listener = Listener(application.admin(checks=checks), address, limits=HttpLimits())
    await listener.open()
    try:
        yield
    finally:
        await listener.close()
