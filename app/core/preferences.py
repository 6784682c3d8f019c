"""The decision whether a promotional mail may go to a recipient."""

from collections.abc import Sequence
from enum import StrEnum

from app.core.model import GroupKey, Preferences


class SuppressionReason(StrEnum):
    """Why a copy is not relayed; a metric label."""

    UNSUBSCRIBED = "unsubscribed"
    GROUP_UNSUBSCRIBED = "group_unsubscribed"


def suppression(preferences: Preferences, groups: Sequence[GroupKey]) -> SuppressionReason | None:
    """Return why a promotional mail of these campaign groups must not go to the recipient, or None when it may.

    Who has left one of a campaign's groups gets no mail of that campaign: it would be a mail of the group they left (seed 002).
    """
    if not preferences.everything.subscribed:
        return SuppressionReason.UNSUBSCRIBED
    left = preferences.groups
    if left and any(group in left and not left[group].subscribed for group in groups):
        return SuppressionReason.GROUP_UNSUBSCRIBED
    return None
