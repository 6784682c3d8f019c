"""What is noted when clocks are found to be wrong: of an edge, of a process, or of the store."""

from app.observe.log import LogEvent, logger
from app.observe.metrics import CLOCKS_OVERRULED


def note_wrong_clock() -> None:
    """Log and count a statement that took effect although its time, or the time that it lost to,
    came from a wrong clock.
    """
    CLOCKS_OVERRULED.inc()
    logger("store").warning(LogEvent.CLOCK_OVERRULED)
