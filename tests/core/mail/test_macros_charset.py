"""Placeholders in texts of every kind of charset."""

import base64
import codecs
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import PlaceholderUnusable
from app.core.mail import macros_charset
from app.core.mail.macros import Placeholder
from app.core.mail.macros_charset import find_in_charset
from tests.support.placeholders import MEANINGS, URLS, filled, part

URL = URLS[Placeholder.UNSUBSCRIBE]
SAMPLES = {
    "us-ascii": "Hello {}.",
    "utf-8": "Grüße, 世界 {} – ende",
    "iso-8859-1": "Grüße {} Ende",
    "windows-1252": "“Grüße” {} €",
    "koi8-r": "Привет {} мир",
    "iso-8859-8-i": "שלום {} עולם",
    "iso-2022-jp": "日本語 {} テスト",
    "shift_jis": "表ソ {} テスト能",
    "euc-jp": "日本語{}テスト",
    "gb18030": "中文{}测试㐂",
    "big5": "功能{}測試",
    "euc-kr": "한국어 {} 테스트",
    "iso-2022-kr": "한국어 {} 테스트",
    "utf-16le": "Grüße 😀 {} Ende",
    "utf-16be": "Grüße 😀 {} Ende",
    "utf-16": "Grüße 😀 {} Ende",
    "utf-32le": "Grüße 😀 {} Ende",
    "utf-32": "Grüße 😀 {} Ende",
    "UTF_8": "é {}",
    "latin1": "é {}",
    "unknown-8bit": "hello {}",
    "utf8mb4": "é {}",
}
_PYTHON = {"iso-8859-8-i": "iso-8859-8", "unknown-8bit": "ascii", "utf8mb4": "utf-8"}
WIDE = {name for name in SAMPLES if name.startswith(("utf-16", "utf-32"))}


def encoded(charset: str, text: str) -> bytes:
    return text.encode(_PYTHON.get(charset, charset))


@pytest.mark.parametrize("charset", SAMPLES)
@pytest.mark.parametrize("written", MEANINGS)
def test_in_base64_a_placeholder_becomes_a_url_of_the_same_charset(
    charset: str, written: str
) -> None:
    """Catalogue X11."""
    before, after = (
        encoded(charset, SAMPLES[charset].format(text))
        for text in (written, URLS[MEANINGS[written]])
    )

    mail = filled(
        part(
            base64.encodebytes(before).replace(b"\n", b"\r\n"),
            f"text/plain; charset={charset}",
            "base64",
        )
    )

    assert (
        part(
            base64.encodebytes(after).replace(b"\n", b"\r\n"),
            f"text/plain; charset={charset}",
            "base64",
        )
        == mail
    )


@pytest.mark.parametrize("charset", SAMPLES)
def test_in_quoted_printable_too(charset: str) -> None:
    """Catalogue X11."""
    text = " ".join([SAMPLES[charset].format("*|UNSUBSCRIBE|*")] * 3)
    body = quopri.encodestring(encoded(charset, text), quotetabs=True).replace(b"\n", b"\r\n")

    mail = filled(part(body, f'text/html; charset="{charset}"', "quoted-printable"))

    assert mail is not None
    again = quopri.decodestring(mail.partition(b"\r\n\r\n")[2])
    assert text.replace("*|UNSUBSCRIBE|*", URL.replace("&", "&amp;")) == again.decode(
        _PYTHON.get(charset, charset)
    )
    assert max(map(len, mail.split(b"\r\n"))) <= 76


@pytest.mark.parametrize("charset", sorted(SAMPLES.keys() - WIDE))
def test_in_8bit_too(charset: str) -> None:
    """Catalogue H9, X11."""
    before, after = (
        encoded(charset, SAMPLES[charset].format(text)) for text in ("*|UNSUBSCRIBE|*", URL)
    )

    assert part(after, f"text/plain; charset={charset}") == filled(
        part(before, f"text/plain; charset={charset}")
    )


@pytest.mark.parametrize(
    ("charset", "mark", "codec"),
    [
        ("utf-16", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-16", b"", "utf-16-be"),
        ("utf-16", b"", "utf-16-le"),
        ("utf-32", codecs.BOM_UTF32_BE, "utf-32-be"),
        ("utf-32", b"", "utf-32-le"),
        ("", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-8", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
    ],
)
def test_a_byte_order_mark_or_the_text_itself_tells_the_order(
    charset: str, mark: bytes, codec: str
) -> None:
    kind = f"text/plain; charset={charset}" if charset else "text/plain"
    before, after = (mark + f"é {text}".encode(codec) for text in ("*|UNSUBSCRIBE|*", URL))

    mail = filled(part(base64.b64encode(before), kind, "base64"))

    assert mail is not None
    assert after == base64.b64decode(mail.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-2022-jp", b"\x1b$B*|UNSUBSCRIBE|*\x1b(B"),
        ("iso-2022-kr", b"\x1b$)C\x0e*|UNSUBSCRIBE|*\x0f"),
        ("utf-16le", b"\0" + "*|UNSUBSCRIBE|*".encode("utf-16-le") + b"\0"),
    ],
)
def test_octets_that_are_other_characters_there_are_no_placeholder(
    charset: str, text: bytes
) -> None:
    """Catalogue H9, X11."""
    assert filled(part(base64.b64encode(text), f"text/plain; charset={charset}", "base64")) is None


def test_the_second_octet_of_a_character_is_no_mark() -> None:
    kana = "ボ".encode("shift_jis")

    assert kana.endswith(b"{")
    assert (
        filled(part(kana + b"{amazonSESUnsubscribeUrl}}", "text/plain; charset=shift_jis")) is None
    )
    assert part(kana + URL.encode(), "text/plain; charset=shift_jis") == filled(
        part(kana + b"{{amazonSESUnsubscribeUrl}}", "text/plain; charset=shift_jis")
    )


@pytest.mark.parametrize(
    "charset",
    [
        "x-martian",
        "utf-7",
        "hz-gb-2312",
        "ibm864",
        "hex",
        "undefined",
        "punycode",
        "../etc",
        "x" * 200,
    ],
)
def test_a_charset_that_cannot_be_written_is_refused_only_with_a_placeholder(charset: str) -> None:
    """Catalogue X11."""
    kind = f'text/plain; charset="{charset}"'

    assert filled(part(b"no placeholder, 100% sure to unsubscribe", kind)) is None
    with pytest.raises(PlaceholderUnusable):
        filled(part(b"leave: *|UNSUBSCRIBE|*", kind))


def test_a_placeholder_that_only_its_decoder_sees_is_refused_too() -> None:
    """Catalogue X11: EBCDIC has no ASCII octets at all."""
    text = base64.b64encode("leave: *|UNSUBSCRIBE|*".encode("cp037"))

    with pytest.raises(PlaceholderUnusable):
        filled(part(text, "text/plain; charset=cp037", "base64"))


def test_the_plain_charsets_hold_ascii_where_it_is() -> None:
    ascii_octets = bytes(range(128))

    known = [name for name in macros_charset._PLAIN if name != "iso8859-12"]

    assert {ascii_octets.decode("ascii")} == {
        ascii_octets.decode(name).removeprefix("\ufeff") for name in known
    }
    assert {codecs.lookup(name).name for name in known} == set(known)


@given(
    st.sampled_from(["shift_jis", "gb18030", "big5", "cp949", "iso2022_jp_2", "euc_jp"]),
    st.lists(
        st.text(max_size=8)
        | st.sampled_from([one for one in MEANINGS if not one.startswith("{{{ a")]),
        max_size=8,
    ),
)
def test_whatever_stands_around_them_the_placeholders_of_a_text_are_found(
    charset: str, pieces: list[str]
) -> None:
    """Catalogue X11: as many as the decoded text holds, at the octets that decode to them."""
    octets = "\n".join(pieces).encode(charset, "ignore")
    text = octets.decode(charset)

    _, hits = find_in_charset(octets, charset, html=False)

    found = [octets[hit.start : hit.end].decode("ascii") for hit in hits]
    assert sum(text.count(written) for written in MEANINGS) >= len(found)
    for hit, written in zip(hits, found, strict=True):
        assert octets[: hit.start].decode(charset).endswith(text[: text.index(written)][-1:])
    assert bool(found) == any(written in text for written in MEANINGS)
