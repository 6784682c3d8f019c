"""Whom a mail may reach: the states of its recipients in one round trip, and the groups that its
sender names.

Both are read in time for the session that waits.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import StoreUnavailable
from app.core.group_names import GroupNames
from app.core.model import BrandNumber, Preferences, RecipientDigest, SubscriptionGroup
from app.usecases.group_cache import GroupReader
from app.usecases.ports import Store

STATES_SECONDS = 1.0
NAMES_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class _Read:
    groups: Sequence[SubscriptionGroup]
    names: GroupNames


class Audience:
    """Reads for the relay; `deadline` of the states in seconds. `groups` remembers what it has
    read, and gives the same object meanwhile.

    The design's 250 ms were met by every look-up, and yet a loop that was busy with other mail let
    one in some thousands come late: a false 451. A second is still far below any upstream's
    patience.
    """

    def __init__(
        self, store: Store, groups: GroupReader, *, deadline: float = STATES_SECONDS
    ) -> None:
        self._store = store
        self._groups = groups
        self._deadline = deadline
        self._read: dict[BrandNumber, _Read] = {}

    async def states(
        self, brand: BrandNumber, digests: Sequence[RecipientDigest]
    ) -> Sequence[Preferences]:
        """Return each recipient's preferences, in order; StoreUnavailable when they are not there
        within the deadline.
        """
        try:
            async with asyncio.timeout(self._deadline):
                return await self._store.preferences(brand, digests)
        except TimeoutError as exc:
            raise StoreUnavailable("the states did not come in time") from exc

    async def names(self, brand: BrandNumber) -> GroupNames:
        """Return the brand's groups by name, the last known ones while they cannot be read.

        Raises StoreUnavailable when they never were: a name taken for an id would be a group that
        nobody can have left.
        """
        read = self._read.get(brand)
        try:
            async with asyncio.timeout(NAMES_SECONDS):
                groups = await self._groups.groups(brand)
        except (StoreUnavailable, TimeoutError) as exc:
            if read is None:
                raise StoreUnavailable("the groups cannot be read") from exc
            return read.names
        if read is None or read.groups is not groups:
            read = self._read[brand] = _Read(groups, GroupNames(groups))
        return read.names

    async def has_groups(self, brand: BrandNumber) -> bool:
        """Return whether the brand has active groups to choose from; not while they cannot be
        read.
        """
        try:
            return (await self.names(brand)).any_active
        except StoreUnavailable:
            return False
