"""How newly something was said when the store is told: what decides whether a wrong clock may make
it lose.

docs/adr/0045-the-time-of-a-wrong-clock.md has the rule that the store follows.
"""

from app.core.model import Recency, Source, Statement

AHEAD_MS = 5 * 60 * 1000  # how far a statement's time may lie ahead of our clock
_NOW_MS = 10_000  # how far its time may lie from our clock while it counts as said now
# these tell of a time that somebody else has noted
_DATED = frozenset((Source.IMPORT, Source.IMPORT_UNDONE))


def recency_of(statement: Statement, now_ms: int) -> Recency:
    """Return how newly a statement was said that is told for the first time."""
    if abs(statement.at_ms - now_ms) <= _NOW_MS and statement.source is not Source.IMPORT_UNDONE:
        return Recency.NOW
    return told_late(statement)


def told_late(statement: Statement) -> Recency:
    """Return how newly a statement was said that waited before it could be told."""
    return Recency.REPEATED if statement.source in _DATED else Recency.LATE
