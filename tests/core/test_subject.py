"""The subject of a mail-to unsubscribe, as MoEngage's documents describe it to brands."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import TokenMalformed
from app.core.subject import decode, encode

SEED_SAMPLE = (
    "Unsubscribe |"
    " cattr:YzlhZjVkYzUtYWRkMi00MTZkLTg4OTQtNWNlZmRkYTJjNDYw-WTRv4uSIgrZTVV5fJSvAZkS2smalAXvg8qX_0qz3"
)


def test_the_sample_of_the_seed_names_its_user() -> None:
    """Catalogue M8."""
    identifier, token = decode(SEED_SAMPLE)

    assert identifier == "c9af5dc5-add2-416d-8894-5cefdda2c460"
    assert token == "WTRv4uSIgrZTVV5fJSvAZkS2smalAXvg8qX_0qz3"


@given(st.text(max_size=60), st.from_regex(r"[A-Za-z0-9_-]{1,100}", fullmatch=True))
def test_identifier_and_token_come_back_and_the_brand_finds_its_user_before_the_first_hyphen(
    identifier: str, token: str
) -> None:
    """Catalogue M8."""
    subject = encode(identifier, token)

    assert decode(subject) == (identifier, token)
    assert base64.b64decode(subject.split("cattr:")[1].split("-")[0]).decode() == identifier


@pytest.mark.parametrize("prefix", ["Re: ", "Fwd: [EXTERNAL] ", "AW: "])
def test_prefixes_case_and_folds_are_forgiven(prefix: str) -> None:
    """Catalogue M7."""
    subject = prefix + encode("ID", "TOKEN-with_hyphen").replace("cattr", "CATTR").replace(
        "TOKEN", "TO\r\n KEN"
    )

    assert decode(subject) == ("ID", "TOKEN-with_hyphen")


@pytest.mark.parametrize(
    "subject", ["", "Unsubscribe", "cattr:", "cattr:!!-x", "cattr:YQ", "cattr:/w==-token"]
)
def test_a_subject_without_a_readable_part_is_refused(subject: str) -> None:
    with pytest.raises(TokenMalformed):
        decode(subject)
