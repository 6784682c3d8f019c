"""The decision whether a promotional mail may go to a recipient.

Two things decide. What the recipient said: who has unsubscribed everything, or one of the
campaign's groups, gets no mail of that campaign, unless the sender overrides it for this one mail.
And whom the sender means: only those subscribed to all of some groups, and not those subscribed to
any of others; that no override changes.

Groups are there to be left: who has said nothing is subscribed to each of them, and who has
unsubscribed everything to none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.core.groups import EVERYTHING
from app.core.model import GroupKey, Preferences, Subscription


class SuppressionReason(StrEnum):
    """Why a copy is not relayed; a metric label."""

    UNSUBSCRIBED = "unsubscribed"
    GROUP_UNSUBSCRIBED = "group_unsubscribed"
    NOT_IN_REQUIRED_GROUP = "not_in_required_group"
    IN_EXCLUDED_GROUP = "in_excluded_group"


OPTED_OUT = frozenset((SuppressionReason.UNSUBSCRIBED, SuppressionReason.GROUP_UNSUBSCRIBED))
"""What the recipient said; the other reasons are the sender's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targeting:
    """Whom one mail is for."""

    groups: tuple[GroupKey, ...] = ()  # the campaign's
    required: tuple[GroupKey, ...] = ()
    excluded: tuple[GroupKey, ...] = ()
    override: bool = False


def suppression(preferences: Preferences, groups: Iterable[GroupKey]) -> SuppressionReason | None:
    """Return by what the recipient has opted out of a campaign of these groups, or None.

    Who has left one of a campaign's groups gets no mail of that campaign: it would be a mail of the
    group they left.
    """
    if not preferences.everything.subscribed:
        return SuppressionReason.UNSUBSCRIBED
    left = preferences.groups
    if left and any(group in left and not left[group].subscribed for group in groups):
        return SuppressionReason.GROUP_UNSUBSCRIBED
    return None


def reason_not_to_send(preferences: Preferences, targeting: Targeting) -> SuppressionReason | None:
    """Return why one promotional mail is not sent to the recipient, or None when it is."""
    reason = suppression(preferences, targeting.groups)
    if reason and not targeting.override:
        return reason
    if targeting.required and not all(is_in(preferences, group) for group in targeting.required):
        return SuppressionReason.NOT_IN_REQUIRED_GROUP
    if targeting.excluded and any(is_in(preferences, group) for group in targeting.excluded):
        return SuppressionReason.IN_EXCLUDED_GROUP
    return None


def is_in(preferences: Preferences, group: GroupKey) -> bool:
    """Tell whether the recipient is subscribed to a group: has left neither it nor everything."""
    said = preferences.groups.get(group)
    return preferences.everything.subscribed and (said is None or said.subscribed)


def state_of(preferences: Preferences, group: GroupKey) -> Subscription:
    """Return what the recipient said of a group, or with `EVERYTHING` of all mail."""
    if group == EVERYTHING:
        return preferences.everything
    return preferences.groups.get(group, Subscription())
