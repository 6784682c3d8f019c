"""docs/command-line.md, made of what the two command lines know of themselves. Write it again with

python -m tests.support.command_line > docs/command-line.md
"""

import sys
from collections.abc import Iterator

import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from app.__main__ import commands as signoff
from app.cli.lazy import LazyGroup
from smtp_proxy.__main__ import commands as signoff_smtp

_HEAD = """\
# The command line

Two programs: `signoff` (also `python -m app`) and `signoff-smtp` (also `python -m smtp_proxy`).
Both read the same [settings](settings.md).
`--version` prints the version, `--json` what a program can read.
Exit codes: 0 good, 1 something was found or could not be done, 2 wrong usage or configuration.
What is wrong is said on standard error, a line a problem, and never as a traceback.

This page is made by `python -m tests.support.command_line` of what the programs know of
themselves; a test compares it.
"""


def page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for name, program in (("signoff", signoff), ("signoff-smtp", signoff_smtp)):
        group = typer.main.get_command(program)
        assert isinstance(group, TyperGroup)
        parts.append(f"## {name}\n\n" + "\n".join(_sections(name, group)))
    return "\n".join(parts)


def _sections(path: str, group: TyperGroup) -> Iterator[str]:
    if isinstance(group, LazyGroup):
        group.import_all()
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _sections(f"{path} {name}", command)
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield _section(f"{path} {name}", command)


def _section(path: str, command: TyperCommand) -> str:
    arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, TyperOption) and "--help" not in parameter.opts
    ]
    usage = " ".join([path, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])])
    rows = [f"| `{_argument(each)}` | {each.help or ''}{_default(each)} |" for each in arguments]
    rows += [
        f"| `{_names(each)}` | {each.help or _UNSAID.get(each.opts[0], '')}{_default(each)} |"
        for each in options
    ]
    table = "\n".join(["| | |", "| --- | --- |", *rows]) + "\n\n" if rows else ""
    return (
        f"### `{usage}`\n\n{' '.join((command.help or '').split())}\n\n{table}".rstrip("\n") + "\n"
    )


_UNSAID = {"--json": "print JSON"}


def _argument(argument: TyperArgument) -> str:
    name = (argument.name or "").upper() + ("..." if argument.nargs < 0 else "")
    return name if argument.required else f"[{name}]"


def _names(option: TyperOption) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return (
        names
        if option.is_flag
        else f"{names} {option.metavar or option.opts[0].lstrip('-').upper()}"
    )


def _default(parameter: TyperArgument | TyperOption) -> str:
    value = parameter.default
    if value in {None, "", False, ()} or callable(value) or parameter.required:
        return ""
    return f" (default: {'yes' if value is True else value})"


if __name__ == "__main__":
    sys.stdout.write(page())
