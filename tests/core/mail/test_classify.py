"""Class, campaign and groups as the sender states them."""

import pytest

from app.core.errors import MarkingInvalid
from app.core.mail.attributes import Attributes
from app.core.mail.classify import Marking, classify
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
    return classify(
        parse("".join(f"{field}\r\n" for field in fields).encode() + b"\r\ntext\r\n"), default
    )


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
    marking = _classify(
        f"X-Signoff-Class: {class_.upper()}",
        "X-Signoff-Campaign: spring",
        "List-Id: <a.b>",
        default=default,
    )

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
def test_the_brand_decides_where_the_sender_is_silent(
    default: Promotional, fields: tuple[str, ...], class_: MailClass
) -> None:
    """Catalogue H10."""
    assert class_ is _classify(*fields, default=default).class_


def test_campaign_groups_and_test_flag_are_read_whatever_case_and_fold() -> None:
    """Catalogue H12."""
    expected = Campaign(
        id=CampaignId("spring-24"), groups=(GroupId("news"), GroupId("offers")), test=True
    )

    assert expected == classify(parse(NAMED["control_fields"]), Promotional.MARKED).campaign


@pytest.mark.parametrize(
    "field", ["X-Signoff-Require-Groups: news", "X-Signoff-Exclude-Groups: news"]
)
def test_a_mail_for_some_groups_is_promotional(field: str) -> None:
    assert MailClass.PROMOTIONAL is _classify(field).class_


@pytest.mark.parametrize(
    "field", ["X-Signoff-Require-Groups: news", "X-Signoff-Exclude-Groups: news"]
)
def test_a_transactional_mail_for_some_groups_contradicts_itself(field: str) -> None:
    with pytest.raises(MarkingInvalid):
        _classify("X-Signoff-Class: transactional", field)


def test_our_own_fields_win_over_those_of_others() -> None:
    marking = _classify(
        "X-Mailgun-Tag: tag",
        "X-PM-Message-Stream: broadcasts",
        "X-Signoff-Groups: news",
        "X-Signoff-Campaign: spring",
        "X-Signoff-Require-Groups: vip, gold",
        "X-Signoff-Exclude-Groups: tired",
        "X-Signoff-Override-Opt-Out: yes",
        'X-Signoff-User-Attributes: {"ID": "42"}',
    )

    assert marking == Marking(
        class_=MailClass.PROMOTIONAL,
        campaign=Campaign(id=CampaignId("spring"), groups=(GroupId("news"),)),
        required=(GroupId("vip"), GroupId("gold")),
        excluded=(GroupId("tired"),),
        override=True,
        attributes=Attributes(flat={"ID": "42"}),
    )


def test_what_others_say_of_a_campaign_makes_no_receipt_promotional() -> None:
    """Catalogue H10."""
    marking = _classify('X-SMTPAPI: {"category": "receipt"}')

    assert (MailClass.TRANSACTIONAL, "receipt") == (marking.class_, marking.campaign.id)
