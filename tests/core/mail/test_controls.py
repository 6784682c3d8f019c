"""What the sender says in control fields, read strictly."""

import email
import email.message
import email.policy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MarkingInvalid
from app.core.mail.attributes import MAX_ATTRIBUTES_OCTETS
from app.core.mail.controls import MAX_CAMPAIGN_OCTETS, MAX_GROUPS, NAMES, Controls, read
from app.core.mail.message import parse
from app.core.model import GroupId

OTHERS = [
    "X-Sign-Off-By",
    "Signed-Off-By",
    "X-Signed-Off-By",
    "X-Signup-Groups",
    "X-Signup-Campaign",
    "X-Spinoff-Test",
    "X-Signal-Test",
    "X-Signature",
    "X-Sign",
    "DKIM-Signature",
    "ARC-Message-Signature",
    "X-Google-DKIM-Signature",
    "X-Office-Class",
    "X-Kickoff-Groups",
    "X-Takeoff-Class",
    "X-Offers-Groups",
    "X-Design-Groups",
    "X-Campaign",
    "X-Campaign-Id",
    "X-Class",
    "X-Test",
    "X-Groups",
    "X-Handoff-Groups",
    "X-Signature-Class",
    "X-MS-Exchange-Organization-SignOff",
    "X-Stuff",
    "X-Staff-Groups",
    "X-Affiliate-Campaign",
    "X-Sigsci-Test",
    "X-Sniff-Test",
    "X-Cutoff-Class",
    "Sensitivity",
    "X-Mailer-Signed",
    "X-Significance-Class",
]


def _read(*fields: str) -> Controls:
    return read(parse("".join(f"{field}\r\n" for field in fields).encode() + b"\r\ntext\r\n"))


@pytest.mark.parametrize(("value", "test"), [("yes", True), ("YES", True), ("no", False)])
def test_a_test_send_is_flagged(value: str, test: bool) -> None:
    """Catalogue H12."""
    assert test is _read(f"X-Signoff-Test: {value}").test


def test_a_group_named_twice_counts_once() -> None:
    assert (GroupId("b"), GroupId("a")) == _read("X-Signoff-Groups: b, a,b").groups


def test_names_may_be_of_any_script() -> None:
    said = _read("X-Signoff-Campaign: été 24", "X-Signoff-Groups: новости, ニュース")

    assert ("été 24", ("новости", "ニュース")) == (said.campaign, said.groups)


def test_a_fold_inside_a_value_is_a_space() -> None:
    assert "spring sale" == _read("X-Signoff-Campaign: spring\r\n\tsale").campaign


def test_the_largest_values_are_taken() -> None:
    groups = ", ".join(f"group-{number}" for number in range(MAX_GROUPS))

    said = _read(f"X-Signoff-Campaign: {'c' * MAX_CAMPAIGN_OCTETS}", f"X-Signoff-Groups: {groups}")

    assert (MAX_CAMPAIGN_OCTETS, MAX_GROUPS) == (len(said.campaign), len(said.groups))


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
        ("X-Signoff-Groups: news, <offers",),
        ('X-Signoff-Groups: "news"',),
        (f"X-Signoff-Groups: {'g' * 101}",),
        ("X-Signoff-Groups: a\x07",),
        ("X-Signoff-Groups: all",),
        ("X-Signoff-Groups: news, ALL",),
        ("X-Signoff-Groups: =?utf-8?q?all?=",),
        ("X-Signoff-Require-Groups: all",),
        ("X-Signoff-Exclude-Groups: \uff41ll",),
        ("X-Signoff-Test: maybe",),
        ("X-Signoff-Test:",),
    ],
)
def test_a_control_field_that_cannot_be_understood_is_refused(fields: tuple[str, ...]) -> None:
    """Catalogue L2."""
    with pytest.raises(MarkingInvalid):
        _read(*fields)


def test_a_control_field_that_is_not_utf_8_is_refused() -> None:
    """Catalogue L2."""
    message = parse(b"X-Signoff-Campaign: \xff\r\n\r\n")

    with pytest.raises(MarkingInvalid):
        read(message)


def test_each_field_of_groups_is_read_alike() -> None:
    said = _read(
        "X-Signoff-Groups: a", "X-Signoff-Require-Groups: b, c", "X-Signoff-Exclude-Groups: d"
    )

    assert said == Controls(
        groups=(GroupId("a"),), required=(GroupId("b"), GroupId("c")), excluded=(GroupId("d"),)
    )


@pytest.mark.parametrize(("value", "override"), [("yes", True), ("Yes", True), ("no", False)])
def test_an_opt_out_is_overridden_by_yes_alone(value: str, override: bool) -> None:
    assert override is _read(f"X-Signoff-Override-Opt-Out: {value}").override


def test_attributes_are_text_with_numbers_spelled_as_they_came() -> None:
    text = (
        '{"ID": "a?>b", "Age": 42, "Score": 1.50, "VIP": true, "Old": false, "Gone": null, "Name":'
        ' "Zo\\u00eb", "City": "Köln"}'
    )

    found = _read(f"X-Signoff-User-Attributes: {text}").attributes

    assert found.flat == {
        "ID": "a?>b",
        "Age": "42",
        "Score": "1.50",
        "VIP": "true",
        "Old": "false",
        "Name": "Zoë",
        "City": "Köln",
    }


@pytest.mark.parametrize(
    "value",
    [
        "42",
        "[1]",
        '"text"',
        "null",
        "{",
        "{'ID': 1}",
        '{"ID": NaN}',
        '{"ID": Infinity}',
        '{"ID": [1]}',
        '{"ID": {"a": 1}}',
        '{"ID": 1, "ID": 2}',
        '{"ID": "\\ud800"}',
        '{"\\ud800": "a"}',
        '{"ann@example.net": {"\\udc00": "a"}}',
        '{"\\ud800@example.net": {"ID": "a"}}',
        '{"ann@\\ud800.example": {"ID": "a"}}',
        "[" * 4000,
        '{"a":' * 1500,
        '{"ID": "' + "x" * MAX_ATTRIBUTES_OCTETS + '"}',
    ],
)
def test_attributes_that_are_no_flat_object_are_refused(value: str) -> None:
    """Catalogue L2."""
    with pytest.raises(MarkingInvalid):
        _read(f"X-Signoff-User-Attributes: {value}")


@pytest.mark.parametrize(
    "field",
    [
        "X-Signoff-Override-Opt-Out: maybe",
        "X-Signoff-Require-Groups: a,,b",
        "X-Signoff-Exclude-Groups: <b>",
        "X-Signoff-Require-Groups: =?utf-8?q?a=0D=0ABcc:_e@e?=",
        "X-Signoff-Campaign: =?utf-8?b?YWJjZ?=",
        "X-Signoff-Campaign: =?utf-8?q?=ff?=",
        "X-Signoff-Campaign: =?zip?q?a?=",
    ],
)
def test_a_further_control_field_that_cannot_be_understood_is_refused(field: str) -> None:
    """Catalogue L2: no encoding smuggles a line end in."""
    with pytest.raises(MarkingInvalid):
        _read(field)


@pytest.mark.parametrize(
    ("value", "campaign"),
    [
        ("=?utf-8?q?=C3=A9t=C3=A9_24?=", "été 24"),
        ("=?UTF-8?B?w6l0w6kgMjQ=?=", "été 24"),
        ("=?iso-8859-1?q?=E9t?=\r\n =?utf-8?q?=C3=A9?= 24", "été 24"),
        ("a =?b", "a =?b"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9t=C3=A9?=", "été"),
        ("=?koi8-r?b?zs/Xz9PUyQ==?=", "новости"),
        ("=?utf8?q?spring sale?=", "spring sale"),
    ],
)
def test_encoded_words_are_read(value: str, campaign: str) -> None:
    assert campaign == _read(f"X-Signoff-Campaign: {value}").campaign


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=6))
def test_attributes_are_read_as_pythons_mail_library_reads_what_it_wrote(
    attributes: dict[str, str],
) -> None:
    """It folds long values, and encodes what has no blank to fold at; sometimes a blank becomes two
    on the way, for its own reader too.
    """
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["X-Signoff-User-Attributes"] = json.dumps(attributes)
    written = mail.as_bytes()

    expected = json.loads(
        str(
            email.message_from_bytes(written, policy=email.policy.default)[
                "X-Signoff-User-Attributes"
            ]
        )
    )

    assert expected == read(parse(written)).attributes.flat


def test_a_group_may_be_named_as_people_wrote_it() -> None:
    """Names are kept as entered but for angle brackets and control characters."""
    assert ("R&D", "What's new", 'The "best" of') == _read(
        'X-Signoff-Groups: R&D, What\'s new, The "best" of'
    ).groups


def _refusal(name: str) -> str:
    with pytest.raises(MarkingInvalid) as refused:
        read(parse(f"{name}: yes\r\n\r\n".encode()))
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("X-Singoff-Campaign", "X-Signoff-Campaign"),
        ("X-Signof-Campaign", "X-Signoff-Campaign"),
        ("X-Sginoff-Groups", "X-Signoff-Groups"),
        ("X-Sigonff-Groups", "X-Signoff-Groups"),
        ("X-Signoof-Class", "X-Signoff-Class"),
        ("X-SIGN0FF-TEST", "X-Signoff-Test"),
        ("X-Singoff-Campain", "X-Signoff-Campaign"),
        ("X-Sign-Off-Group", "X-Signoff-Groups"),
        ("X_Signoff_Groups", "X-Signoff-Groups"),
        ("XSignoff-Test", "X-Signoff-Test"),
        ("Signoff-Override-Opt-Out", "X-Signoff-Override-Opt-Out"),
        ("X-Singoff-Override-OptOut", "X-Signoff-Override-Opt-Out"),
        ("X-Sinoff-User-Attributes", "X-Signoff-User-Attributes"),
    ],
)
def test_a_slip_of_the_pen_is_refused_by_name(name: str, meant: str) -> None:
    """Catalogue N3: such a mail would go to who has unsubscribed, as if it were not marked."""
    assert f"{name} is no field of ours; did you mean {meant}?" == _refusal(name)


@given(
    st.sampled_from(sorted(NAMES)),
    st.integers(min_value=2, max_value=8),
    st.sampled_from("axz0"),
    st.sampled_from(["drop", "add", "swap", "other"]),
)
def test_no_single_slip_in_our_name_passes(name: bytes, at: int, letter: str, slip: str) -> None:
    text = name.decode()
    ways = {
        "drop": text[:at] + text[at + 1 :],
        "add": text[:at] + letter + text[at:],
        "swap": text[:at] + text[at + 1] + text[at] + text[at + 2 :] if at < 8 else text,
        "other": text[:at] + letter + text[at + 1 :],
    }
    if ways[slip].encode() not in NAMES:
        assert "is no field of ours" in _refusal(ways[slip])


@pytest.mark.parametrize("name", OTHERS)
def test_fields_of_others_are_left_alone(name: str) -> None:
    assert Controls() == read(parse(f"{name}: yes\r\n\r\n".encode()))
