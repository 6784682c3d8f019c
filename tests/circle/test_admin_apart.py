"""What the admin process does, or has stopped doing, is no business of a click."""

import asyncio
import signal
from pathlib import Path

import aiohttp

from tests.support import circles
from tests.support.services import running_services

PRIVATE = (
    "/v1/brands",
    "/v1/brands/acme/check",
    "/docs",
    "/openapi.json",
    "/operator",
    "/metrics",
    "/readyz",
)


async def test_clicks_are_answered_while_the_admin_process_stands_still(tmp_path: Path) -> None:
    """Catalogue N17: nothing on the admin side shares a process with clicks. Here it is stopped,
    which is busier than busy.
    """
    async with (
        running_services(tmp_path, "web", "admin") as services,
        aiohttp.ClientSession() as client,
    ):
        services["admin"].send(signal.SIGSTOP)
        asked = asyncio.create_task(
            client.get(services.url(services.settings.web.admin_listen, "/livez"))
        )
        try:
            statuses = [
                await circles.click(services, f"user{number}@example.net") for number in range(20)
            ]
            hidden = []
            for path in PRIVATE:
                async with client.get(services.url(services.settings.web.listen, path)) as answer:
                    hidden.append(answer.status)
            was_silent = not asked.done()
        finally:
            services["admin"].send(signal.SIGCONT)
        late = (await asked).status

    assert [200] * 20 == statuses
    assert [404] * len(PRIVATE) == hidden
    assert (was_silent, late) == (True, 200)
    assert services["web"].pid != services["admin"].pid
