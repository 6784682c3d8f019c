"""`make chaos`: a whole installation under load, broken by faults that a seed draws; then the
books.

    python -m tests.chaos [--seconds 60] [--seed N]

The seed is printed, and draws the same faults in the same order again; how clicks, mails and faults
meet is up to the machine. Exit 1 when a book does not balance or nothing went on any more; the
folder with all state is kept then, with the log of each process.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Outcome, run

_MOST_SHOWN = 20


def main() -> int:
    """Run, print the books, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=60, help="for how long faults happen")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    chosen = parser.parse_args()
    progress = Console(stderr=True, highlight=False)
    progress.print(f"seed {chosen.seed}")
    folder = Path(tempfile.mkdtemp(prefix="signoff-chaos-"))
    outcome, broken = Outcome(), False
    try:
        asyncio.run(
            run(
                folder,
                seed=chosen.seed,
                seconds=chosen.seconds,
                tell=progress.print,
                outcome=outcome,
            )
        )
    except Exception:
        broken = True
        traceback.print_exc()
    print_books(outcome, seed=chosen.seed)
    if not (broken or outcome.wrong):
        shutil.rmtree(folder)
        return 0
    progress.print(f"seed {chosen.seed} FAILED; the state and the logs are in {folder}")
    return 1


def print_books(outcome: Outcome, *, seed: int) -> None:
    """Print one line an account, and what is wrong below."""
    table = Table(title=f"seed {seed}: {len(outcome.plan)} steps of faults", title_justify="left")
    table.add_column("account")
    for column in ("promised", "kept", "again", "wrong"):
        table.add_column(column, justify="right")
    for account in outcome.accounts:
        table.add_row(
            account.name,
            *map(_figure, (account.promised, account.kept, account.again, len(account.wrong))),
        )
    console = Console(width=100, highlight=False)
    console.print(table)
    for line in outcome.wrong[:_MOST_SHOWN]:
        console.print(line, markup=False)
    if len(outcome.wrong) > _MOST_SHOWN:
        console.print(f"and {len(outcome.wrong) - _MOST_SHOWN} more")


def _figure(count: int) -> str:
    return f"{count:,}" if count else "–"


if __name__ == "__main__":
    sys.exit(main())
