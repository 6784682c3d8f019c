"""Every command that the documentation shows is run, against everything that `make run` starts, and
prints what the page shows.

The pages share one set of services and have a shell each. The quick start comes first, for it
speaks of a fresh start; what the others show must not depend on what came before them, so no two
pages write of the same recipient or group.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, running_stack
from tests.support.transcript import commands, fits, run

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "docs/quick-start.md"
OTHERS = sorted({ROOT / "README.md", *(ROOT / "docs").glob("*.md")} - {FIRST})
PAGES = [page for page in [FIRST, *OTHERS] if any(commands(page.read_text()))]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert shutil.which("curl"), "curl is missing: apt-get install curl"
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_prints_what_the_page_shows(page: Path, stack: Stack) -> None:
    known = list(commands(page.read_text()))

    printed = run(known, stack)

    assert len(printed) == len(known)
    wrong = [
        f"{page.name}:{command.line}: $ {command.text}\n--- shown\n{command.output}\n--- printed,"
        f" exit {code}\n{output}"
        for command, (code, output) in zip(known, printed, strict=True)
        if code != command.exit or not fits(command.output, output)
    ]
    assert not wrong, "\n\n".join(wrong)


def test_there_are_pages_with_commands() -> None:
    assert {"quick-start.md", "operations.md", "brands.md"} <= {page.name for page in PAGES}
