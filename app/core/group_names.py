"""Which group a sender means who names it by id or by name."""

from collections.abc import Iterable

from app.core.groups import folded_name, usual_id
from app.core.model import GroupId, SubscriptionGroup


class GroupNames:
    """The groups of one brand by all that they are called, archived ones too: what recipients said
    about those still counts.
    """

    def __init__(self, groups: Iterable[SubscriptionGroup]) -> None:
        known = tuple(groups)
        self.any_active = not all(group.archived for group in known)
        self._ids = frozenset(group.id for group in known)
        # Names are what people read, so one wins over an id that reads the same without regard to
        # case.
        self._folded = {folded_name(group.id): group.id for group in known} | {
            folded_name(group.name): group.id for group in known
        }

    def known(self, text: str) -> GroupId | None:
        """Return the group of exactly this id, or of this name or id without regard to case; None
        when there is none.
        """
        return GroupId(text) if text in self._ids else self._folded.get(folded_name(text))

    def resolve(self, names: Iterable[GroupId]) -> tuple[GroupId, ...]:
        """Return the groups meant, each once. What no group is called is the id that a group of this
        name would get, so it holds once that is created: stamping needs no list of groups.
        """
        return tuple(dict.fromkeys(self.known(name) or self._new(name) for name in names))

    def _new(self, name: GroupId) -> GroupId:
        """Return the id of a name that no group has; the name itself where another group has the
        id.
        """
        first = usual_id(name)
        return name if first in self._ids else first

    def among(self, names: Iterable[GroupId]) -> tuple[GroupId, ...]:
        """Return only those meant that the brand has."""
        return tuple(dict.fromkeys(found for name in names if (found := self.known(name))))


NO_NAMES = GroupNames(())
