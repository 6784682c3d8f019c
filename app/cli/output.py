"""How the command line speaks: a table or sentences for people, JSON where somebody pipes, one
clear line for what is wrong.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from app.core.errors import Misconfigured, SignoffError
from app.observe import log as logs

_ANY_WIDTH = 100_000  # characters


class Exit(IntEnum):
    """The exit codes of every command."""

    GOOD = 0
    FINDING = 1
    USAGE = 2


def show_version(asked: bool) -> None:
    """Print the version and end, if that was asked for."""
    if asked:
        from importlib.metadata import version  # the other commands need not wait for it

        print(version("signoff"))
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=show_version, is_eager=True, help="print the version and end"
    ),
]


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows: one JSON array, or a table.

    People copy ids and keys, and programs read them, so none is ever broken: one row that does not
    fit stands one value a line, of several only sentences are folded, and where nobody looks not
    even those.
    """
    if as_json:
        named = [{name.replace(" ", "_"): value for name, value in row.items()} for row in rows]
        print(json.dumps(named, ensure_ascii=False, indent=2))
        return
    console = Console()
    table = _table(rows[0] if rows else (), [list(row.values()) for row in rows])
    least, most = _widths(console, table)
    if len(rows) == 1 and most > console.width:
        table = _table((), list(rows[0].items()))
        least, most = _widths(console, table)
    width = min(most, max(least, console.width)) if console.is_terminal else most
    for line in console.render_lines(table, console.options.update(width=width), pad=False):
        print("".join(segment.text for segment in line).rstrip())


def _table(names: Iterable[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(*names, box=None, pad_edge=False, show_header=bool(names))
    for row in rows:
        table.add_row(*(Text(str(value), overflow="fold") for value in row))
    for at, column in enumerate(table.columns):
        column.no_wrap = not any(" " in str(row[at]) for row in rows)
    return table


def _widths(console: Console, table: Table) -> tuple[int, int]:
    """Return how wide a table is with every sentence folded, and with none."""
    found = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table)
    return found.minimum, found.maximum


def moment(at_ms: int) -> str:
    """Return a time as people read it, UTC; a dash for none."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000)) if at_ms else "-"


def fail(error: SignoffError) -> NoReturn:
    """Say what is wrong on stderr, a line a problem, and end: 2 for a wrong configuration, else
    1.
    """
    if isinstance(error, Misconfigured):
        print(
            "The configuration cannot be used:",
            *(f"  {problem}" for problem in error.problems),
            sep="\n",
            file=sys.stderr,
        )
        sys.exit(Exit.USAGE)
    print(f"{error.code}: {error}", file=sys.stderr)
    sys.exit(Exit.FINDING)


def run(commands: typer.Typer) -> None:
    """Run one command of a command line; what is wrong is said in one line a problem, never as a
    traceback.
    """
    # a command speaks by its output; a serving process sets its own level
    logs.configure(level="error")
    try:
        commands()
    except SignoffError as error:
        fail(error)
