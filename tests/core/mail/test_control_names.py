"""Which names of fields are ours, are meant to be ours, and are other people's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MarkingInvalid
from app.core.mail.control_names import NAMES
from app.core.mail.controls import Controls, read
from app.core.mail.message import parse

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
