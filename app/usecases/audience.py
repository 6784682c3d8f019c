"""The states of a message's recipients, in one round trip and in time for the session that waits (design: storage.md, "The relay")."""

import asyncio
from collections.abc import Sequence

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, Preferences, RecipientDigest
from app.usecases.ports import Store

STATES_SECONDS = 1.0


class Audience:
    """Reads states for the relay; `deadline` in seconds.

    The design's 250 ms were met by every look-up, and yet a loop that was busy with other mail let one in some thousands come late: a
    false 451. A second is still far below any upstream's patience.
    """

    def __init__(self, store: Store, *, deadline: float = STATES_SECONDS) -> None:
        self._store = store
        self._deadline = deadline

    async def states(self, brand: BrandNumber, digests: Sequence[RecipientDigest]) -> Sequence[Preferences]:
        """Return each recipient's preferences, in order; StoreUnavailable when they are not there within the deadline."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._store.preferences(brand, digests)
        except TimeoutError as exc:
            raise StoreUnavailable("the states did not come in time") from exc
