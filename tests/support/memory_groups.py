"""The subscription groups in memory: the twin of `RedisGroups`, held to the same contract by the
same tests.
"""

from collections.abc import Sequence

from app.core.errors import Conflict
from app.core.groups import MOST_GROUPS, folded_name, group_key
from app.core.model import BrandNumber, GroupKey, SubscriptionGroup
from app.store.groups import CONFLICTS


class MemoryGroups:
    """Groups that live and die with the process."""

    def __init__(self) -> None:
        self._brands: dict[BrandNumber, dict[GroupKey, SubscriptionGroup]] = {}

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return all groups of a brand, archived ones too, in the order in which they were
        created.
        """
        return sorted(
            self._brands.get(brand, {}).values(), key=lambda group: (group.created_ms, group.id)
        )

    async def add(self, brand: BrandNumber, group: SubscriptionGroup, *, most_active: int) -> None:
        """Add a group; see `app.usecases.ports.GroupBook`."""
        if group_key(group.id) in self._brands.get(brand, {}):
            raise Conflict(CONFLICTS["id"])
        self._write(brand, None, group, most_active=most_active)

    async def replace(
        self,
        brand: BrandNumber,
        before: SubscriptionGroup,
        after: SubscriptionGroup,
        *,
        most_active: int,
    ) -> bool:
        """Replace a group; see `app.usecases.ports.GroupBook`."""
        if self._brands.get(brand, {}).get(group_key(after.id)) != before:
            return False
        self._write(brand, before, after, most_active=most_active)
        return True

    def _write(
        self,
        brand: BrandNumber,
        before: SubscriptionGroup | None,
        after: SubscriptionGroup,
        *,
        most_active: int,
    ) -> None:
        own = group_key(after.id)
        groups = self._brands.setdefault(brand, {})
        others = [group for key, group in groups.items() if key != own]
        if any(folded_name(other.name) == folded_name(after.name) for other in others):
            raise Conflict(CONFLICTS["name"])
        if before is None and len(others) >= MOST_GROUPS:
            raise Conflict(CONFLICTS["all"])
        becomes_active = not after.archived and (before is None or before.archived)
        if becomes_active and sum(not other.archived for other in others) >= most_active:
            raise Conflict(CONFLICTS["active"])
        groups[own] = after
