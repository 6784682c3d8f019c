"""One version, wherever somebody reads it."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from app.__main__ import commands as signoff
from smtp_proxy.__main__ import commands as signoff_smtp

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_latest_release_of_the_changelog_is_this_version() -> None:
    releases = re.findall(
        r"^## (\d\S+) \(\d{4}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )

    assert releases[0] == VERSION


def test_compose_builds_an_image_of_this_version() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()

    assert {service["image"] for service in services if service["image"].startswith("signoff")} == {
        f"signoff:{VERSION}"
    }


def test_every_image_in_a_page_has_this_version() -> None:
    tags = {
        tag
        for page in (ROOT / "docs").glob("*.md")
        for tag in re.findall(r"\bsignoff:(\d[\w.]*)", page.read_text())
    }

    assert tags == {VERSION}


@pytest.mark.parametrize("program", [signoff, signoff_smtp])
def test_both_programs_print_the_version_that_is_installed(program: Typer) -> None:
    done = CliRunner().invoke(program, ["--version"])

    assert (done.exit_code, done.output) == (0, f"{metadata.version('signoff')}\n")
