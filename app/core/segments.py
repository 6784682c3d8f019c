"""Which recipients belong to a segment (as at CleverTap: include or exclude subscription groups,
all mail by default).

1. Who is subscribed to every included group and to no excluded one belongs to it. `EVERYTHING`
   stands for All: who has not left all mail.
2. With neither, All is included. So `exclude` All alone gives those who have unsubscribed
   everything.
3. `sources` and time ask for one statement that made a state of the recipient: about all mail or
   one of the named groups, any when none is named. Both must be true of the same statement.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.core.groups import EVERYTHING
from app.core.model import GroupKey, Preferences, Source, Subscription
from app.core.preferences import is_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What is asked for; times in UTC milliseconds, `until_ms` exclusive."""

    include: tuple[GroupKey, ...] = ()
    exclude: tuple[GroupKey, ...] = ()
    sources: frozenset[Source] = frozenset()  # any when there is none
    since_ms: int | None = None
    until_ms: int | None = None

    def holds(self, preferences: Preferences) -> bool:
        """Tell whether a recipient belongs to it."""
        included = self.include or (() if self.exclude else (EVERYTHING,))
        if not all(_subscribed(preferences, group) for group in included):
            return False
        if any(_subscribed(preferences, group) for group in self.exclude):
            return False
        if not self.sources and self.since_ms is None and self.until_ms is None:
            return True
        return any(self.said(one) for one in self._states(preferences))

    def _states(self, preferences: Preferences) -> Iterator[Subscription]:
        named = {*self.include, *self.exclude} - {EVERYTHING}
        yield preferences.everything
        yield from (one for group, one in preferences.groups.items() if not named or group in named)

    def said(self, state: Subscription) -> bool:
        """Tell whether the statement behind a state came this way and in this time; never of a
        state that nobody stated.
        """
        return (
            state.source is not None
            and (not self.sources or state.source in self.sources)
            and (self.since_ms is None or state.since_ms >= self.since_ms)
            and (self.until_ms is None or state.since_ms < self.until_ms)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Asks for what recipients have left: all mail or a group; any of both without `group`."""

    group: GroupKey | None = None
    said: Segment = Segment()  # by source and time

    def of(self, preferences: Preferences) -> Iterator[tuple[GroupKey, Subscription]]:
        """Yield each state of a recipient that is asked for, all mail first."""
        states = ((EVERYTHING, preferences.everything), *sorted(preferences.groups.items()))
        for key, state in states:
            if not state.subscribed and self.group in (None, key) and self.said.said(state):
                yield key, state


def _subscribed(preferences: Preferences, group: GroupKey) -> bool:
    return preferences.everything.subscribed if group == EVERYTHING else is_in(preferences, group)
