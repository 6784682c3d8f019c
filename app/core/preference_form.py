"""What a page with toggles shows of a recipient's state, and what saving its form means.

The rules, the same with and without a script on the page:

1. A toggle shows what is in force: a group is on while neither it nor all mail was left. One for
   all mail stands above the groups.
2. Saving means what the form says at that moment, for every group that the page showed; a group
   that it did not show stays as it is.
3. A toggle that the reader did not touch states nothing, so two pages that save against each other
   lose nothing.
4. Switching all mail off switches off every group shown, as at CleverTap. Switching a group on
   while all mail is off switches all mail on, since nothing would come otherwise; rule 2 then keeps
   every other group off.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from app.core.groups import EVERYTHING
from app.core.model import GroupKey, Preferences


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page showed as on (True) or off: all mail, and each group in the page's order."""

    everything: bool
    groups: Mapping[GroupKey, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to subscribe to and what to unsubscribe from; `EVERYTHING` among the keys is all
    mail.
    """

    join: tuple[GroupKey, ...] = ()
    leave: tuple[GroupKey, ...] = ()


def shown(preferences: Preferences, groups: Iterable[GroupKey]) -> Shown:
    """Return what is in force for all mail and for these groups."""
    everything = preferences.everything.subscribed
    return Shown(
        everything=everything,
        groups={group: everything and subscribed(preferences, group) for group in groups},
    )


def subscribed(preferences: Preferences, group: GroupKey) -> bool:
    """Tell whether the recipient has not left this group (`EVERYTHING`: all mail), whatever they
    said of the rest.
    """
    if group == EVERYTHING:
        return preferences.everything.subscribed
    said = preferences.groups.get(group)
    return said is None or said.subscribed


def wish(seen: Shown, *, everything: bool, on: Set[GroupKey]) -> Wish:
    """Return what the form of a page asks for; `on`: the groups that are switched on in it, all of
    them among those shown.
    """
    if seen.everything and not everything:
        return Wish(leave=(EVERYTHING, *(group for group, was_on in seen.groups.items() if was_on)))
    joined = tuple(group for group, was_on in seen.groups.items() if group in on and not was_on)
    if seen.everything:
        return Wish(
            join=joined,
            leave=tuple(
                group for group, was_on in seen.groups.items() if was_on and group not in on
            ),
        )
    if not everything and not joined:
        return Wish()
    return Wish(
        join=(*joined, EVERYTHING), leave=tuple(group for group in seen.groups if group not in on)
    )
