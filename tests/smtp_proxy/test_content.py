"""Content as it arrives, in any pieces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.content import Content, ContentRules, LineEndings, LongLines
from smtp_proxy.session.memory import MemoryBudget, Reservation

PIECES = st.lists(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\0", b"\r\n.\r\n"]), max_size=6
    ).map(b"".join),
    max_size=8,
)


def received(
    pieces: list[bytes],
    *,
    line_endings: LineEndings = "reject",
    long_lines: LongLines = "accept",
    max_bytes: int = 10**6,
    budget: MemoryBudget | None = None,
) -> tuple[bytes, bytes, Reply | None] | None:
    """Feed the pieces one after the other; return content, rest and refusal, or None when the end
    mark did not come.
    """
    memory = Reservation(budget or MemoryBudget(10**7))
    buffer = bytearray()
    content = Content(
        buffer,
        ContentRules(max_bytes=max_bytes, line_endings=line_endings, long_lines=long_lines),
        memory,
    )
    for number, piece in enumerate(pieces):
        buffer += piece
        if content.advance():
            message, rest = content.finish()
            return bytes(message), bytes(rest) + b"".join(pieces[number + 1 :]), content.refusal
    return None


def expected(octets: bytes) -> tuple[bytes, bytes] | None:
    """The same by the letter of RFC 5321 4.1.1.4 and 4.5.2, on the whole at once."""
    raw, mark, rest = (b"\r\n" + octets).partition(b"\r\n.\r\n")
    if not mark:
        return None
    lines = (raw + b"\r\n").split(b"\r\n")[1:]
    return b"\r\n".join(line.removeprefix(b".") for line in lines), rest


def is_lawful(content: bytes) -> bool:
    return not re.search(rb"\0|\r(?!\n)|(?<!\r)\n", content)


@given(PIECES)
def test_pieces_make_no_difference_to_content_and_end(pieces: list[bytes]) -> None:
    """Catalogue S1."""
    octets = b"".join(pieces)

    found = received(pieces)

    whole = expected(octets)
    if whole is None:
        assert found is None
    elif is_lawful(octets[: len(octets) - len(whole[1])]):
        assert (*whole, None) == found
    else:
        assert found is not None
        assert (whole[1], replies.CONTENT_MALFORMED) == found[1:]


@given(PIECES)
def test_normalised_content_has_only_lawful_line_ends_and_ends_at_the_same_place(
    pieces: list[bytes],
) -> None:
    """Catalogue S1: but for CR CR LF . CR LF, whose end is in doubt and which no setting lets
    pass.
    """
    octets = b"".join(pieces)

    found = received(pieces, line_endings="normalise")

    whole = expected(octets)
    assert (whole is None) == (found is None)
    if (
        whole is not None
        and found is not None
        and (b"\r\n" + octets)[: -len(b"\r\n.\r\n" + whole[1])].endswith(b"\r")
    ):
        assert (whole[1], replies.CONTENT_MALFORMED) == found[1:]
    elif whole is not None and found is not None:
        assert is_lawful(found[0])
        assert (whole[1], None) == found[1:]
        assert re.sub(rb"[\r\n\0]", b"", whole[0]) == re.sub(rb"[\r\n]", b"", found[0])


@given(
    st.lists(
        st.binary(max_size=40).filter(lambda line: not re.search(rb"[\r\n\0]", line)), max_size=10
    )
)
def test_a_stuffed_message_comes_out_as_it_went_in(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    wire = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)

    assert (message, b"", None) == received([wire + b".\r\n"])


@pytest.mark.parametrize(
    ("length", "refusal"),
    [(998, None), (999, replies.LINE_TOO_LONG), (5000, replies.LINE_TOO_LONG)],
)
@pytest.mark.parametrize("piece", [7, 1000, 10**6])
def test_long_lines_are_refused_when_that_is_the_policy(
    length: int, refusal: Reply | None, piece: int
) -> None:
    """Catalogue S8."""
    wire = b"Subject: x\r\n\r\n" + b"short\r\n" * 300 + b"y" * length + b"\r\nshort\r\n.\r\n"

    found = received(
        [wire[start : start + piece] for start in range(0, len(wire), piece)], long_lines="reject"
    )

    assert found is not None
    assert refusal == found[2]


def test_long_lines_pass_unchanged_by_default() -> None:
    """Catalogue S8."""
    message = b"y" * 5000 + b"\r\n"

    assert (message, b"", None) == received([message + b".\r\n"])


def test_size_counts_neither_stuffed_dots_nor_the_end_mark() -> None:
    """Catalogue S7."""
    message = b"..\r\n" * 5

    assert (b".\r\n" * 5, b"", None) == received([message + b".\r\n"], max_bytes=15)
    assert (b"", b"", replies.MESSAGE_TOO_LARGE) == received([message + b".\r\n"], max_bytes=14)


def test_content_that_is_refused_gives_its_memory_back_while_the_rest_is_read() -> None:
    """Catalogue S7."""
    budget = MemoryBudget(100)
    memory, buffer = Reservation(budget), bytearray()
    content = Content(buffer, ContentRules(max_bytes=10**6), memory)

    for _ in range(50):
        buffer += b"x" * 8 + b"\r\n"
        content.advance()

    assert 0 == budget.used
    assert 100 >= budget.peak
    assert 20 > len(buffer)
    assert replies.OUT_OF_MEMORY == content.refusal


@pytest.mark.parametrize("line_endings", ["reject", "normalise"])
@pytest.mark.parametrize("cut", range(1, 6))
def test_a_doubtful_end_is_refused_wherever_the_octets_were_cut(
    line_endings: LineEndings, cut: int
) -> None:
    """Catalogue S1: CR CR LF . CR LF."""
    octets = b"\r\r\n.\r\n"

    found = received([octets[:cut], octets[cut:]], line_endings=line_endings)

    assert found is not None
    assert found[2] is replies.CONTENT_MALFORMED
