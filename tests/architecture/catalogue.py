"""The ids of the catalogue of requirements by priority, and which of them the tests name."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def _ids(text: str) -> tuple[str, ...]:
    """Expand `H1-H12 T1` into single ids."""
    found = []
    for part in text.split():
        first, _, last = part.partition("-")
        letter, start = first[0], int(first[1:])
        found += [f"{letter}{number}" for number in range(start, int(last[1:] if last else start) + 1)]
    return tuple(found)


P0 = _ids("H1-H12 T1-T7 E1-E12 D1-D10 S1-S9 X1-X11 C1-C5 M1-M6 Q1-Q6 L1-L6 N1-N8 N10-N12 N16-N27 N31-N33 N36-N37")
P1 = _ids("H13-H20 T8-T11 E13-E22 D11-D18 S10-S20 X12-X18 C6-C8 M7-M14 B1-B3 Q7-Q12 L7-L12 N9 N13-N15 N28-N30 N34-N35")
P2 = _ids("H21-H24 T12 E23-E26 D19-D21 S21-S22 X19-X21 M15-M16 Q13-Q14 L13-L14")

_STATEMENT = re.compile(r"Catalogue ((?:[A-Z]\d{1,2}(?:-[A-Z]\d{1,2})?(?:,\s+|\s+and\s+)?)+)")
_ID = re.compile(r"([A-Z]\d{1,2})(?:-([A-Z]\d{1,2}))?")


def named_ids() -> set[str]:
    """Return every id that some test names."""
    named: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for statement in _STATEMENT.findall(path.read_text()):
            for first, last in _ID.findall(statement):
                named.update(_ids(f"{first}-{last}" if last else first))
    return named
