"""The reader of the Web SDK's packed data, against an encoder, the SDK's own output, and everything
else.
"""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.lz_string import decompress_base64
from tests.support.lz_string import compress_base64

ALPHABET = string.ascii_letters + string.digits + "+/"
MOST = 65_536

# Written by clevertap-web-sdk 2.5.2; 1.6.8 writes the same.
BY_THE_SDK = {
    "": "QAA=",
    "a": "IZA=",
    "aaaaaaaaaa": "IY1oAA==",
    "हिन्दी 😀 Büro": "pyQn5IQUkIspCGSQgCkABIXg3AAe3AQgH4E4HsgA",
    '{"id":"acme","unsubGroups":[],"cUsY":"abc"}': (
        "N4IglgJiBcIIYGMC2BTEAaEBXAdgZywCMBxAJwHssAHPGAbQF1MEBVPATRnkIRAF8gA="
    ),
}


@pytest.mark.parametrize(("text", "packed"), BY_THE_SDK.items())
def test_what_the_sdk_has_packed_is_read(text: str, packed: str) -> None:
    assert text == decompress_base64(packed, most_units=MOST)
    assert packed == compress_base64(text)


@given(
    st.text(max_size=300)
    | st.text(alphabet="ab", max_size=2000)
    | st.text(alphabet="ab\u0101😀", max_size=500)
)
@example("a" * 70)
@example("\x00\xff\u0100\ufffe")
def test_what_an_encoder_writes_is_what_is_read(text: str) -> None:
    assert text == decompress_base64(compress_base64(text), most_units=MOST)


@given(st.text(alphabet=ALPHABET, max_size=400) | st.text(max_size=60))
@example("A" * 400)
@example("/" * 400)
def test_anything_else_is_a_value_error_or_a_text_within_the_bound(text: str) -> None:
    try:
        found = decompress_base64(text, most_units=1000)
    except ValueError:
        return

    assert len(found.encode("utf-16-le")) <= 2000


@given(st.text(alphabet="abc", min_size=1, max_size=200), st.data())
def test_a_text_that_was_cut_short_is_no_text(text: str, data: st.DataObject) -> None:
    packed = compress_base64(text).rstrip("=")
    end = data.draw(st.integers(0, max(0, len(packed) - 4)))

    with pytest.raises(ValueError, match=r".+"):
        decompress_base64(packed[:end], most_units=MOST)


def test_as_much_as_is_allowed_is_read_and_one_unit_more_is_not() -> None:
    """Catalogue L10: a small input that unpacks to a large text."""
    packed = compress_base64("a" * MOST)

    assert len(packed) < 500
    assert "a" * MOST == decompress_base64(packed, most_units=MOST)
    with pytest.raises(ValueError, match="more text"):
        decompress_base64(packed, most_units=MOST - 1)


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(ValueError, match="utf-16"):
        decompress_base64(compress_base64("\ud800"), most_units=MOST)
