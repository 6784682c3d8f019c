"""How the development downstream is put together."""

import asyncio

from app import wiring as web_side
from app.http.server import run
from app.observe import log as logs
from app.observe.background import cancelled
from app.settings.model import Settings
from smtp_proxy.mailbox import serve as serve_maildir


def serve_mailbox(settings: Settings) -> None:
    """Run the development downstream until it is asked to stop."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_mailbox(settings))


async def _serve_mailbox(settings: Settings) -> None:
    log = logs.logger("downstream")
    server = asyncio.create_task(
        serve_maildir(settings.mailbox.listen, settings.mailbox.maildir, log=log)
    )
    stopping = asyncio.create_task(web_side.stopped())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await cancelled(stopping)
    await cancelled(server)  # raises what it ended with, when it ended by itself
