"""What in a text may be a token, after mail software has had it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mail.inbound_text import subject_readings
from app.core.subject import encode, readings
from tests.support.people import Person

# It stands in the names of tests, which must be the same in each process that collects them.
TOKEN = Person(address="reader@example.com").token


def found(subject: str) -> bool:
    return any(TOKEN in readings(reading) for reading in subject_readings(subject))


@pytest.mark.parametrize(
    "subject",
    [
        encode("ID", TOKEN),
        f"Re: {encode('ID', TOKEN)}",
        f"Fwd: [EXTERNAL] AW: unsubscribe {TOKEN}",
        f"TR: WG: SV: {encode('ID', TOKEN).upper().split('CATTR')[0]}CATTR:SUQ=-{TOKEN}",
        f"Unsubscribe <{TOKEN}>.",
        f"Unsubscribe ({TOKEN}).",
        f"{encode('ID', TOKEN)} please, at once",
        encode("ID", TOKEN).replace(" ", "+"),
        f"Unsubscribe%20%7C%20cattr%3ASUQ%3D-{TOKEN}", f"Unsubscribe+%7C+cattr%3ASUQ%3D-{TOKEN}",
        f"=?utf-8?Q?Unsubscribe_|_cattr:SUQ=3D-{TOKEN[:30].replace('_', '=5F')}?="
        f"  =?utf-8?q?{TOKEN[30:].replace('_', '=5F')}?=",
        f"=?us-ascii?Q?Unsubscribe_=7C_cattr=3ASUQ=3D-{TOKEN}?=", f"cattr:-{TOKEN}",
    ],
)  # fmt: skip
def test_what_clients_make_of_the_subject_is_forgiven(subject: str) -> None:
    """Catalogue M7, M8."""
    assert found(subject)


@given(st.data(), st.text(max_size=40), st.sampled_from(["Re: ", "Fwd: ", "AW: [EXTERNAL] ", ""]))
def test_folds_anywhere_in_the_token_are_forgiven(
    data: st.DataObject, identifier: str, prefix: str
) -> None:
    """Catalogue M7: and whatever follows the token is not taken for a part of it."""
    cuts = sorted(data.draw(st.lists(st.integers(1, len(TOKEN) - 1), max_size=5, unique=True)))
    pieces = [TOKEN[start:end] for start, end in zip([0, *cuts], [*cuts, len(TOKEN)], strict=True)]
    fold = data.draw(st.sampled_from([" ", "\t", "  ", "\r\n "]))

    subject = (
        prefix
        + encode(identifier, fold.join(pieces))
        + data.draw(st.sampled_from(["", " please", ".", "> thanks"]))
    )

    assert found(subject)


def in_word(text: str, encoding: str, *, keep_underscores: bool) -> str:
    if encoding == "B":
        return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="
    quoted = (
        text.replace("=", "=3D").replace("_", "_" if keep_underscores else "=5F").replace(" ", "_")
    )
    return f"=?UTF-8?q?{quoted}?="


@given(st.sampled_from("QB"), st.integers(10, 60), st.booleans(), st.sampled_from([" ", "\r\n "]))
def test_encoded_words_of_any_length_are_forgiven(
    encoding: str, length: int, keep_underscores: bool, between: str
) -> None:
    """Catalogue M7: and some software leaves `_` in a Q word, where it stands for a space."""
    subject = encode("ID", TOKEN)
    pieces = (subject[at : at + length] for at in range(0, len(subject), length))

    assert found(
        between.join(
            in_word(piece, encoding, keep_underscores=keep_underscores) for piece in pieces
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unsubscribe",
        f"https://unsubscribe.example.com/u?qmoe={TOKEN}",
        f"https://unsubscribe.example.com/u/{TOKEN}",
        f"mailto:a@b.example?subject=cattr%3ASUQ-{TOKEN}",
        f"x{TOKEN}",
        TOKEN[:39],
    ],
)  # fmt: skip
def test_a_link_in_a_text_is_no_request(text: str) -> None:
    """Catalogue M5: a newsletter that somebody sends on is full of links."""
    assert TOKEN not in readings(text)


@given(st.text(max_size=400))
def test_any_text_can_be_read(text: str) -> None:
    """Catalogue M11."""
    for reading in subject_readings(text):
        assert all(40 <= len(token) <= 168 for token in readings(reading))
