"""May this mail go to this recipient?"""

import pytest

from app.core.model import GroupKey, Preferences, Subscription
from app.core.preferences import SuppressionReason, Targeting, reason_not_to_send, suppression

LEFT = Subscription(subscribed=False)
NEWS, OFFERS = GroupKey(1), GroupKey(2)


@pytest.mark.parametrize(
    ("preferences", "groups", "expected"),
    [
        (Preferences(), (), None),
        (Preferences(), (NEWS,), None),
        (Preferences(everything=LEFT), (), SuppressionReason.UNSUBSCRIBED),
        (
            Preferences(everything=LEFT, groups={NEWS: Subscription()}),
            (NEWS,),
            SuppressionReason.UNSUBSCRIBED,
        ),
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


IN_NEWS = Targeting(required=(NEWS,))
NOT_IN_NEWS = Targeting(excluded=(NEWS,))
LEFT_NEWS = Preferences(groups={NEWS: LEFT})
LEFT_ALL = Preferences(everything=LEFT)


@pytest.mark.parametrize(
    ("preferences", "targeting", "expected"),
    [
        (Preferences(), Targeting(), None),
        (LEFT_ALL, Targeting(), SuppressionReason.UNSUBSCRIBED),
        (LEFT_NEWS, Targeting(groups=(NEWS,)), SuppressionReason.GROUP_UNSUBSCRIBED),
        (Preferences(), IN_NEWS, None),
        (LEFT_NEWS, IN_NEWS, SuppressionReason.NOT_IN_REQUIRED_GROUP),
        (LEFT_NEWS, Targeting(required=(NEWS, OFFERS)), SuppressionReason.NOT_IN_REQUIRED_GROUP),
        (LEFT_NEWS, Targeting(required=(OFFERS,)), None),
        (Preferences(), NOT_IN_NEWS, SuppressionReason.IN_EXCLUDED_GROUP),
        (LEFT_NEWS, NOT_IN_NEWS, None),
        (LEFT_NEWS, Targeting(excluded=(NEWS, OFFERS)), SuppressionReason.IN_EXCLUDED_GROUP),
        (
            LEFT_NEWS,
            Targeting(groups=(NEWS,), required=(NEWS,)),
            SuppressionReason.GROUP_UNSUBSCRIBED,
        ),
        (LEFT_ALL, Targeting(override=True), None),
        (LEFT_NEWS, Targeting(groups=(NEWS,), override=True), None),
        (
            LEFT_NEWS,
            Targeting(required=(NEWS,), override=True),
            SuppressionReason.NOT_IN_REQUIRED_GROUP,
        ),
        (
            LEFT_ALL,
            Targeting(required=(NEWS,), override=True),
            SuppressionReason.NOT_IN_REQUIRED_GROUP,
        ),
        (LEFT_ALL, Targeting(excluded=(NEWS,), override=True), None),
        (
            Preferences(),
            Targeting(excluded=(NEWS,), override=True),
            SuppressionReason.IN_EXCLUDED_GROUP,
        ),
    ],
)
def test_a_mail_goes_to_whom_its_sender_means_and_who_has_not_left(
    preferences: Preferences, targeting: Targeting, expected: SuppressionReason | None
) -> None:
    """Catalogue Q1, Q5: an override takes back an opt-out, never the sender's own choice of
    groups.
    """
    assert reason_not_to_send(preferences, targeting) == expected
