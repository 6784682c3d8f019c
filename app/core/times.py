"""Times as text. In the product a time is milliseconds since 1970-01-01 UTC; 0 stands for none."""

from datetime import UTC, datetime


def iso(at_ms: int) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds; empty for none."""
    if not at_ms:
        return ""
    seconds = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{at_ms % 1000:03d}Z"


def readable(at_ms: int, *, none: str = "-") -> str:
    """Return a time as people read it, in UTC to the second: `2026-12-01 10:44:31Z`."""
    return (
        datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at_ms else none
    )
