"""The requirements of docs/requirements.md by priority, and which of them the tests name."""

from tests.support.requirements import proofs, requirements


def _of(priority: str) -> tuple[str, ...]:
    return tuple(row.id for row in requirements() if row.priority == priority)


P0, P1, P2 = map(_of, ("P0", "P1", "P2"))


def named_ids() -> set[str]:
    """Return every id that some test names."""
    return set(proofs())
