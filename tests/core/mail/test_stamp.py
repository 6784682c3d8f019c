"""The two fields, to the byte, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import RuleViolation
from app.core.mail.message import parse
from app.core.mail.stamp import (
    MAX_LINE_OCTETS,
    MAX_URI_CHARS,
    Base,
    Links,
    prepare,
    stamp_fields,
    unchanged,
)
from app.core.model import ExistingHeader
from tests.support.corpus import MAILS, NAMED

URL = "https://unsubscribe.example.com/u?qmoe=abc-DEF_123"
MAILTO = "mailto:u-abc@in.example.com?subject=Unsubscribe%20%7C%20cattr%3AYWI%3D-abc"
LINKS = Links(https_uri=URL, mailto_uri=MAILTO, one_click=True)
NO_MAILTO = Links(https_uri=URL, mailto_uri=None, one_click=True)
DATE = b"Tue, 03 Mar 2026 10:00:00 +0000"
MESSAGE_ID = b"<new@relay.example>"
LIST_NAMES = {b"list-unsubscribe", b"list-unsubscribe-post"}


def _prepared(mail: bytes, existing: ExistingHeader = ExistingHeader.REPLACE) -> Base:
    return prepare(parse(mail), existing=existing, date=DATE, message_id=MESSAGE_ID)


def _stamped(
    mail: bytes, existing: ExistingHeader = ExistingHeader.REPLACE, links: Links = LINKS
) -> bytes:
    base = _prepared(mail, existing)
    return base.head(*base.stamp(links)) + bytes(base.body)


def _list_fields(mail: bytes) -> list[bytes]:
    return [field.raw for field in parse(mail).fields if field.name in LIST_NAMES]


def test_the_two_fields_to_the_byte() -> None:
    """Catalogue H2, H3, H5."""
    expected = (
        f"List-Unsubscribe: <{URL}>,\r\n <{MAILTO}>\r\n".encode(),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    )

    assert expected == stamp_fields(LINKS)


def test_without_a_mailto_the_field_is_one_line() -> None:
    """Catalogue H2."""
    assert f"List-Unsubscribe: <{URL}>\r\n".encode() == stamp_fields(NO_MAILTO)[0]


def test_links_that_are_not_one_click_bring_no_post_field() -> None:
    """Catalogue H3."""
    links = Links(https_uri=URL, mailto_uri=MAILTO, one_click=False)

    assert stamp_fields(LINKS)[:1] == stamp_fields(links)


@given(
    path=st.from_regex(r"[A-Za-z0-9._~/?&=+:@!$()*#-]{0,200}", fullmatch=True),
    mailto=st.none() | st.just(MAILTO),
)
def test_every_stamp_has_the_shape_that_readers_expect(path: str, mailto: str | None) -> None:
    """Catalogue H2, H4, H5, H6."""
    uri = f"https://u.example.com/{path}"

    field = stamp_fields(Links(https_uri=uri, mailto_uri=mailto, one_click=True))[0]

    value = field.removeprefix(b"List-Unsubscribe: ").removesuffix(b"\r\n").decode("ascii")
    assert re.fullmatch(r"<https://[^\s<>,;\"]+>(,\r\n <mailto:[^\s<>,;\"]+>)?", value)
    assert [uri, mailto] == [*re.findall("<([^>]*)>", value), None][:2]
    assert max(map(len, field.splitlines(keepends=True))) <= MAX_LINE_OCTETS


def test_the_longest_links_fit_their_lines() -> None:
    """Catalogue H6."""
    https = "https://u.example.com/" + "a" * (MAX_URI_CHARS - 22)
    mailto = "mailto:" + "a" * (MAX_LINE_OCTETS - 12)

    field = stamp_fields(Links(https_uri=https, mailto_uri=mailto, one_click=True))[0]

    assert MAX_LINE_OCTETS == max(map(len, field.splitlines(keepends=True)))


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://unsubscribe.example.com/u",
        "https://",
        "https:///u",
        "//unsubscribe.example.com/u",
        "/u",
        "HTTPS://unsubscribe.example.com/u",
        "https://user@unsubscribe.example.com/u",
        "https://unsubscribe.example.com/a,b",
        "https://unsubscribe.example.com/a;b",
        'https://unsubscribe.example.com/a"b',
        "https://unsubscribe.example.com/a'b",
        "https://unsubscribe.example.com/a b",
        "https://unsubscribe.example.com/a>",
        "https://unsubscribe.example.com/<a",
        "https://unsubscribe.example.com/%zz",
        "https://unsubscribe.example.com/a\r\nBcc: e@example.net",
        "https://unsubscribe.example.com/a\n",
        "https://unsubscribe.example.com/\u00e9",
        "https://b\u00fccher.example/u",
        "https://unsubscribe.example.com/" + "a" * MAX_URI_CHARS,
    ],
)
def test_a_url_that_readers_would_cut_is_refused(uri: str) -> None:
    """Catalogue H6, H7, L2."""
    with pytest.raises(RuleViolation):
        Links(https_uri=uri, mailto_uri=None, one_click=True)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "mailto:",
        "u@in.example.com",
        "mailto:a@b.example,c@d.example",
        "mailto:u@in.example.com?subject=a b",
        "mailto:u@in.example.com>\r\nBcc: <e@example.net",
        "mailto:\u00fc@in.example.com",
        "mailto:" + "a" * (MAX_LINE_OCTETS - 11),
    ],
)
def test_a_mailto_that_readers_would_cut_is_refused(uri: str) -> None:
    """Catalogue H6, H7, L2."""
    with pytest.raises(RuleViolation):
        Links(https_uri=URL, mailto_uri=uri, one_click=True)


@pytest.mark.parametrize(
    "uri",
    [
        "https://u.example.com",
        "https://U.Example.com:8443/u?x=%2C#f",
        "https://[2001:db8::1]/u",
        "https://xn--bcher-kva.example/u",
    ],
)
def test_a_lawful_url_is_taken(uri: str) -> None:
    """Catalogue H7."""
    assert (
        f"List-Unsubscribe: <{uri}>\r\n".encode()
        == stamp_fields(Links(https_uri=uri, mailto_uri=None, one_click=True))[0]
    )


@pytest.mark.parametrize("name", MAILS)
def test_every_copy_has_exactly_one_field_of_each_name(name: str) -> None:
    """Catalogue H1."""
    assert list(stamp_fields(LINKS)) == _list_fields(_stamped(MAILS[name]))


def test_nothing_of_the_replaced_links_is_left() -> None:
    """Catalogue H1."""
    stamped = _stamped(NAMED["their_two"])

    assert [] == [old for old in (b"old.example", b"first@acme.example") if old in stamped]


@pytest.mark.parametrize("name", MAILS)
def test_all_that_is_not_dropped_leaves_as_it_came(name: str) -> None:
    """Catalogue H9, H11, H20, X10."""
    message = parse(MAILS[name])
    dropped = LIST_NAMES | {b"bcc"}
    stays = [
        field.raw
        for field in message.fields
        if field.name not in dropped and not field.name.startswith(b"x-signoff-")
    ]

    base = _prepared(MAILS[name])

    assert b"".join(stays) + message.separator == base.head().removeprefix(b"".join(base.added))
    assert message.body == base.body


@pytest.mark.parametrize(
    "name",
    [name for name in MAILS if name not in {"control_fields", "alternative", "no_date_no_id"}],
)
def test_a_mail_that_is_not_stamped_leaves_byte_for_byte(name: str) -> None:
    """Catalogue H9, H10, X10."""
    base = unchanged(parse(MAILS[name]))

    assert MAILS[name] == base.head() + bytes(base.body)


@given(
    st.lists(
        st.sampled_from(
            [
                b"A: b\r\n",
                b"X-Signoff-Test: yes\r\n",
                b"list-UNSUBSCRIBE:\r\n <x>\r\n",
                b"Date:\t1\r\n",
                b"B:\r\n c\r\n",
            ]
        )
    ),
    st.binary(),
)
def test_stamping_only_adds_above_and_drops(fields: list[bytes], body: bytes) -> None:
    """Catalogue H9, H20."""
    mail = b"".join(fields) + b"\r\n" + body
    kept = b"".join(raw for raw in fields if raw.startswith((b"A", b"B", b"D")))

    assert _stamped(mail).endswith(kept + b"\r\n" + body)


def test_control_fields_leave_with_no_mail_of_any_class() -> None:
    """Catalogue H20."""
    mail = NAMED["control_fields"]
    left_over = unchanged(parse(mail))

    assert b"x-signoff" not in left_over.head().lower()
    assert b"x-signoff" not in _stamped(mail).lower()


def test_date_and_message_id_are_added_where_missing() -> None:
    """Catalogue D3."""
    base = _prepared(NAMED["no_date_no_id"])

    assert (b"Date: " + DATE + b"\r\n", b"Message-ID: " + MESSAGE_ID + b"\r\n") == base.added
    assert [b"date", b"message-id", b"from", b"to", b"subject"] == [
        field.name for field in base.fields
    ]


@pytest.mark.parametrize("name", ["newsletter", "odd_case"])
def test_date_and_message_id_that_came_with_the_mail_stay_alone(name: str) -> None:
    """Catalogue D3."""
    assert () == _prepared(NAMED[name]).added


@pytest.mark.parametrize(
    ("date", "message_id"),
    [
        (b"now\r\nBcc: e@example.net", b"<a@b>"),
        (b"now", b"<a\nb>"),
        (b"now", b"<" + b"a" * 500 + b">"),
    ],
)
def test_a_value_that_would_inject_a_field_is_refused(date: bytes, message_id: bytes) -> None:
    """Catalogue L2."""
    message = parse(NAMED["no_date_no_id"])

    with pytest.raises(RuleViolation):
        prepare(message, existing=ExistingHeader.REPLACE, date=date, message_id=message_id)


@pytest.mark.parametrize("name", ["their_https", "their_mailto", "their_two", "their_malformed"])
def test_policy_reject_refuses_a_mail_with_links_of_its_own(name: str) -> None:
    """Catalogue H1, H13."""
    with pytest.raises(RuleViolation):
        _prepared(NAMED[name], ExistingHeader.REJECT)


@pytest.mark.parametrize("name", ["their_https", "their_mailto"])
def test_policy_keep_leaves_their_fields_and_adds_none(name: str) -> None:
    """Catalogue H3, H13."""
    assert NAMED[name] == _stamped(NAMED[name], ExistingHeader.KEEP)


def test_policy_keep_stamps_a_mail_that_has_no_link() -> None:
    """Catalogue H1, H13."""
    lonely = NAMED["newsletter"].replace(
        b"Precedence: bulk\r\n", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    )

    assert list(stamp_fields(LINKS)) == _list_fields(_stamped(lonely, ExistingHeader.KEEP))


@pytest.mark.parametrize(
    ("name", "mailto"),
    [
        ("their_mailto", "mailto:leave@acme.example?subject=leave%20news"),
        ("their_two", "mailto:first@acme.example"),
        ("their_https", None),
        ("their_malformed", None),
        ("newsletter", None),
    ],
)
def test_policy_merge_puts_our_url_before_their_mailto(name: str, mailto: str | None) -> None:
    """Catalogue H1, H2, H13."""
    expected = stamp_fields(Links(https_uri=URL, mailto_uri=mailto, one_click=True))

    assert list(expected) == _list_fields(_stamped(NAMED[name], ExistingHeader.MERGE, NO_MAILTO))


def test_policy_merge_prefers_our_mailto() -> None:
    """Catalogue H13."""
    assert list(stamp_fields(LINKS)) == _list_fields(
        _stamped(NAMED["their_mailto"], ExistingHeader.MERGE)
    )


@pytest.mark.parametrize(
    "theirs",
    [
        b"<mailto:a@b.example,c@d.example>",
        b"<mailto:\xfc@b.example>",
        b"<MAILTO:>",
        b"<mailto:" + b"a" * 600 + b">",
    ],
)
def test_policy_merge_drops_a_mailto_that_cannot_stand(theirs: bytes) -> None:
    """Catalogue H7, H13."""
    mail = b"From: a@acme.example\r\nList-Unsubscribe: " + theirs + b"\r\n\r\n"

    assert list(stamp_fields(NO_MAILTO)) == _list_fields(
        _stamped(mail, ExistingHeader.MERGE, NO_MAILTO)
    )
