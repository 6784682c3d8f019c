"""Base64 in pieces: what it reads and writes is what one call for the whole text would."""

import base64
import binascii
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.mail import base64_code
from app.core.mail.macros import Placeholder
from app.core.mail.macros_plan import plan_body
from app.core.mail.message import parse
from tests.support.placeholders import URLS, part

CODES = st.lists(
    st.sampled_from([b"QUJD", b"QQ==", b"QUI=", b"A", b"=", b"\r\n", b" \t", b"!", b"+/"]),
    max_size=12,
).map(b"".join)
PIECES = [1, 3, 4, 7, 64]


@pytest.fixture(params=PIECES, autouse=True)
def small_pieces(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base64_code, "PIECE_OCTETS", request.param)
        yield


def strictly(code: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(code.translate(None, b" \t\r\n"), strict_mode=True)
    except binascii.Error:
        return None


def in_pieces(code: bytes) -> bytes | None:
    try:
        return base64_code.decode(code)
    except binascii.Error:
        return None


@settings(deadline=None)
@given(CODES)
def test_code_is_read_or_refused_wherever_it_is_cut(code: bytes) -> None:
    """Catalogue X11: strictly, so that no reader sees another text."""
    assert strictly(code) == in_pieces(code)


@settings(deadline=None)
@given(CODES)
def test_what_some_reader_may_see_does_not_depend_on_the_cut(code: bytes) -> None:
    """Catalogue X11."""
    whole = b"".join(
        binascii.a2b_base64(section[: len(section) - (len(section) % 4 == 1)] + b"==")
        for section in (section.translate(None, b"\r\n \t!") for section in code.split(b"="))
    )

    assert whole == base64_code.decode_leniently(code)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(20, 998))
def test_lines_are_as_long_as_asked_wherever_the_octets_are_cut(
    octets: list[bytes], width: int
) -> None:
    code = base64.b64encode(b"".join(octets))

    assert b"\r\n".join(code[at : at + width] for at in range(0, len(code), width)) == b"".join(
        base64_code.lines(octets, width)
    )


def test_no_call_gets_more_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue D8: nothing holds the interpreter for long. The lines of one block are the least
    that can be made at once.
    """
    sizes: list[int] = []
    for name in ("a2b_base64", "b2a_base64"):
        call = getattr(binascii, name)

        def noted(octets: bytes, call: object = call, **how: bool) -> bytes:
            sizes.append(len(octets))
            return call(octets, **how)  # type: ignore[operator,no-any-return] # one of the two functions above

        monkeypatch.setattr(binascii, name, noted)
    text = b"x" * 5000 + b"*|UNSUBSCRIBE|*" + b"y" * 5000
    mail = part(base64.encodebytes(text).replace(b"\n", b"\r\n"), encoding="base64")
    sizes.clear()

    plan = plan_body(parse(mail), url_chars=200)
    assert plan is not None
    filled = plan.fill(URLS)

    assert sum(sizes) >= 20_000
    assert max(sizes) <= max(base64_code.PIECE_OCTETS + 3, 57)
    assert text.replace(
        b"*|UNSUBSCRIBE|*", URLS[Placeholder.UNSUBSCRIBE].encode()
    ) == base64.b64decode(filled)
