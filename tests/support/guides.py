"""The guides as the tests read them: what a code block of a section tells the reader to write."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def section(guide: str, title: str) -> str:
    """Return a section of a guide, from its title to the next one."""
    text = (DOCS / guide).read_text()
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"docs/{guide} has no section {title}"
    return found[1]


def block(guide: str, title: str, kind: str) -> str:
    """Return the lines of a section's code block of a kind."""
    found = re.search(rf"^```{re.escape(kind)}\n(.*?)^```", section(guide, title), re.M | re.S)
    assert found, f"docs/{guide}, {title}, has no block {kind}"
    return found[1]


def with_port(lines: str, written: str, port: int) -> str:
    """Return a guide's lines with a port of the test in place of the one that stands there. It must
    stand there.
    """
    assert written in lines, f"{written} is not in the guide's lines"
    host, _, _ = written.rpartition(":")
    return lines.replace(written, f"{host}:{port}")
