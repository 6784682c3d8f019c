"""One recipient, one identity, whatever the spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.address import ascii_domain, checked, digest, identity, masked
from app.core.errors import AddressInvalid


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bob@EX.com", "bob@ex.com"),
        ("ünder@bücher.example", "u\u0308nder@xn--bcher-kva.example"),
        ("ÜNDER@BÜCHER.EXAMPLE", "ünder@bücher.example"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("straße@example.com", "STRASSE@example.com"),
    ],
)
def test_spellings_of_one_recipient_have_one_identity(one: str, other: str) -> None:
    """Catalogue T7, T9."""
    assert identity(one) == identity(other)


@pytest.mark.parametrize(
    "spelling",
    [
        '"ann"@example.com',
        '"a\\nn"@example.com',
        '"ANN"@example.com',
        "ann@EXAMPLE.com",
        '"\\a\\n\\n"@Example.com',
    ],
)
def test_needless_quotes_and_escapes_make_nobody_another(spelling: str) -> None:
    """Catalogue N32: RFC 5321 4.1.2."""
    assert identity(spelling) == "ann@example.com"
    assert identity('"a \\b"@x.example') == identity('"a b"@x.example') != identity("ab@x.example")
    assert identity('"a\\"b"@x.example') == '"a\\"b"@x.example'


@pytest.mark.parametrize(
    ("one", "other"),
    [("a+x@ex.com", "a@ex.com"), ("a.b@ex.com", "ab@ex.com"), ("a@ex.com", "a@sub.ex.com")],
)
def test_plus_tags_and_dots_tell_people_apart(one: str, other: str) -> None:
    """Catalogue T7."""
    assert identity(one) != identity(other)


@pytest.mark.parametrize(
    "text", ["", "@", "a@", "@b", "no-at", "ü@-bad-.example", "ü@exa mple.com", "ü@" + "d" * 300]
)
def test_what_has_no_local_part_or_domain_is_refused(text: str) -> None:
    with pytest.raises(AddressInvalid):
        identity(text)


@given(st.emails())
def test_identity_of_an_identity_is_itself(address: str) -> None:
    assert identity(identity(address)) == identity(address)


def test_a_domain_becomes_its_a_label() -> None:
    """Catalogue H7."""
    assert ascii_domain("Bücher.Example") == "xn--bcher-kva.example"
    assert ascii_domain("[192.0.2.1]") == "[192.0.2.1]"


@pytest.mark.parametrize(
    ("domain", "a_labels"),
    [
        ("mail_1.\uff41cme.example", "mail_1.acme.example"),
        ("r3---x.b\u00fccher.example", "r3---x.xn--bcher-kva.example"),
        ("XN--BCHER-KVA\u3002\uff25xample", "xn--bcher-kva.example"),
        ("news\uff61acme\uff0eexample", "news.acme.example"),
    ],
)
def test_a_label_of_ascii_is_taken_as_in_a_domain_of_ascii(domain: str, a_labels: str) -> None:
    assert a_labels == ascii_domain(domain)


@pytest.mark.parametrize(
    "domain",
    [
        "b\u00fccher..example",
        "\u3002b\u00fccher.example",
        "b\u00fccher.example\u3002",
        "-b\u00fccher.example",
        "\ud800.example",
        "b\u00fc\u200dcher.example",
    ],
)
def test_what_maps_to_no_host_name_is_refused(domain: str) -> None:
    with pytest.raises(AddressInvalid):
        ascii_domain(domain)


def test_a_digest_depends_on_the_pepper() -> None:
    assert digest("a@ex.com", pepper=b"1" * 32) != digest("a@ex.com", pepper=b"2" * 32)
    assert len(digest("a@ex.com", pepper=b"1" * 32)) == 10


@pytest.mark.parametrize(
    ("address", "expected"),
    [("bob@example.com", "b•••@example.com"), ("用户@例え.jp", "用•••@例え.jp"), ("", "")],
)
def test_a_masked_address_shows_its_first_letter_and_its_domain(
    address: str, expected: str
) -> None:
    assert masked(address) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bob@x.com",
        " Bob+tag@X.com ",
        '"a b"@x.com',
        "é@bücher.example",
        "a@[127.0.0.1]",
        "a/b@x.com",
        "o'neill@x.co",
    ],
)
def test_a_typed_address_is_taken_as_it_is_without_the_space_around(text: str) -> None:
    assert text.strip() == checked(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "bob",
            "a b@x.com",
            "<a@x.com>",
            "Bob <a@x.com>",
            "a@x.com\r\nBcc: b@x.com",
            "a..b@x.com",
            "a@b@c.com",
            "@x.com",
            "a@",
        ),
        *(
            "a\udcff@x.com",
            "a\u200b@x.com",
            "a\x00@x.com",
            "x" * 65 + "@a.com",
            "a@[]",
            "a@[\r\n]",
            "a@x..com",
            "a@" + "b." * 130 + "com",
        ),
    ],
)
def test_what_is_no_address_or_would_break_a_line_is_refused(text: str) -> None:
    """Catalogue L2."""
    with pytest.raises(AddressInvalid):
        checked(text)
