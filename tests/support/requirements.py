"""docs/requirements.md: its rows, and its column of tests, which is filled in from the docstrings.
Write that column with

python -m tests.support.requirements
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs/requirements.md"

ID = r"[A-Z]\d{1,2}"
IDS = rf"{ID}(?:(?:,\s+|\s+and\s+|\s+to\s+|-|–){ID})*"
_BETWEEN = re.compile(rf"({ID})(?:(?:\s+to\s+|-|–)({ID}))?")
_STATEMENT = re.compile(rf"Catalogue ({IDS})")
_ROW = re.compile(rf"^\| ({ID}) \| (P[012]) \| (.*) \|([^|]*)\|$", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row: its id, its priority, and the text of sentence and source."""

    id: str
    priority: str
    text: str


def requirements() -> list[Requirement]:
    """Return all rows of the page, in its order."""
    return [
        Requirement(id=row[0], priority=row[1], text=row[2])
        for row in _ROW.findall(PAGE.read_text())
    ]


def single_ids(text: str) -> Iterator[str]:
    """Yield each id that a list such as `H1, H4 to H6` names."""
    for first, last in _BETWEEN.findall(text):
        end = int(last[1:]) if last else int(first[1:])
        yield from (f"{first[0]}{number}" for number in range(int(first[1:]), end + 1))


def proofs() -> dict[str, set[str]]:
    """Return for each id that some test names the files of those tests, as paths in `tests`."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for statement in _STATEMENT.findall(path.read_text()):
            for each in single_ids(statement):
                found[each].add(str(path.relative_to(TESTS)))
    return found


def page() -> str:
    """Return the page with its column of tests as the docstrings are now."""
    proved = proofs()
    return _ROW.sub(
        lambda row: f"| {row[1]} | {row[2]} | {row[3]} | {_files(proved.get(row[1], set()))} |",
        PAGE.read_text(),
    )


def _files(paths: set[str]) -> str:
    return ", ".join(f"`{path}`" for path in sorted(paths)) or "–"


if __name__ == "__main__":
    PAGE.write_text(page())
