"""Quoted-printable: places are exact, lines stay short."""

import quopri

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.mail import quoted_printable
from app.core.mail.quoted_printable import MAX_LINE_CHARS

TEXTS = st.lists(
    st.sampled_from(
        [
            b"a",
            b"=",
            b"=41",
            b"=3D",
            b"=\r\n",
            b"= \t\r\n",
            b"\r\n",
            b" ",
            b"==",
            b"=e9",
            b"=zz",
            b"\xe9",
        ]
    ),
    max_size=60,
)


def test_a_doubled_sign_before_white_space_is_no_soft_break() -> None:
    assert b"= \t\r\n" == quoted_printable.decode(b"== \t\r\n")
    assert [(0, 2), (2, 5)] == quoted_printable.places(b"== \t\r\n", [(0, 1), (1, 4)])


@settings(max_examples=200, deadline=None)
@given(TEXTS.map(b"".join), st.data())
def test_the_place_of_octets_is_where_their_code_stands(
    encoded: bytes, data: st.DataObject
) -> None:
    """Catalogue X11: what is cut out of the encoded text is what was found in the decoded one."""
    decoded = quoted_printable.decode(encoded)
    bounds = sorted(data.draw(st.sets(st.integers(0, len(decoded)), max_size=6)))
    spans = list(zip(bounds[::2], bounds[1::2], strict=False))

    places = quoted_printable.places(encoded, spans)

    assert places is not None
    # An equals sign that is no code stands for itself only when something follows.
    read_again = [quoted_printable.decode(encoded[start:end] + b"!") for start, end in places]
    assert [decoded[start:end] + b"!" for start, end in spans] == read_again


def test_places_are_right_far_behind_the_first_block() -> None:
    line = b"caf=C3=A9 =\r\nau lait\r\n"
    encoded = line * 2000 + b"*=7CX=\r\nY" + line * 10
    at = len(quoted_printable.decode(line * 2000))

    assert [(len(line) * 2000, len(line) * 2000 + 9)] == quoted_printable.places(
        encoded, [(at, at + 4)]
    )


def test_places_in_a_text_that_is_too_short_are_unknown() -> None:
    assert quoted_printable.places(b"abc", [(1, 7)]) is None


@given(st.binary(max_size=300), st.integers(0, 120))
def test_what_is_written_reads_the_same_and_leaves_room_for_a_soft_break(
    octets: bytes, column: int
) -> None:
    """Catalogue X11: RFC 2045 6.7 rule 5."""
    code, behind = quoted_printable.written(octets, column)
    lines = (b"x" * column + code).split(b"\r\n")

    assert octets == quopri.decodestring(code)
    assert len(lines[-1]) == behind <= max(MAX_LINE_CHARS - 1, column * (not octets))
    assert all(len(line) <= MAX_LINE_CHARS for line in lines[1:])
    assert len(lines[0]) <= max(MAX_LINE_CHARS, column + 1)
