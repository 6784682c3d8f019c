"""What fields say around and under all that mail software makes of them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mail.field_text import decoded, parts_of, text_of, unquoted, word_of
from app.core.mail.message import MAX_FIELD_BYTES, Field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?a_b?=", "a b"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u00e9"),
        ("=?utf-8?b?w6k=?= =?iso-8859-1?q?=E9?=", "\u00e9\u00e9"),
        ("=?koi8-r?b?zs/Xz9PUyQ==?=", "\u043d\u043e\u0432\u043e\u0441\u0442\u0438"),
        ("=?iso-2022-jp?b?GyRCJUslZSE8JTkbKEI=?=", "\u30cb\u30e5\u30fc\u30b9"),
        ("=?gb2312?b?0MLOxQ==?=", "\u65b0\u95fb"),
        ("=?windows-1252?q?=80?=", "\u20ac"),
        ("=?utf-8?b?YQ?=", "a"),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
        ("=?=?utf-8?q?a?=", "=?a"),
        ("==?utf-8?q?a?==", "=a="),
    ],
)
def test_encoded_words_are_read_wherever_they_stand(text: str, said: str) -> None:
    assert said == decoded(text, errors="strict")
    assert said == decoded(text, errors="replace")


@pytest.mark.parametrize(
    ("text", "fault", "rest"),
    [
        ("=?zip?q?a=E9?=", "holds an encoded word in a charset that is not read here", "a\ufffd"),
        ("=?utf-7?q?a?=", "holds an encoded word in a charset that is not read here", "a"),
        ("=?utf-8?q?a=FF?=", "holds an encoded word that is not in its charset", "a\ufffd"),
        ("=?utf-8?b?YWJjZ?=", "holds an encoded word that is not Base64", "\ufffd"),
    ],
)
def test_what_cannot_be_read_is_an_error_or_a_mark(text: str, fault: str, rest: str) -> None:
    assert rest == decoded(text, errors="replace")
    with pytest.raises(ValueError, match=f"^{fault}$"):
        decoded(text, errors="strict")


@given(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=60),
    st.sampled_from(["utf-8", "iso-2022-jp", "big5", "euc-kr", "x"]),
)
def test_no_text_is_an_error(text: str, charset: str) -> None:
    octets = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()

    for value in (text, f"{text}=?{charset}?b?{octets}?={text}", f"=?{charset}?q?{text}?="):
        assert isinstance(decoded(value, errors="replace"), str)
        assert len(parts_of(value)) >= 1
        assert isinstance(unquoted(value), str)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("a; b;c ", ["a", "b", "c"]),
        ('a="x;y"; b', ['a="x;y"', "b"]),
        ('"a\\";b"; c', ['"a\\";b"', "c"]),
        ("a (x; (y) \\) z) b; c", ["a  b", "c"]),
        ('(" ; ) a', ["a"]),
        ('"(a)"', ['"(a)"']),
        ("a (open; b", ["a"]),
        ('a "open; b', ['a "open; b']),
        ("a) b", ["a) b"]),
    ],
)
def test_parts_are_cut_outside_of_quotes_and_comments(text: str, parts: list[str]) -> None:
    assert parts == parts_of(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"a b"', "a b"),
        ('"a\\"b"', 'a"b'),
        ("a", "a"),
        ('a"b"', 'a"b"'),
        ('"a', ""),
        ('"a"b', ""),
        ('"', ""),
    ],
)
def test_a_quoted_string_says_what_stands_in_it(text: str, said: str) -> None:
    assert said == unquoted(text)


@pytest.mark.parametrize(
    "value",
    [
        b" Auto-Replied ",
        b"(x)auto-replied(y); a=b",
        b'"auto-replied"',
        b"=?us-ascii?q?auto-replied?=",
        b"\r\n\tauto-replied",
    ],
)
def test_the_one_word_of_a_field_is_found(value: bytes) -> None:
    assert "auto-replied" == word_of(Field(b"auto-submitted", b"Auto-Submitted:" + value + b"\r\n"))


def test_octets_that_are_not_utf_8_are_marked() -> None:
    assert "a\ufffd b" == text_of(Field(b"x", b"X: a\xff\r\n\tb\r\n"))


@pytest.mark.parametrize(
    "piece",
    [
        b"=?",
        b"=?a?q?",
        b"=?a?q?b?=",
        b"=?a?q?b?= ",
        b"(",
        b"()",
        b"a()",
        b'"',
        b'\\"',
        b'"\\"',
        b";",
        b"=?utf-8?b?w6k=?=;",
        b"(\\)",
        b"=?=",
    ],
)
def test_the_longest_field_is_read(piece: bytes) -> None:
    raw = piece * (MAX_FIELD_BYTES // len(piece))

    assert len(word_of(Field(b"x", b"X:" + raw))) <= MAX_FIELD_BYTES
