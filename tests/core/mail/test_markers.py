"""What the fields of other senders' systems say: campaigns and groups without a changed mail."""

import base64
import email.header
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MarkingInvalid
from app.core.mail.controls import MAX_CAMPAIGN_OCTETS, MAX_GROUPS
from app.core.mail.markers import Markers, read
from app.core.mail.message import parse
from app.core.mail.stamp import unchanged


def _read(*fields: str) -> Markers:
    return read(parse("".join(f"{field}\r\n" for field in fields).encode() + b"\r\ntext\r\n"))


@pytest.mark.parametrize(
    ("fields", "groups", "labels", "campaign"),
    [
        (
            ("X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=news; topicName=offers",),
            ("offers",),
            (),
            "",
        ),
        (("X-SES-LIST-MANAGEMENT-OPTIONS: news; topic=offers",), ("offers",), (), ""),
        (("X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=news",), (), (), ""),
        (('X-SMTPAPI: {"asm_group_id": 42, "category": ["spring", "x"]}',), ("42",), (), "spring"),
        (('X-SMTPAPI: {"asm_group_id": "42",\r\n "category": "spring"}',), ("42",), (), "spring"),
        (
            ('X-SMTPAPI: {"unique_args": {"campaign_id": "c1"}, "category": "spring"}',),
            (),
            (),
            "c1",
        ),
        (('X-SMTPAPI: {"asm_groups_to_display": [1, 2]}',), (), (), ""),
        (
            ("X-Mailgun-Tag: spring-24", "X-Mailgun-Tag: newsletter"),
            (),
            ("spring-24", "newsletter"),
            "spring-24",
        ),
        (
            ("X-PM-Message-Stream: broadcasts", "X-PM-Tag: spring-24"),
            ("broadcasts",),
            (),
            "spring-24",
        ),
        (("X-PM-Message-Stream: outbound", "X-PM-Tag: welcome"), (), (), "welcome"),
        (("X-PM-Tag: welcome",), (), (), "welcome"),
        (
            ('X-SES-LIST-MANAGEMENT-OPTIONS: contactListName="a; b"; topicName="offers"',),
            ("offers",),
            (),
            "",
        ),
        (
            ("X-SES-LIST-MANAGEMENT-OPTIONS: news (all); (the) topicName (is) = offers (EU)",),
            ("offers",),
            (),
            "",
        ),
        (('X-SES-LIST-MANAGEMENT-OPTIONS: news; topic="R\\"D; x (y)"',), ('R"D; x (y)',), (), ""),
        (
            (
                "X-SES-LIST-MANAGEMENT-OPTIONS: news; topicName=a",
                "X-SES-LIST-MANAGEMENT-OPTIONS: news; topicName=b",
            ),
            ("a", "b"),
            (),
            "",
        ),
        (("X-SES-LIST-MANAGEMENT-OPTIONS: news; topicName=a; topicName=b",), ("a", "b"), (), ""),
        (
            ("X-SES-LIST-MANAGEMENT-OPTIONS:", "X-SES-LIST-MANAGEMENT-OPTIONS: news; topicName=b"),
            ("b",),
            (),
            "",
        ),
        (
            ('X-SMTPAPI: {"asm_group_id": 7}', 'X-SMTPAPI: {"asm_group_id": 8, "category": "x"}'),
            ("7", "8"),
            (),
            "x",
        ),
        (
            ('X-SMTPAPI: {"category": "x"}', 'X-SMTPAPI: {"asm_group_id": 8, "category": "y"}'),
            ("8",),
            (),
            "x",
        ),
        (('X-SMTPAPI: {"asm_group_id": 7, "asm_group_id": 8}',), ("7", "8"), (), ""),
        (('X-SMTPAPI: {"ASM_Group_Id": " 7 "}',), ("7",), (), ""),
        (('X-SMTPAPI: {"asm_group\\u005fid": 7.0}',), ("7",), (), ""),
        (
            (
                "X-PM-Message-Stream: outbound",
                "X-PM-Message-Stream: news",
                "X-PM-Message-Stream: offers",
            ),
            ("news", "offers"),
            (),
            "",
        ),
        (('X-PM-Message-Stream: "news" (weekly)', 'X-PM-Tag: "spring"'), ("news",), (), "spring"),
        (("X-PM-Message-Stream: outbound (the usual one)",), (), (), ""),
        (
            ('X-Mailgun-Tag: "news"', "X-Mailgun-Tag: Digest (EU)"),
            (),
            ("news", "Digest (EU)"),
            "news",
        ),
        (
            ("X-Mailgun-Tag: b", "X-SES-LIST-MANAGEMENT-OPTIONS: news; topic=offers"),
            ("offers",),
            ("b",),
            "b",
        ),
    ],
)
def test_groups_and_campaign_of_our_peers(
    fields: tuple[str, ...], groups: tuple[str, ...], labels: tuple[str, ...], campaign: str
) -> None:
    found = _read(*fields)

    assert (groups, labels, campaign) == (found.groups, found.labels, found.campaign)


def _encodings(text: str) -> dict[str, str]:
    """Return a text as mail software is known to encode and fold it."""
    octets = text.encode()
    quoted = "".join(
        chr(octet) if chr(octet).isalnum() and octet < 128 else f"={octet:02X}" for octet in octets
    )
    halves = [base64.b64encode(half).decode() for half in (octets[:7], octets[7:])]
    return {
        "B": f"=?utf-8?B?{base64.b64encode(octets).decode()}?=",
        "Q": f"=?UTF-8?Q?{quoted}?=",
        "Q with blanks": (
            f"=?utf-8?q?{text.replace('=', '=3D').replace('?', '=3F').replace('_', '=5F')}?="
        ),
        "another name": f"=?utf8?b?{base64.b64encode(octets).decode()}?=",
        "a language": f"=?utf-8*en?b?{base64.b64encode(octets).decode()}?=",
        "another charset": f"=?iso-8859-1?b?{base64.b64encode(text.encode('latin-1')).decode()}?=",
        "no padding": f"=?utf-8?B?{base64.b64encode(octets).decode().rstrip('=')}?=",
        "two words": f"=?utf-8?b?{halves[0]}?= =?utf-8?b?{halves[1]}?=",
        "two words, folded": f"=?utf-8?b?{halves[0]}?=\r\n\t=?utf-8?b?{halves[1]}?=",
        "folded first": f"\r\n =?utf-8?B?{base64.b64encode(octets).decode()}?=",
        "half of it": f"{text[:3]}=?utf-8?b?{base64.b64encode(text[3:].encode()).decode()}?=",
        "written by Python": (
            email.header.Header(text, "utf-8", maxlinelen=40).encode(linesep="\r\n")
        ),
    }


@pytest.mark.parametrize("way", _encodings("").keys())
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "X-SMTPAPI",
            '{"asm_group_id": 7, "category": ["\u00e9t\u00e9 24"]}',
            (("7",), (), "\u00e9t\u00e9 24"),
        ),
        (
            "X-SES-LIST-MANAGEMENT-OPTIONS",
            "contactListName=a; topicName=\u00e9t\u00e9",
            (("\u00e9t\u00e9",), (), ""),
        ),
        (
            "X-Mailgun-Tag",
            "\u00e9t\u00e9 news",
            ((), ("\u00e9t\u00e9 news",), "\u00e9t\u00e9 news"),
        ),
        ("X-PM-Message-Stream", "\u00e9t\u00e9-news", (("\u00e9t\u00e9-news",), (), "")),
        ("X-PM-Tag", "\u00e9t\u00e9 24", ((), (), "\u00e9t\u00e9 24")),
    ],
)
def test_their_fields_are_read_however_software_has_encoded_them(
    way: str, name: str, text: str, said: tuple[object, ...]
) -> None:
    found = _read(f"{name}: {_encodings(text)[way]}")

    assert (name != "X-PM-Tag", *said) == (
        found.promotional,
        found.groups,
        found.labels,
        found.campaign,
    )


def test_encoded_words_may_stand_in_the_strings_of_json_alone() -> None:
    """What they say is a part of the string then, its quotes too."""
    found = _read(
        'X-SMTPAPI: {"asm_group_id": "=?utf-8?q?R=26D?=", "category": ["=?utf-8?q?a_=22b=22?=\r\n'
        ' =?utf-8?b?w6k=?="]}'
    )

    assert (("R&D",), 'a "b"\u00e9') == (found.groups, found.campaign)


@pytest.mark.parametrize(
    "value",
    [
        "bulk (comment)",
        "(x) BULK",
        "(a (b) \\) c)\tbulk",
        '"bulk"',
        "=?us-ascii?q?bulk?=",
        "\r\n bulk\r\n (folded)",
    ],
)
def test_bulk_is_bulk_whatever_stands_around_it(value: str) -> None:
    assert _read(f"Precedence: {value}").promotional


@pytest.mark.parametrize(
    "value",
    ["(bulk)", "list (bulk)", '"list"', "bulky (x)", "(bulk", '"bulk', "=?us-ascii?q?list?="],
)
def test_what_is_not_bulk_is_not(value: str) -> None:
    assert not _read(f"Precedence: {value}").promotional


@pytest.mark.parametrize("name", ["all", "ALL", "\uff21ll"])
@pytest.mark.parametrize(
    "field",
    [
        'X-SMTPAPI: {{"asm_group_id": "{}"}}',
        "X-SES-LIST-MANAGEMENT-OPTIONS: a; topic={}",
        "X-PM-Message-Stream: {}",
    ],
)
def test_the_word_for_all_mail_is_no_group_of_theirs(field: str, name: str) -> None:
    found = _read(field.format(name))

    assert (True, ()) == (found.promotional, found.groups)


def test_more_groups_than_a_mail_may_have_are_refused() -> None:
    fields = [f"X-PM-Message-Stream: stream-{number}" for number in range(MAX_GROUPS + 1)]

    assert len(_read(*fields[1:]).groups) == MAX_GROUPS
    with pytest.raises(MarkingInvalid, match="more than 50 groups"):
        _read(*fields)


_VALUES = [
    "\ud800",
    "a\udfff",
    "\0",
    "a\u2028b",
    "\x1b[31m",
    "x" * 100_000,
    "\ufffd",
    10**400,
    -1,
    True,
    None,
    [],
    {},
    [["x"]],
    [{"a": [None]}],
]
_ODD = [json.dumps(value) for value in _VALUES] + [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999999999",
    "9" * 10_000,
    "[" * 5_000,
    '{"a":' * 5_000,
    "",
    ",",
]


@pytest.mark.parametrize("value", _ODD, ids=range(len(_ODD)))
@pytest.mark.parametrize(
    "place",
    [
        "%s",
        '{"asm_group_id": %s, "category": "c"}',
        '{"asm_group_id": 7, "category": %s}',
        '{"asm_group_id": 7, "category": [%s, "c"]}',
        '{"asm_group_id": 7, "unique_args": %s}',
        '{"asm_group_id": 7, "unique_args": {"campaign_id": %s, "campaign": "c"}}',
        '{"unique_args": {"campaign": "c"}, "unique_args": %s}',
        '{"asm_groups_to_display": %s}',
    ],
)
def test_no_json_of_theirs_is_an_error(place: str, value: str) -> None:
    """What is used of it can be encoded, hashed and logged; another campaign that can be used is
    used.
    """
    found = _read(f"X-SMTPAPI: {place % value}")

    assert found.campaign.encode().decode().isprintable()
    assert all(group.encode().decode().isprintable() for group in found.groups)
    assert len(found.campaign) <= MAX_CAMPAIGN_OCTETS
    assert found.promotional >= ("asm_group" in place)


def test_a_campaign_that_cannot_be_used_gives_way_to_the_next() -> None:
    assert (
        "c"
        == _read(
            'X-SMTPAPI: {"unique_args": {"campaign_id": "\\ud800"}, "category": ["\\u0000", "c"]}'
        ).campaign
    )


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
        "X-PM-Message-Stream: =?zip?q?=E9?=",
        "X-PM-Message-Stream: =?utf-8?q?a=FF?=",
        "X-PM-Message-Stream: =?utf-8?b?YWJjZ?=",
        "X-PM-Message-Stream: =?utf-8?q?a=00?=",
        'X-PM-Message-Stream: "news',
        'X-SES-LIST-MANAGEMENT-OPTIONS: a; topicName="b"c',
        'X-SMTPAPI: {"asm_group_id": NaN, "category": true}',
        "X-SMTPAPI: =?utf-8?q?=FF?=",
    ],
)
def test_what_cannot_be_used_counts_as_not_said(field: str) -> None:
    """Catalogue L2."""
    found = _read(field)

    assert ((), (), "") == (found.groups, found.labels, found.campaign)


@given(
    st.sampled_from(
        [
            "X-SMTPAPI",
            "X-SES-LIST-MANAGEMENT-OPTIONS",
            "X-Mailgun-Tag",
            "X-PM-Message-Stream",
            "X-PM-Tag",
        ]
    ),
    st.binary(),
)
def test_no_value_of_theirs_is_an_error(name: str, value: bytes) -> None:
    plain = bytes(byte for byte in value if byte not in b"\r\n\0")

    assert len(read(parse(name.encode() + b": " + plain + b"\r\n\r\n")).groups) <= MAX_GROUPS


def test_their_fields_leave_as_they_came() -> None:
    """Catalogue H9, H20: they are instructions to somebody else, so only our own control fields
    go.
    """
    mail = (
        b'X-SMTPAPI: {"asm_group_id": 42}\r\nX-Mailgun-Tag: a\r\nX-PM-Message-Stream:'
        b" b\r\nX-Signoff-Test: yes\r\n\r\n"
    )

    assert mail.replace(b"X-Signoff-Test: yes\r\n", b"") == unchanged(parse(mail)).head()
