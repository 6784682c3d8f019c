"""An operator who imports lists of people who left elsewhere, and sends each list again until it is
acknowledged.
"""

import asyncio
import random
from dataclasses import dataclass, field

import aiohttp

from tests.chaos.installation import Installation

_PAUSE = 0.5
_ANSWER_SECONDS = 20.0
_MOST_ROWS = 120


@dataclass(slots=True, kw_only=True)
class Importers:
    """All importers of one run."""

    installation: Installation
    chance: random.Random
    client: aiohttp.ClientSession
    asked: list[str] = field(default_factory=list)  # addresses of all lists that were begun
    told: list[str] = field(default_factory=list)  # of those that were acknowledged
    # answers that told of other numbers than the list had
    wrong: list[str] = field(default_factory=list)
    lists: int = 0  # how many were acknowledged
    stopping: bool = False

    async def bring(self, importer: int) -> None:
        """Import one list after another until asked to stop."""
        number = 0
        while not self.stopping:
            number += 1
            rows = [
                f"import-{importer}-{number}-{at}@mail.example"
                for at in range(self.chance.randint(1, _MOST_ROWS))
            ]
            self.asked += rows
            while not await self._acknowledged(rows):
                await asyncio.sleep(_PAUSE)
            self.told += rows
            self.lists += 1
            await asyncio.sleep(_PAUSE)

    async def _acknowledged(self, rows: list[str]) -> bool:
        services = self.installation.services
        target = services.url(services.settings.web.admin_listen, "/v1/brands/acme/suppressions")
        fields = {
            "Authorization": f"Bearer {self.installation.admin_key}",
            "Content-Type": "text/csv",
        }
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                self.client.post(
                    target, data="\n".join(("email", *rows)), headers=fields
                ) as answer,
            ):
                said = await answer.json() if answer.ok else {}
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        if said and (said["accepted"]["all"], said["refused_count"]) != (len(rows), 0):
            self.wrong.append(str(said))
        return bool(said)
