"""How the command line speaks: a table or sentences for people, JSON where somebody pipes, one clear line for what is wrong."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

from app.core.errors import Misconfigured, SignoffError
from app.observe import log as logs


class Exit(IntEnum):
    """The exit codes of every command."""

    GOOD = 0
    FINDING = 1
    USAGE = 2


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows: one JSON array, or a table."""
    if as_json:
        print(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def moment(at_ms: int) -> str:
    """Return a time as people read it, UTC; a dash for none."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000)) if at_ms else "-"


def fail(error: SignoffError) -> NoReturn:
    """Say what is wrong on stderr, a line a problem, and end: 2 for a wrong configuration, else 1."""
    if isinstance(error, Misconfigured):
        print("The configuration cannot be used:", *(f"  {problem}" for problem in error.problems), sep="\n", file=sys.stderr)
        sys.exit(Exit.USAGE)
    print(f"{error.code}: {error}", file=sys.stderr)
    sys.exit(Exit.FINDING)


def run(commands: typer.Typer) -> None:
    """Run one command of a command line; what is wrong is said in one line a problem, never as a traceback."""
    logs.configure(level="error")  # a command speaks by its output; a serving process sets its own level
    try:
        commands()
    except SignoffError as error:
        fail(error)
