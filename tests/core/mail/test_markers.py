"""What the fields of other senders' systems say: campaigns and groups without a changed mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mail.markers import Markers, read
from app.core.mail.message import parse
from app.core.mail.stamp import unchanged


def _read(*fields: str) -> Markers:
    return read(parse("".join(f"{field}\r\n" for field in fields).encode() + b"\r\ntext\r\n"))


@pytest.mark.parametrize(
    ("fields", "groups", "labels", "campaign"),
    [
        (("X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=news; topicName=offers",), ("offers",), (), ""),
        (("X-SES-LIST-MANAGEMENT-OPTIONS: news; topic=offers",), ("offers",), (), ""),
        (("X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=news",), (), (), ""),
        (('X-SMTPAPI: {"asm_group_id": 42, "category": ["spring", "x"]}',), ("42",), (), "spring"),
        (('X-SMTPAPI: {"asm_group_id": "42",\r\n "category": "spring"}',), ("42",), (), "spring"),
        (('X-SMTPAPI: {"unique_args": {"campaign_id": "c1"}, "category": "spring"}',), (), (), "c1"),
        (('X-SMTPAPI: {"asm_groups_to_display": [1, 2]}',), (), (), ""),
        (("X-Mailgun-Tag: spring-24", "X-Mailgun-Tag: newsletter"), (), ("spring-24", "newsletter"), "spring-24"),
        (("X-PM-Message-Stream: broadcasts", "X-PM-Tag: spring-24"), ("broadcasts",), (), "spring-24"),
        (("X-PM-Message-Stream: outbound", "X-PM-Tag: welcome"), (), (), "welcome"),
        (("X-PM-Tag: welcome",), (), (), "welcome"),
        (("X-Mailgun-Tag: b", "X-SES-LIST-MANAGEMENT-OPTIONS: news; topic=offers"), ("offers",), ("b",), "b"),
    ],
)
def test_groups_and_campaign_of_our_peers(fields: tuple[str, ...], groups: tuple[str, ...], labels: tuple[str, ...], campaign: str) -> None:
    found = _read(*fields)

    assert (groups, labels, campaign) == (found.groups, found.labels, found.campaign)


@pytest.mark.parametrize(
    "field",
    [
        "X-SMTPAPI: not json",
        "X-SMTPAPI: [1]",
        'X-SMTPAPI: {"asm_group_id": {"a": 1}, "category": {}, "unique_args": []}',
        'X-SMTPAPI: {"asm_group_id": null, "category": [null, ""]}',
        "X-SMTPAPI: " + "[" * 20_000,
        "X-SES-LIST-MANAGEMENT-OPTIONS: ;;;=;topicName=",
        "X-Mailgun-Tag: <b>" + "x" * 300,
        "X-PM-Message-Stream: a\x07",
        "X-PM-Tag: a\x1b[31m",
    ],
)
def test_what_cannot_be_used_counts_as_not_said(field: str) -> None:
    """Catalogue L2."""
    found = _read(field)

    assert ((), (), "") == (found.groups, found.labels, found.campaign)


@given(st.sampled_from(["X-SMTPAPI", "X-SES-LIST-MANAGEMENT-OPTIONS", "X-Mailgun-Tag", "X-PM-Message-Stream", "X-PM-Tag"]), st.binary())
def test_no_value_of_theirs_is_an_error(name: str, value: bytes) -> None:
    plain = bytes(byte for byte in value if byte not in b"\r\n\0")

    assert len(read(parse(name.encode() + b": " + plain + b"\r\n\r\n")).groups) <= 1


def test_their_fields_leave_as_they_came() -> None:
    """Catalogue H9, H20: they are instructions to somebody else, so only our own control fields go."""
    mail = b'X-SMTPAPI: {"asm_group_id": 42}\r\nX-Mailgun-Tag: a\r\nX-PM-Message-Stream: b\r\nX-Signoff-Test: yes\r\n\r\n'

    assert mail.replace(b"X-Signoff-Test: yes\r\n", b"") == unchanged(parse(mail)).head()
