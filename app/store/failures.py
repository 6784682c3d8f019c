"""What every failure of the store means: the one place that knows redis-py's exceptions and the
servers' error words.

Three things can be done about a failure, and each has its table here:

    elsewhere   MOVED and ASK name the server that has the key now; NOSCRIPT asks for the script
                itself. Repeated at once, by who sees it
    drop        the server cannot serve or cannot write: the connection and all idle ones are
                closed, so that a name that has moved, a failover or a restart is followed by the
                next command
    report      everything else is the reply of its command, and the connection lives on

An exception of the connection is StoreUnavailable, whatever its class: redis-py lets through
ValueError, AttributeError, RuntimeError, UnicodeError and others when a connection breaks in the
wrong moment, and has families outside its own RedisError.
"""

from redis.exceptions import (
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from app.core.errors import StoreUnavailable
from app.observe.log import LogEvent, logger

_DROP = (
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
)  # LOADING and a refused login are redis-py's ConnectionError, MASTERDOWN is in the last
_DROP_WORDS = frozenset(
    {
        "MISCONF",
        "NOREPLICAS",
        "LOADING",
        "MASTERDOWN",
        "CLUSTERDOWN",
        "READONLY",
        "OOM",
        "FAILOVER",
        "UNKILLABLE",
    }
)
_EXPECTED = (RedisError, OSError, TimeoutError)
_reported: set[type[Exception]] = set()


def drops(error: ResponseError) -> bool:
    """Tell whether a server that answers so should be left: it cannot serve now, or takes no
    writes.
    """
    return isinstance(error, _DROP) or str(error).partition(" ")[0] in _DROP_WORDS


def translated(error: Exception) -> StoreUnavailable:
    """Return what the callers hear of an exception of a connection. A class that nobody expects is
    logged, once, with its traceback.
    """
    if not isinstance(error, _EXPECTED) and type(error) not in _reported:
        _reported.add(type(error))
        logger("store").error(LogEvent.UNEXPECTED_ERROR, exc_info=error)
    return StoreUnavailable(f"{type(error).__name__}: {error}")
