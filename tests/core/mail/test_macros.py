"""Every placeholder in every encoding becomes its URL, and nothing else changes."""

import base64
import html
import quopri

import pytest

from app.core.mail.macros import SPELLINGS, Placeholder
from tests.support.placeholders import MEANINGS, URLS, filled, part, replacement, texts

EVERY_PLACEHOLDER = pytest.mark.parametrize("written", MEANINGS)
BOTH_KINDS = pytest.mark.parametrize("kind", ["text/plain", "text/html"])


def expected_text(text: str, kind: str) -> str:
    """Return a text with every placeholder replaced, the way a template engine would."""
    for written in MEANINGS:
        text = text.replace(written, replacement(written, kind, URLS))
    return text


def split_base64(octets: bytes, width: int) -> bytes:
    code = base64.b64encode(octets)
    return b"\r\n".join(code[at : at + width] for at in range(0, len(code), width)) + b"\r\n"


def test_the_design_names_these_placeholders() -> None:
    assert {
        "*|UNSUBSCRIBE|*": Placeholder.UNSUBSCRIBE,
        "*|CT_MANAGE_PREFERENCES|*": Placeholder.MANAGE_PREFERENCES,
        "*|CT_GROUP_UNSUBSCRIBE|*": Placeholder.GROUP_UNSUBSCRIBE,
        "{{ amazonSESUnsubscribeUrl }}": Placeholder.UNSUBSCRIBE,
        "{{{ amazonSESUnsubscribeUrl }}}": Placeholder.UNSUBSCRIBE,
        "<% asm_group_unsubscribe_raw_url %>": Placeholder.GROUP_UNSUBSCRIBE,
        "<% asm_group_unsubscribe_url %>": Placeholder.GROUP_UNSUBSCRIBE,
        "<% asm_preferences_raw_url %>": Placeholder.MANAGE_PREFERENCES,
        "<% asm_preferences_url %>": Placeholder.MANAGE_PREFERENCES,
        "<% asm_global_unsubscribe_raw_url %>": Placeholder.GLOBAL_UNSUBSCRIBE,
        "<% asm_global_unsubscribe_url %>": Placeholder.GLOBAL_UNSUBSCRIBE,
        "%unsubscribe_url%": Placeholder.GLOBAL_UNSUBSCRIBE,
        "%tag_unsubscribe_url%": Placeholder.GROUP_UNSUBSCRIBE,
        "%mailing_list_unsubscribe_url%": Placeholder.GROUP_UNSUBSCRIBE,
        "%unsubscribe_email%": Placeholder.UNSUBSCRIBE_EMAIL,
        "{{{ pm:unsubscribe }}}": Placeholder.UNSUBSCRIBE,
        '{{{ pm:unsubscribe label="..." }}}': Placeholder.UNSUBSCRIBE,
        "{{{ pm:unsubscribe_url }}}": Placeholder.UNSUBSCRIBE,
    } == MEANINGS
    assert all(spelling.word in spelling.core for spelling in SPELLINGS)


@BOTH_KINDS
@EVERY_PLACEHOLDER
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary"])
def test_in_a_text_that_is_not_encoded_only_the_placeholder_changes(
    written: str, kind: str, encoding: str
) -> None:
    """Catalogue H9, X11."""
    text = f"  Grüße\t {written} . \r\n\r\nA line \r\n{written} {written}\r\n.\r\n"

    mail = filled(part(text.encode(), f"{kind}; charset=utf-8", encoding))

    assert part(expected_text(text, kind).encode(), f"{kind}; charset=utf-8", encoding) == mail


@BOTH_KINDS
@EVERY_PLACEHOLDER
def test_a_soft_break_may_split_it_anywhere(written: str, kind: str) -> None:
    """Catalogue X11: only the line with the placeholder changes."""
    before, after = (
        b"<p class=3D=22caf=C3=A9=22> \r\n",
        b" &amp; rest=20=\r\n of the line\r\n=E2=82=AC last",
    )
    for at in range(len(written) + 1):
        for break_ in (b"=\r\n", b"= \t\r\n", b"=\r\n=\r\n"):
            code = written[:at].encode() + break_ + written[at:].encode()
            mail = filled(part(before + b"See " + code + after, kind, "quoted-printable"))

            assert mail is not None
            assert mail.startswith(part(before + b"See ", kind, "quoted-printable"))
            assert mail.endswith(after)
            body = mail.partition(b"\r\n\r\n")[2]
            assert f"See {expected_text(written, kind)}" in quopri.decodestring(
                body
            ).decode().replace("\r\n", "\n").replace("= \t\n", "")
            assert max(map(len, body.split(b"\r\n"))) <= 76


@EVERY_PLACEHOLDER
@pytest.mark.parametrize("digits", ["=%02X", "=%02x"])
def test_every_octet_may_be_quoted(written: str, digits: str) -> None:
    """Catalogue X11."""
    for encoded in (written, *written):
        code = "".join(
            digits % ord(char) if char in encoded or char == "=" else char for char in written
        )

        mail = filled(part(b"a=\r\n" + code.encode() + b"\r\nz", "text/plain", "quoted-printable"))

        assert mail is not None
        assert mail.endswith(b"\r\nz")
        assert [f"a{URLS[MEANINGS[written]]}\nz"] == [
            text.replace("\r\n", "\n").rstrip("\n") for text in texts(mail)
        ]


@pytest.mark.parametrize("width", range(1, 77))
def test_base64_may_be_wrapped_anywhere_and_keeps_its_lines(width: int) -> None:
    """Catalogue X11."""
    text = "Grüße! " * 9 + "*|UNSUBSCRIBE|* und {{{pm:unsubscribe}}} weiter\r\n"

    mail = filled(part(split_base64(text.encode(), width), encoding="base64"))

    url = URLS[Placeholder.UNSUBSCRIBE]
    expected = text.replace("*|UNSUBSCRIBE|*", url).replace("{{{pm:unsubscribe}}}", url)
    assert (
        part(split_base64(expected.encode(), width if width >= 20 else 76), encoding="base64")
        == mail
    )


@BOTH_KINDS
@EVERY_PLACEHOLDER
def test_in_base64_every_placeholder_is_found(written: str, kind: str) -> None:
    text = f"é {written}"

    mail = filled(part(split_base64(text.encode(), 76), f"{kind}; charset=utf-8", "base64"))

    assert (
        part(
            split_base64(expected_text(text, kind).encode(), 76), f"{kind}; charset=utf-8", "base64"
        )
        == mail
    )


@pytest.mark.parametrize(
    ("lead", "tail", "width"),
    [
        (b"", b"", 4000),
        (b"\r\n\r\n", b"\r\n\r\n \r\n", 76),
        (b" ", b"\r\n", 64),
        (b"", b"", 998),
        (b"", b"\r\n", 1200),
    ],
)
def test_what_stands_around_base64_stays(lead: bytes, tail: bytes, width: int) -> None:
    """Catalogue H9; a line that no format allows becomes lines that it does."""
    text = "x" * 1500 + "%unsubscribe_url%"

    mail = filled(
        part(lead + split_base64(text.encode(), width).rstrip() + tail, encoding="base64")
    )

    expected = split_base64(
        expected_text(text, "text/plain").encode(), width if 76 >= width or width == 998 else 76
    )
    assert part(lead + expected.rstrip() + tail, encoding="base64") == mail


@pytest.mark.parametrize(
    ("written", "placeholder"),
    [
        ("*&#124;UNSUBSCRIBE&#124;*", Placeholder.UNSUBSCRIBE),
        ("&#42;&vert;UNSUBSCRIBE&#x7C;&ast;", Placeholder.UNSUBSCRIBE),
        ("*&#X7c;CT_GROUP_UNSUBSCRIBE|*", Placeholder.GROUP_UNSUBSCRIBE),
        ("*%7CUNSUBSCRIBE%7C*", Placeholder.UNSUBSCRIBE),
        ("%2a%7cCT_MANAGE_PREFERENCES%7C%2A", Placeholder.MANAGE_PREFERENCES),
        ("%7B%7BamazonSESUnsubscribeUrl%7d%7D", Placeholder.UNSUBSCRIBE),
        ("&lt;%asm_preferences_raw_url%&gt;", Placeholder.MANAGE_PREFERENCES),
        ("%3C%25asm_global_unsubscribe_raw_url%25%3E", Placeholder.GLOBAL_UNSUBSCRIBE),
        ("%25unsubscribe_url%25", Placeholder.GLOBAL_UNSUBSCRIBE),
        ("&lbrace;&lcub;{&nbsp;pm:unsubscribe&#160;&#xA0;}}}", Placeholder.UNSUBSCRIBE),
        ("%7B%7B%7B%20pm:unsubscribe%20%7D%7D%7D", Placeholder.UNSUBSCRIBE),
        ("{{{pm:unsubscribe}}}", Placeholder.UNSUBSCRIBE),
        # an editor that encodes only what it must
        ("<%25asm_group_unsubscribe_raw_url%25>", Placeholder.GROUP_UNSUBSCRIBE),
        ("%3C%asm_group_unsubscribe_raw_url%%3E", Placeholder.GROUP_UNSUBSCRIBE),
        ("&lt;%25asm_group_unsubscribe_raw_url%25&gt;", Placeholder.GROUP_UNSUBSCRIBE),
        ("%7B{amazonSESUnsubscribeUrl}%7d", Placeholder.UNSUBSCRIBE),
        ("*%7CUNSUBSCRIBE|*", Placeholder.UNSUBSCRIBE),
        ("{{\u00a0amazonSESUnsubscribeUrl\u00a0}}", Placeholder.UNSUBSCRIBE),
        ("{{\u200bamazonSESUnsubscribeUrl\ufeff }}", Placeholder.UNSUBSCRIBE),
        ("{{{ \t\r\n  pm:unsubscribe\r\n}}}", Placeholder.UNSUBSCRIBE),
    ],
)
def test_in_html_an_editor_may_have_encoded_it(written: str, placeholder: Placeholder) -> None:
    """Catalogue X11."""
    text = '<p>100%25 &amp; <a href="{}">&lt;leave&gt;</a> *&#124;\r\n'

    mail = filled(part(text.format(written).encode(), "text/html"))

    assert part(text.format(html.escape(URLS[placeholder])).encode(), "text/html") == mail


@pytest.mark.parametrize(
    "written",
    [
        "*&#124;UNSUBSCRIBE&#124;*",
        "*|unsubscribe|*",
        "*|UNSUBSCRIBE|",
        "|UNSUBSCRIBE|*",
        "* |UNSUBSCRIBE|*",
        "*|UN\r\nSUBSCRIBE|*",
        "*|CT_UNSUBSCRIBE|*",
        "%unsubscribe_url",
        "unsubscribe_url%",
        "{{pm:unsubscribe}}",
        "{{{ pm:unsubscribe_not }}}",
        "asm_group_unsubscribe_raw_url",
    ],
)
def test_what_only_resembles_a_placeholder_stays(written: str) -> None:
    """Catalogue H9."""
    assert filled(part(written.encode())) is None


def test_placeholders_that_share_a_mark_do_not_overlap() -> None:
    mail = filled(part(b"*|UNSUBSCRIBE|*|UNSUBSCRIBE|*"))

    assert part(URLS[Placeholder.UNSUBSCRIBE].encode() + b"|UNSUBSCRIBE|*") == mail


def test_many_on_one_quoted_line_stay_within_its_length() -> None:
    """Catalogue X11."""
    line = (
        b"a =C3=A9 *|UNSUBSCRIBE|* *|UNSUBSCRIBE|* b =\r\n*|UNSUBSCRIBE|* and some more text up to"
        b" the end=20\r\n"
    )

    mail = filled(part(b"first\r\n" + line * 40 + b"last", encoding="quoted-printable"))

    assert mail is not None
    body = mail.partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert quopri.decodestring(b"first\r\n" + line * 40 + b"last").replace(
        b"*|UNSUBSCRIBE|*", URLS[Placeholder.UNSUBSCRIBE].encode()
    ) == quopri.decodestring(body)
