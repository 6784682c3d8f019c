"""The states of a message's recipients, in one round trip and in time for the session that waits (design: storage.md, "The relay")."""

import asyncio
from collections.abc import Sequence

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, Preferences, RecipientDigest
from app.usecases.ports import Store


class Audience:
    """Reads states for the relay; `deadline` in seconds."""

    def __init__(self, store: Store, *, deadline: float = 0.25) -> None:
        self._store = store
        self._deadline = deadline

    async def states(self, brand: BrandNumber, digests: Sequence[RecipientDigest]) -> Sequence[Preferences]:
        """Return each recipient's preferences, in order; StoreUnavailable when they are not there within the deadline."""
        try:
            async with asyncio.timeout(self._deadline):
                return await self._store.preferences(brand, digests)
        except TimeoutError as exc:
            raise StoreUnavailable("the states did not come in time") from exc
