"""List-Id and Feedback-ID: the same for every copy of a sending, and of a list."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mail.list_fields import MAX_LIST_ID_OCTETS, MAX_NAME_SPACE_CHARS, list_fields
from app.core.mail.message import parse
from app.core.mail.stamp import prepare
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Campaign,
    CampaignId,
    ExistingHeader,
    GroupId,
)

ACME = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset({"acme.example"}),
    list_id="news.acme.example",
    feedback_id="acmenews",
)


def _campaign(name: str, *groups: str) -> Campaign:
    return Campaign(id=CampaignId(name), groups=tuple(map(GroupId, groups)))


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((), b"<news.acme.example>"),
        (("offers",), b"<offers.news.acme.example>"),
        (("a", "b"), b"<news.acme.example>"),
        (("Offers",), b"<ge98bf0e2.news.acme.example>"),
        (("новости",), b"<gb936c407.news.acme.example>"),
    ],
)
def test_a_list_has_one_id_whatever_the_campaign(groups: tuple[str, ...], expected: bytes) -> None:
    """Catalogue H14."""
    ids = {
        dict(list_fields(ACME, _campaign(name, *groups)))[b"List-Id"]
        for name in ("spring", "summer")
    }

    assert ids == {expected}


@given(st.text(min_size=1, max_size=100))
def test_every_list_id_fits_whatever_the_group(group: str) -> None:
    """Catalogue H14: at most 255 octets of plain ASCII."""
    brand = replace(ACME, list_id="a" * MAX_NAME_SPACE_CHARS)

    value = dict(list_fields(brand, _campaign("", group)))[b"List-Id"]

    assert len(value) <= MAX_LIST_ID_OCTETS
    assert value.isascii()


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        (_campaign("spring-24", "offers"), b"spring-24:offers:promotional:acmenews"),
        (_campaign("spring-24"), b"spring-24:acme:promotional:acmenews"),
        (_campaign("a:b", "c", "d"), b"a-b-6783a3:acme:promotional:acmenews"),
        (_campaign(""), b":acme:promotional:acmenews"),
    ],
)
def test_a_feedback_id_has_four_parts_with_the_sender_last(
    campaign: Campaign, expected: bytes
) -> None:
    """Catalogue H17."""
    assert expected == dict(list_fields(ACME, campaign))[b"Feedback-ID"]


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_campaign_can_add_a_part(campaign: str, group: str) -> None:
    """Catalogue H17, L2."""
    value = dict(list_fields(ACME, _campaign(campaign, group)))[b"Feedback-ID"]

    assert 3 == value.count(b":")
    assert value.decode("ascii").isprintable()
    assert len(value) < 200


def test_a_brand_that_asks_for_neither_gets_neither() -> None:
    assert () == list_fields(replace(ACME, list_id="", feedback_id=""), _campaign("spring"))


@pytest.mark.parametrize(
    ("theirs", "added"),
    [(b"", 2), (b"list-ID: <theirs.example>\r\n", 1), (b"LIST-id:\r\nFeedback-Id: a:b:c:d\r\n", 0)],
)
def test_what_the_sender_has_set_is_never_changed(theirs: bytes, added: int) -> None:
    """Catalogue H14, H17."""
    plain = b"From: a@acme.example\r\nDate: now\r\nMessage-ID: <a@b>\r\n" + theirs + b"\r\n"

    base = prepare(
        parse(plain),
        existing=ExistingHeader.REPLACE,
        date=b"now",
        message_id=b"<a@b>",
        list_fields=list_fields(ACME, _campaign("spring")),
    )

    assert added == len(base.added)
    assert base.head().endswith(plain)
