"""A command line that imports a command's module when the command is called.

What `signoff doctor` needs would cost `signoff keys list` its time. So the program knows of each
command a name, a place and the sentence that its help lists; a test compares the sentences with
what the commands say of themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

import typer
import typer.main
from typer.core import TyperGroup

if TYPE_CHECKING:  # typer keeps these names to itself
    from typer._click.core import Command, Context


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyCommand:
    """Where a command stands, as `module:name` of a function or a `typer.Typer`; and what the help
    of the program says of it, which is the first sentence of its own.
    """

    at: str
    help: str
    hidden: bool = False

    def command(self, name: str) -> "Command":
        """Import the command and return it under the name of the program's own."""
        module, _, attribute = self.at.partition(":")
        found: typer.Typer | Callable[[], None] = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            command: Command = typer.main.get_group(found)
            command.name = name
        else:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(name, hidden=self.hidden)(found)
            command = typer.main.get_command(alone)
        _unwrap(command)
        return command


class LazyGroup(TyperGroup):
    """Commands of which some stand elsewhere: help lists those unimported, a call imports the one
    that it means.
    """

    places: ClassVar[Mapping[str, LazyCommand]]

    def import_all(self) -> None:
        """Import every command, for those who ask what all of them are."""
        self.commands.update({name: place.command(name) for name, place in self.places.items()})

    def resolve_command(
        self, ctx: "Context", args: list[str]
    ) -> "tuple[str | None, Command | None, list[str]]":
        """Return the real command for the one that the help lists."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.places:
            if callable(ctx.obj):  # what `output.run` wants done before a command, not before help
                ctx.obj()
            command = self.places[name].command(name)
        return name, command, rest


def lazy(places: Mapping[str, LazyCommand], *, about: str) -> typer.Typer:
    """Return a command line, or a group of one, with the commands at these places; others can be
    added. `about` is what its help says first.
    """

    class Group(LazyGroup):
        """The commands of this group."""

    Group.places = places
    commands = typer.Typer(
        cls=Group,
        help=about,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name, place in places.items():
        commands.command(name, help=place.help, hidden=place.hidden)(_not_imported_yet)
    return commands


def _unwrap(command: "Command") -> None:
    """Let the terminal break the lines of a command's help, not the source code it stands in."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            _unwrap(each)


def _not_imported_yet() -> None:
    """Stand in the help for a command."""
