"""When something is to be done again, by a clock that may be set back."""


def has_come(now_ms: int, due_ms: int, *, every_ms: int) -> bool:
    """Say whether a time has come that was at most `every_ms` ahead when it was noted.

    What lies farther ahead was noted by a clock that has been set back since: waiting for it would
    mean standing still.
    """
    return now_ms >= due_ms or due_ms - now_ms > every_ms
