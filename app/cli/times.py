"""Times as people type them: how long ago, or when."""

import re
from datetime import UTC, datetime

import typer

_SPAN = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def read_moment(text: str, now_ms: int, *, option: str) -> int:
    """Return a time in UTC milliseconds, none before 1970; without a zone it is UTC. Raises
    BadParameter, which names the option.
    """
    if span := _SPAN.fullmatch(text):
        return max(0, now_ms - 1000 * int(span[1]) * _UNITS[span[2]])
    try:
        time = datetime.fromisoformat(text)
        return max(0, round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError) as exc:
        raise typer.BadParameter(
            "such as 90s, 15m, 2h, 7d or 2026-11-22T08:00:00Z", param_hint=option
        ) from exc
