"""Subscription groups of a brand: list, create, edit, archive, restore.

Who names a group may do so by its id, or by its name without regard to case; an id that reads
exactly so wins.

A group is never deleted: tokens and records hold its key for ever, and what recipients said about
it must still hold when it comes back. Every rule that two callers at once could break (names, ids,
the number of active groups) is decided by the book in one step.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.core.errors import Conflict, NotFound
from app.core.group_names import GroupNames
from app.core.groups import (
    ALL,
    MOST_ACTIVE,
    checked_description,
    checked_id,
    checked_name,
    usual_id,
)
from app.core.model import BrandNumber, GroupId, SubscriptionGroup
from app.usecases.ports import Clock, GroupBook

_ATTEMPTS = 8  # of a change whose group moved on between read and write


class Groups:
    """The groups of all brands. Names are checked here; see `app.core.groups` for the rules."""

    def __init__(self, book: GroupBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    async def list(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return all groups of a brand, archived ones too, in the order in which they were
        created.
        """
        return await self._book.groups(brand)

    async def find(self, brand: BrandNumber, named: GroupId) -> SubscriptionGroup:
        """Return the group of this id or name. Raises NotFound."""
        groups = await self._book.groups(brand)
        known = GroupNames(groups).known(named)
        for group in groups:
            if group.id == known:
                return group
        raise NotFound("the brand has no such group")

    async def create(
        self, brand: BrandNumber, *, name: str, description: str = "", id: GroupId | None = None
    ) -> SubscriptionGroup:
        """Create an active group and return it; without an id it gets one from its name, numbered
        when that one is taken.

        Raises RuleViolation for a name, description or id against the rules, Conflict when name or
        id is taken or 50 groups are active.
        """
        group = SubscriptionGroup(
            id=checked_id(id) if id else await self._free_id(brand, name),
            name=checked_name(name),
            description=checked_description(description),
            created_ms=self._clock(),
        )
        await self._book.add(brand, group, most_active=MOST_ACTIVE)
        return group

    async def edit(
        self,
        brand: BrandNumber,
        id: GroupId,
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> SubscriptionGroup:
        """Change name, description or both, of an archived group too, and return the group as it is
        then; its id stays.

        Raises NotFound, RuleViolation, or Conflict when another group has the name.
        """
        new_name = None if name is None else checked_name(name)
        text = None if description is None else checked_description(description)

        def edited(group: SubscriptionGroup) -> SubscriptionGroup:
            said = group if new_name is None else replace(group, name=new_name)
            return said if text is None else replace(said, description=text)

        return await self._change(brand, id, edited)

    async def archive(self, brand: BrandNumber, id: GroupId) -> SubscriptionGroup:
        """Offer the group to nobody any more; idempotent. Raises NotFound."""
        return await self._change(brand, id, lambda group: replace(group, archived=True))

    async def restore(self, brand: BrandNumber, id: GroupId) -> SubscriptionGroup:
        """Make an archived group active again; idempotent. Raises NotFound, or Conflict when 50
        groups are active.
        """
        return await self._change(brand, id, lambda group: replace(group, archived=False))

    async def _free_id(self, brand: BrandNumber, name: str) -> GroupId:
        """Return the name's usual id, or its first numbered form that is free; of two creators who find
        the same at once, one gets Conflict.
        """
        taken = {group.id for group in await self._book.groups(brand)} | {GroupId(ALL)}
        first = usual_id(checked_name(name))
        if first not in taken:
            return first
        return next(
            found
            for number in range(2, len(taken) + 3)
            if (found := GroupId(f"{first}-{number}")) not in taken
        )

    async def _change(
        self,
        brand: BrandNumber,
        wanted: GroupId,
        change: Callable[[SubscriptionGroup], SubscriptionGroup],
    ) -> SubscriptionGroup:
        for _ in range(_ATTEMPTS):
            before = await self.find(brand, wanted)
            after = change(before)
            if after == before or await self._book.replace(
                brand, before, after, most_active=MOST_ACTIVE
            ):
                return after
        raise Conflict("the group is being changed by others")
