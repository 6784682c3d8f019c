"""Senders name a group by its id or by what people read."""

import pytest

from app.core.group_names import NO_NAMES, GroupNames
from app.core.model import GroupId, SubscriptionGroup

NAMES = GroupNames(
    (
        SubscriptionGroup(id=GroupId("news"), name="Product News"),
        SubscriptionGroup(id=GroupId("offers"), name="Summer Offers"),
        SubscriptionGroup(id=GroupId("old"), name="News", archived=True),
        SubscriptionGroup(id=GroupId("tips"), name="हिन्दी ＴＩＰＳ"),
    )
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("news", "news"),
        ("product news", "news"),
        ("PRODUCT NEWS", "news"),
        ("News", "old"),
        ("OFFERS", "offers"),
        ("हिन्दी tips", "tips"),
        ("unknown", "unknown"),
        ("Unknown", "unknown"),
        ("Weekly Tips", "weekly-tips"),
        ("weekly_tips", "weekly_tips"),
        ("NEWS!", "NEWS!"),
    ],
)
def test_an_id_wins_then_a_name_then_an_id_in_other_case(said: str, meant: str) -> None:
    """Catalogue Q5."""
    assert (GroupId(meant),) == NAMES.resolve([GroupId(said)])


def test_a_group_named_twice_in_two_ways_counts_once() -> None:
    assert (GroupId("news"), GroupId("x")) == NAMES.resolve(
        map(GroupId, ["Product News", "x", "news", "x"])
    )


def test_of_labels_only_groups_of_the_brand_count() -> None:
    assert (GroupId("offers"),) == NAMES.among(
        map(GroupId, ["spring-24", "summer offers", "offers"])
    )


def test_without_a_list_of_groups_a_name_is_the_id_that_a_group_would_get_from_it() -> None:
    assert (GroupId("product-news"),) == NO_NAMES.resolve([GroupId("Product News")])
