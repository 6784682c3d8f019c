"""May this mail go to this recipient?"""

import pytest

from app.core.model import GroupKey, Preferences, Subscription
from app.core.preferences import SuppressionReason, suppression

LEFT = Subscription(subscribed=False)
NEWS, OFFERS = GroupKey(1), GroupKey(2)


@pytest.mark.parametrize(
    ("preferences", "groups", "expected"),
    [
        (Preferences(), (), None),
        (Preferences(), (NEWS,), None),
        (Preferences(everything=LEFT), (), SuppressionReason.UNSUBSCRIBED),
        (Preferences(everything=LEFT, groups={NEWS: Subscription()}), (NEWS,), SuppressionReason.UNSUBSCRIBED),
        (Preferences(groups={NEWS: LEFT}), (NEWS,), SuppressionReason.GROUP_UNSUBSCRIBED),
        (Preferences(groups={NEWS: LEFT}), (NEWS, OFFERS), SuppressionReason.GROUP_UNSUBSCRIBED),
        (Preferences(groups={NEWS: LEFT}), (OFFERS,), None),
        (Preferences(groups={NEWS: LEFT}), (), None),
        (Preferences(groups={NEWS: Subscription()}), (NEWS,), None),
    ],
)
def test_who_left_gets_no_more_of_what_they_left(
    preferences: Preferences, groups: tuple[GroupKey, ...], expected: SuppressionReason | None
) -> None:
    """Catalogue Q5: leaving one group leaves the others alone."""
    assert suppression(preferences, groups) == expected
