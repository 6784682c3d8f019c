"""A command imports what it needs, and nothing that only another command needs."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer.main
from typer import Typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from app.__main__ import commands as signoff
from app.cli.keys import commands as keys
from app.cli.lazy import LazyGroup
from smtp_proxy.__main__ import commands as signoff_smtp

ROOT = Path(__file__).resolve().parents[2]
SERVERS = (
    "starlette",
    "hypercorn",
    "redis",
    "aiohttp",
    "aiosmtpd",
    "dkim",
    "dns",
    "babel",
    "jinja2",
    "sqlite3",
    "app.store",
    "app.usecases",
    "app.wiring",
)
RUN = """
import importlib, sys
program, *sys.argv[1:] = sys.argv[1:]
main = importlib.import_module(program + ".__main__").main
try:
    main()
finally:
    print(" ".join(sys.modules), file=sys.stderr)
"""


def loaded(program: str, arguments: Sequence[str], folder: Path) -> set[str]:
    """Return every module that a command has loaded when it ends, which must be well."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, program, *arguments],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("app", ["--help"]),
        ("app", ["--version"]),
        ("app", ["keys", "--help"]),
        ("app", ["keys", "init", "made.toml"]),
        ("app", ["keys", "dkim", "made.pem"]),
        ("smtp_proxy", ["--help"]),
        ("smtp_proxy", ["--version"]),
    ],
)
def test_a_cheap_command_loads_no_library_of_a_server(
    program: str, arguments: list[str], tmp_path: Path
) -> None:
    found = loaded(program, arguments, tmp_path)

    assert not {
        name for name in found for heavy in SERVERS if name == heavy or name.startswith(f"{heavy}.")
    }


def test_help_loads_no_command(tmp_path: Path) -> None:
    found = loaded("app", ["--help"], tmp_path)

    places = {place.at.partition(":")[0] for place in group_of(signoff).places.values()}
    assert places and not places & found
    assert not found & {"pydantic", "structlog", "cryptography"}


@pytest.mark.parametrize("commands", [signoff, signoff_smtp, keys])
def test_help_says_of_a_command_what_the_command_says_first_of_itself(commands: Typer) -> None:
    group = group_of(commands)
    for name, place in group.places.items():
        said = " ".join((place.command(name).help or "").split())
        assert f"{said} ".startswith(f"{place.help} "), name
        assert place.hidden or f"\u2502 {name} " in CliRunner().invoke(commands, ["--help"]).output


def test_a_group_of_one_command_stays_a_group() -> None:
    command = group_of(signoff).places["events"].command("events")

    assert isinstance(command, TyperGroup)
    assert list(command.commands) == ["tail"]


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    done = CliRunner().invoke(signoff, ["keyz"])

    assert done.exit_code == 2
    assert "No such command 'keyz'. Did you mean 'keys'?" in done.output


def group_of(commands: Typer) -> LazyGroup:
    group = typer.main.get_command(commands)
    assert isinstance(group, LazyGroup)
    return group
