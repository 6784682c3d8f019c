"""Which recipients a segment holds (CleverTap's documents)."""

import pytest

from app.core.groups import EVERYTHING
from app.core.model import GroupKey, Preferences, Source, Subscription
from app.core.segments import Left, Segment

NEWS, OFFERS = GroupKey(1), GroupKey(2)
GONE = Subscription(subscribed=False, source=Source.MAILTO, since_ms=100, last_ms=150)
BACK = Subscription(subscribed=True, source=Source.API, since_ms=200, last_ms=200)
STRANGER = Preferences()
LEFT_ALL = Preferences(everything=GONE)
LEFT_NEWS = Preferences(groups={NEWS: GONE})
CAME_BACK = Preferences(everything=BACK, groups={OFFERS: GONE})
EVERYBODY = {
    "stranger": STRANGER,
    "left all": LEFT_ALL,
    "left news": LEFT_NEWS,
    "came back": CAME_BACK,
}


@pytest.mark.parametrize(
    ("segment", "members"),
    [
        (Segment(), {"stranger", "left news", "came back"}),
        (Segment(include=(EVERYTHING,)), {"stranger", "left news", "came back"}),
        (Segment(include=(NEWS,)), {"stranger", "came back"}),
        (Segment(include=(NEWS, OFFERS)), {"stranger"}),
        (Segment(exclude=(EVERYTHING,)), {"left all"}),
        (Segment(exclude=(NEWS,)), {"left all", "left news"}),
        (Segment(exclude=(NEWS, OFFERS)), {"left all"}),
        (Segment(include=(OFFERS,), exclude=(NEWS,)), {"left news"}),
        (Segment(include=(EVERYTHING,), exclude=(EVERYTHING,)), set()),
        (Segment(exclude=(NEWS,), sources=frozenset({Source.MAILTO})), {"left all", "left news"}),
        (Segment(sources=frozenset({Source.API})), {"came back"}),
        (Segment(sources=frozenset({Source.MAILTO}), since_ms=200), set()),
        (Segment(since_ms=200), {"came back"}),
        (Segment(until_ms=200), {"left news", "came back"}),
        (Segment(include=(OFFERS,), until_ms=101), set()),
    ],
)
def test_a_segment_holds_whom_its_rules_say(segment: Segment, members: set[str]) -> None:
    assert members == {
        name for name, preferences in EVERYBODY.items() if segment.holds(preferences)
    }


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (Left(), [NEWS, OFFERS]),
        (Left(group=NEWS), [NEWS]),
        (Left(group=EVERYTHING), []),
        (Left(said=Segment(sources=frozenset({Source.API}))), []),
        (Left(said=Segment(since_ms=100, until_ms=101)), [NEWS, OFFERS]),
        (Left(said=Segment(since_ms=101)), []),
    ],
)
def test_what_was_left_is_listed_by_group_source_and_time(
    left: Left, found: list[GroupKey]
) -> None:
    preferences = Preferences(everything=BACK, groups={OFFERS: GONE, NEWS: GONE, GroupKey(3): BACK})

    assert found == [key for key, _ in left.of(preferences)]
