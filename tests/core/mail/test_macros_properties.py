"""For any mail: what readers see is the text with its placeholders replaced, and every other octet
is as it came.
"""

import base64
import quopri

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.mail.test_macros import expected_text
from tests.core.mail.test_mime import multipart
from tests.support.placeholders import MEANINGS, filled, texts

_CHARSETS = ["utf-8", "iso-8859-1", "windows-1252", "utf-16", "iso-2022-jp"]
_WORDS = st.sampled_from(
    [
        *MEANINGS,
        "hello",
        "é",
        "=.",
        "=3D",
        " ",
        "\t",
        ".",
        "--",
        "&amp;",
        "*|",
        "%",
        "{{{",
        "<p>",
        "UNSUBSCRIBE",
        "\n",
        "From ",
    ]
)
_TEXTS = st.lists(_WORDS, max_size=25)


@st.composite
def parts(draw: st.DrawFn) -> tuple[bytes, str, str]:
    """Return a MIME part, its kind and its text."""
    kind = draw(st.sampled_from(["text/plain", "text/html"]))
    charset = draw(st.sampled_from(_CHARSETS))
    encoding = draw(
        st.sampled_from(["base64", "quoted-printable", *(["8bit"] if charset != "utf-16" else [])])
    )
    # glued together two would be no URL
    words = [f" {word} " if word in MEANINGS else word for word in draw(_TEXTS)]
    # a line of 8bit has its limit
    octets = ("\n" if encoding == "8bit" else "").join(words).encode(charset, "ignore")
    text = octets.decode(charset)
    if encoding == "base64":
        body = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        body = quopri.encodestring(octets, quotetabs=draw(st.booleans())).replace(b"\n", b"\r\n")
    else:
        body = octets.replace(b"\n", b"\r\n")
    head = (
        f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + body, kind, text


@settings(deadline=None)
@given(st.lists(parts(), min_size=1, max_size=4))
def test_readers_see_the_text_with_its_placeholders_replaced(
    drawn: list[tuple[bytes, str, str]],
) -> None:
    """Catalogue X11."""
    mail = multipart(*[part for part, _, _ in drawn])
    before = texts(mail)

    after = filled(mail)

    expected = [expected_text(text, kind) for text, (_, kind, _) in zip(before, drawn, strict=True)]
    assert expected == texts(mail if after is None else after)
    assert (after is None) == (expected == before)


@settings(deadline=None)
@given(st.lists(parts(), min_size=1, max_size=4))
def test_parts_without_a_placeholder_and_all_heads_keep_their_octets(
    drawn: list[tuple[bytes, str, str]],
) -> None:
    """Catalogue H9."""
    mail = multipart(*[part for part, _, _ in drawn])
    after = filled(mail) or mail

    came, left = (octets.split(b"\r\n--b") for octets in (mail, after))
    assert len(came) == len(left)
    for old, new, (_, kind, text) in zip(came[1:], left[1:], drawn, strict=False):
        assert new.partition(b"\r\n\r\n")[0] == old.partition(b"\r\n\r\n")[0]
        if expected_text(text, kind) == text:
            assert new == old


@settings(deadline=None)
@given(
    st.lists(parts().filter(lambda drawn: b"quoted-printable" in drawn[0]), min_size=1, max_size=2)
)
def test_quoted_lines_that_hold_no_placeholder_keep_their_octets_and_none_gets_too_long(
    drawn: list[tuple[bytes, str, str]],
) -> None:
    """Catalogue H9, X11."""
    mail = multipart(*[part for part, _, _ in drawn])
    after = filled(mail) or mail

    new_lines = iter(after.split(b"\r\n"))
    logical = mail.replace(b"=\r\n", b"").split(b"\r\n")
    kept = [
        line
        for line in mail.split(b"\r\n")
        if line in logical and not any(mark in line for mark in (b"|", b"{", b"%", b"_", b"=7"))
    ]
    assert all(line in new_lines for line in kept)  # in their order
    assert max(map(len, after.split(b"\r\n"))) <= 76
