"""Times as exports write them."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

EPOCH = re.compile(r"\d{9,13}(?:\.\d+)?")
# an epoch this large cannot be seconds: it would be the year 5138
_MILLISECONDS_FROM = 100_000_000_000
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})")


def read_time(text: str) -> int | None:
    """Return UTC milliseconds of an epoch (seconds or milliseconds), ISO 8601, or the date of a
    mail; None for anything else.

    A time without a zone is UTC. A date whose day and month could be exchanged (`02/03/2024`) is
    none: it is never guessed.
    """
    text = text.strip()
    if EPOCH.fullmatch(text):
        number = float(text)
        return int(number if number >= _MILLISECONDS_FROM else number * 1000)
    text = text.removesuffix(" UTC").removesuffix(" GMT")
    text = _YEAR_FIRST.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", text)
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return max(
                0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
            )
        except (ValueError, IndexError, OverflowError):
            continue
    return None
