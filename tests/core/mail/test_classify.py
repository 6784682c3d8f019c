"""Class, campaign and groups as the sender states them."""

import pytest

from app.core.errors import RuleViolation
from app.core.mail.classify import MAX_CAMPAIGN_OCTETS, MAX_GROUPS, Marking, classify
from app.core.mail.message import parse
from app.core.model import Campaign, CampaignId, GroupId, MailClass, Promotional
from tests.support.corpus import NAMED

MARKS = [
    "Precedence: bulk",
    "PRECEDENCE:\tBulk ",
    "List-Id: <news.acme.example>",
    "list-id: Acme\r\n\t<news.acme.example>",
    "Feedback-ID: spring:acme:news:acmenews",
    "X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=news; topicName=offers",
    'X-SMTPAPI: {"asm_group_id": 42}',
    'X-SMTPAPI: {"category": "a",\r\n "asm_groups_to_display": [1, 2]}',
    "X-Mailgun-Tag: newsletter",
    "X-PM-Message-Stream: broadcast",
]
NO_MARKS = [
    "Precedence: list",
    "Precedence: first-class",
    "List-Id:",
    'X-SMTPAPI: {"category": "receipt"}',
    "X-SMTPAPI: asm_group_id",
    "X-PM-Message-Stream: outbound",
    "X-PM-Message-Stream: transactional",
    "X-List-Id: <news.acme.example>",
    "Auto-Submitted: auto-generated",
    "List-Unsubscribe: <https://old.example/>",
]


def _classify(*fields: str, default: Promotional = Promotional.MARKED) -> Marking:
    return classify(parse("".join(f"{field}\r\n" for field in fields).encode() + b"\r\ntext\r\n"), default)


@pytest.mark.parametrize("mark", MARKS)
def test_a_list_mark_makes_a_mail_promotional(mark: str) -> None:
    """Catalogue H10."""
    assert MailClass.PROMOTIONAL is _classify(mark).class_


@pytest.mark.parametrize("field", NO_MARKS)
def test_a_field_that_marks_no_list_leaves_a_mail_transactional(field: str) -> None:
    """Catalogue H10."""
    assert MailClass.TRANSACTIONAL is _classify(field).class_


def test_a_password_reset_is_transactional() -> None:
    """Catalogue H10."""
    expected = Marking(class_=MailClass.TRANSACTIONAL, campaign=Campaign())

    assert expected == classify(parse(NAMED["password_reset"]), Promotional.MARKED)


@pytest.mark.parametrize("default", Promotional)
@pytest.mark.parametrize("class_", MailClass)
def test_the_explicit_class_wins_over_every_rule(class_: MailClass, default: Promotional) -> None:
    """Catalogue H10."""
    marking = _classify(f"X-Signoff-Class: {class_.upper()}", "X-Signoff-Campaign: spring", "List-Id: <a.b>", default=default)

    assert class_ is marking.class_


@pytest.mark.parametrize("default", Promotional)
@pytest.mark.parametrize("field", ["X-Signoff-Campaign: spring-24", "X-Signoff-Groups: news"])
def test_a_campaign_makes_a_mail_promotional(field: str, default: Promotional) -> None:
    assert MailClass.PROMOTIONAL is _classify(field, default=default).class_


@pytest.mark.parametrize(
    ("default", "fields", "class_"),
    [
        (Promotional.ALWAYS, (), MailClass.PROMOTIONAL),
        (Promotional.NEVER, ("List-Id: <a.b>", "Precedence: bulk"), MailClass.TRANSACTIONAL),
        (Promotional.MARKED, (), MailClass.TRANSACTIONAL),
    ],
)
def test_the_brand_decides_where_the_sender_is_silent(default: Promotional, fields: tuple[str, ...], class_: MailClass) -> None:
    """Catalogue H10."""
    assert class_ is _classify(*fields, default=default).class_


def test_campaign_groups_and_test_flag_are_read_whatever_case_and_fold() -> None:
    """Catalogue H12."""
    expected = Campaign(id=CampaignId("spring-24"), groups=(GroupId("news"), GroupId("offers")), test=True)

    assert expected == classify(parse(NAMED["control_fields"]), Promotional.MARKED).campaign


@pytest.mark.parametrize(("value", "test"), [("yes", True), ("YES", True), ("no", False)])
def test_a_test_send_is_flagged(value: str, test: bool) -> None:
    """Catalogue H12."""
    assert test is _classify(f"X-Signoff-Test: {value}").campaign.test


def test_a_group_named_twice_counts_once() -> None:
    assert (GroupId("b"), GroupId("a")) == _classify("X-Signoff-Groups: b, a,b").campaign.groups


def test_names_may_be_of_any_script() -> None:
    campaign = _classify("X-Signoff-Campaign: été 24", "X-Signoff-Groups: новости, ニュース").campaign

    assert ("été 24", ("новости", "ニュース")) == (campaign.id, campaign.groups)


def test_a_fold_inside_a_value_is_a_space() -> None:
    assert "spring sale" == _classify("X-Signoff-Campaign: spring\r\n\tsale").campaign.id


def test_the_largest_values_are_taken() -> None:
    groups = ", ".join(f"group-{number}" for number in range(MAX_GROUPS))

    campaign = _classify(f"X-Signoff-Campaign: {'c' * MAX_CAMPAIGN_OCTETS}", f"X-Signoff-Groups: {groups}").campaign

    assert (MAX_CAMPAIGN_OCTETS, MAX_GROUPS) == (len(campaign.id), len(campaign.groups))


@pytest.mark.parametrize(
    "fields",
    [
        ("X-Signoff-Class: newsletter",),
        ("X-Signoff-Class:",),
        ("X-Signoff-Class: promotional", "x-signoff-class: transactional"),
        ("X-Signoff-Campaign: a", "X-Signoff-Campaign: a"),
        ("X-Signoff-Campaign:",),
        (f"X-Signoff-Campaign: {'c' * (MAX_CAMPAIGN_OCTETS + 1)}",),
        (f"X-Signoff-Campaign: {'é' * 101}",),
        ("X-Signoff-Campaign: a\x1b[31mb",),
        ("X-Signoff-Campaign: a\x85b",),
        ("X-Signoff-Campaign: a\u2028b",),
        ("X-Signoff-Groups: " + ",".join(f"g{number}" for number in range(MAX_GROUPS + 1)),),
        ("X-Signoff-Groups: news,,offers",),
        ("X-Signoff-Groups: news,",),
        ("X-Signoff-Groups: <b>news</b>",),
        ("X-Signoff-Groups: R&D",),
        ('X-Signoff-Groups: "news"',),
        (f"X-Signoff-Groups: {'g' * 101}",),
        ("X-Signoff-Groups: a\x07",),
        ("X-Signoff-Test: maybe",),
        ("X-Signoff-Test:",),
    ],
)
def test_a_control_field_that_cannot_be_understood_is_refused(fields: tuple[str, ...]) -> None:
    """Catalogue L2."""
    with pytest.raises(RuleViolation):
        _classify(*fields)


def test_a_control_field_that_is_not_utf_8_is_refused() -> None:
    """Catalogue L2."""
    message = parse(b"X-Signoff-Campaign: \xff\r\n\r\n")

    with pytest.raises(RuleViolation):
        classify(message, Promotional.MARKED)
