"""From the peer's bytes to one clean line of ours."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_proxy.downstream.peer_reply import (
    PeerReply,
    ProtocolViolation,
    ReplyReader,
    as_reply,
    declined,
)
from smtp_proxy.replies import Deferred, RefusedCopy, Reply

THREE = b"250-2.1.0 one\r\n250 2.1.0 two\r\n354 go\r\n550\r\n"


@given(cuts=st.lists(st.integers(0, len(THREE)), max_size=8))
def test_replies_do_not_depend_on_how_they_are_cut(cuts: list[int]) -> None:
    """Catalogue C7."""
    reader = ReplyReader()
    edges = [0, *sorted(cuts), len(THREE)]

    replies = [
        reply for start, end in itertools.pairwise(edges) for reply in reader.feed(THREE[start:end])
    ]

    assert [
        PeerReply(250, (b"2.1.0 one", b"2.1.0 two")),
        PeerReply(354, (b"go",)),
        PeerReply(550, (b"",)),
    ] == replies
    assert not reader.pending


@given(data=st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_replies_or_a_violation(data: list[bytes]) -> None:
    """Catalogue C7: no other error, and every reply can be passed on."""
    reader = ReplyReader()
    try:
        replies = [reply for chunk in data for reply in reader.feed(chunk)]
    except ProtocolViolation:
        return

    assert all(200 <= reply.code <= 599 for reply in replies)


@given(
    text=st.lists(
        st.binary(max_size=700).filter(lambda text: b"\n" not in text), min_size=1, max_size=4
    )
)
def test_a_passed_on_text_is_one_printable_ascii_line(text: list[bytes]) -> None:
    """Catalogue X6, L9."""
    reply = as_reply(PeerReply(550, tuple(text)))

    assert reply.text.isascii()
    assert reply.text.isprintable()
    assert 1 <= len(reply.text) <= 400
    assert reply.enhanced.startswith("5.")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (PeerReply(550, (b"5.1.1 unknown",)), Reply(550, "5.1.1", "unknown")),
        (PeerReply(550, (b"unknown",)), Reply(550, "5.0.0", "unknown")),
        (PeerReply(452, (b"full",)), Reply(452, "4.0.0", "full")),
        (PeerReply(550, (b"5.7.1",)), Reply(550, "5.7.1", "No text was given")),
        (PeerReply(550, (b"",)), Reply(550, "5.0.0", "No text was given")),
        (
            PeerReply(550, (b"5.7.26 first", b"5.7.26   second", b"third\t.")),
            Reply(550, "5.7.26", "first second third ."),
        ),
        (
            PeerReply(550, (b"4.7.1 class of the text differs",)),
            Reply(550, "5.7.1", "class of the text differs"),
        ),
        (PeerReply(550, (b"5.1.1.1 no code",)), Reply(550, "5.0.0", "5.1.1.1 no code")),
        (PeerReply(554, ("n\xf6 \x1b[31m".encode("latin-1"),)), Reply(554, "5.0.0", "n? ?[31m")),
    ],
)
def test_the_enhanced_code_and_the_text_are_kept(peer: PeerReply, expected: Reply) -> None:
    """Catalogue X6."""
    assert expected == as_reply(peer)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (421, Deferred(reply=Reply(451, "4.0.0", "x"))),
        (450, Deferred(reply=Reply(450, "4.0.0", "x"))),
        (550, RefusedCopy(reply=Reply(550, "5.0.0", "x"))),
        (535, Deferred(reply=Reply(451, "4.7.0", "Downstream declined: 535 5.0.0 x"))),
    ],
)
def test_a_refusal_becomes_an_outcome(code: int, expected: Deferred | RefusedCopy) -> None:
    """Catalogue X6."""
    assert expected == declined(PeerReply(code, (b"x",)))
