"""A minute of chaos; `make chaos` runs it longer, or again by the seed of a failure."""

import secrets
from pathlib import Path

import pytest

from tests.chaos.__main__ import print_books
from tests.chaos.run import Outcome, run

pytestmark = pytest.mark.interop

SECONDS = 60


async def test_the_books_balance_after_a_minute_in_which_everything_breaks(tmp_path: Path) -> None:
    """Catalogue E7, E8, M6, Q2, Q7, N23, N27, N29, X3, X14: faults by a seed, two at a time, under
    mail, clicks and lists.
    """
    seed, outcome = secrets.randbelow(2**32), Outcome()
    print(f"python -m tests.chaos --seconds {SECONDS} --seed {seed}")
    try:
        await run(tmp_path, seed=seed, seconds=SECONDS, tell=print, outcome=outcome)
    finally:
        print_books(outcome, seed=seed)

    assert outcome.accounts, outcome.plan
    assert not outcome.wrong, f"seed {seed}: {outcome.plan}"
