"""How the command line speaks: a table or sentences for people, JSON where somebody pipes, one
clear line for what is wrong.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Annotated, NoReturn

import typer

from app.core.errors import Misconfigured, SignoffError
from app.core.visible import visible, visible_json

ANY_LENGTH = 1_000_000  # characters: more than anything that is shown


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


def options(version: Version = False) -> None:
    """Take the options of the program itself."""


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON in which no character can steer a terminal."""
    return visible_json(json.dumps(value, ensure_ascii=False, indent=indent))


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows: one JSON array, or a table.

    People copy ids and keys, and programs read them, so none is ever broken: one row that does not
    fit stands one value a line, of several only sentences are folded, and where nobody looks not
    even those.
    """
    if as_json:
        named = [{name.replace(" ", "_"): value for name, value in row.items()} for row in rows]
        print(json_text(named, indent=2))
        return
    from app.cli.table import print_rows  # a library that JSON and messages need not wait for

    print_rows(rows)


def fail(error: SignoffError) -> NoReturn:
    """Say what is wrong on stderr, a line a problem, and end: 2 for a wrong configuration, else
    1.
    """
    if isinstance(error, Misconfigured):
        print(
            "The configuration cannot be used:",
            *(f"  {visible(problem, most=ANY_LENGTH)}" for problem in error.problems),
            sep="\n",
            file=sys.stderr,
        )
        sys.exit(Exit.USAGE)
    print(f"{error.code}: {visible(str(error), most=ANY_LENGTH)}", file=sys.stderr)
    sys.exit(Exit.FINDING)


def run(commands: typer.Typer) -> None:
    """Run one command of a command line; what is wrong is said in one line a problem, never as a
    traceback.
    """
    try:
        commands(obj=_speak_by_output)
    except SignoffError as error:
        fail(error)


def _speak_by_output() -> None:
    """Let a command log errors alone; a serving process sets its own level."""
    from app.observe import log  # what help and version need not wait for

    log.configure(level="error")
