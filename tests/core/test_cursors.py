"""Cursors lead back to where they were taken, and nothing else passes for one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import cursors
from app.core.errors import RuleViolation
from app.core.model import RecipientDigest


def drawn(seed: int, *, quiet: float) -> list[tuple[int, int]]:
    """Positions of 256 partitions over a month; in that share of them nothing ever happened."""
    chance = random.Random(seed)
    busy = [
        (1_790_000_000_000 - chance.randrange(30 * 86_400_000), chance.randrange(1_000))
        for _ in range(256)
    ]
    return [(0, 0) if chance.random() < quiet else position for position in busy]


@given(digest=st.binary(min_size=10, max_size=10).map(RecipientDigest))
def test_a_cursor_of_the_roster_is_read_as_it_was_written(digest: RecipientDigest) -> None:
    assert digest == cursors.recipient_of(cursors.after_recipient(digest))


@given(seed=st.integers(), quiet=st.sampled_from([0, 0.5, 0.99, 1]))
def test_a_cursor_of_the_journal_is_read_as_it_was_written(seed: int, quiet: float) -> None:
    positions = drawn(seed, quiet=quiet)

    assert positions == list(cursors.positions_of(cursors.behind_positions(positions)))


def test_a_busy_brands_cursor_fits_into_a_query() -> None:
    assert len(cursors.behind_positions(drawn(8, quiet=0))) < cursors.MAX_CURSOR_CHARS * 3 // 4
    assert len(cursors.behind_positions([(0, 0)] * 256)) < 40


@given(
    text=st.text(min_size=1, max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True)
)
def test_anything_else_is_refused(text: str) -> None:
    for read in (cursors.recipient_of, cursors.positions_of, cursors.entry_of):
        with pytest.raises(RuleViolation):
            read(text)


def test_one_lists_cursor_is_none_of_another() -> None:
    with pytest.raises(RuleViolation):
        cursors.recipient_of(cursors.behind_positions([(5, 0)] * 256))
    with pytest.raises(RuleViolation):
        cursors.positions_of(cursors.after_recipient(RecipientDigest(b"0123456789")))
