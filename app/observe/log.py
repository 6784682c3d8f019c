"""Log events: one vocabulary, one line an outcome, JSON on stderr (or a readable form in development).

An address is logged only as its keyed digest, a token never. Values are escaped by the renderer, so a line is always one record (L9).
"""

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import structlog


class LogEvent(StrEnum):
    """Every event that a Signoff process may log."""

    PROCESS_STARTED = "process_started"
    PROCESS_STOPPING = "process_stopping"
    PROCESS_STOPPED = "process_stopped"
    CONFIGURATION_WARNING = "configuration_warning"
    UNEXPECTED_ERROR = "unexpected_error"
    CLICK_ACKNOWLEDGED = "click_acknowledged"
    CLICK_NOT_DURABLE = "click_not_durable"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of an event
    SPOOL_REPLAYED = "spool_replayed"
    SPOOL_FAILED = "spool_failed"
    STORE_FAILED = "store_failed"
    STORE_RECOVERED = "store_recovered"
    STORE_STARTED = "store_started"
    REQUEST_REFUSED = "request_refused"
    SESSION_REFUSED = "session_refused"
    MESSAGE_REFUSED = "message_refused"
    MESSAGE_RELAYED = "message_relayed"
    COPY_SUPPRESSED = "copy_suppressed"
    COPY_REFUSED = "copy_refused"
    COPY_DEFERRED = "copy_deferred"
    DOWNSTREAM_FAILED = "downstream_failed"


Logger = structlog.typing.FilteringBoundLogger

_encode = json.JSONEncoder(default=str).encode


def configure(*, level: str = "info", readable: bool = False) -> None:
    """Set up logging for this process: JSON for machines, or one readable line for a developer."""
    structlog.configure(
        processors=list(_READABLE if readable else _JSON),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(process: str) -> Logger:
    """Return the logger of one process, such as `web` or `relay`; ask after `configure`, whose settings it keeps."""
    bound: Logger = structlog.get_logger(process=process).bind()
    return bound


def _as_json(_: object, level: str, event: MutableMapping[str, Any]) -> str:  # Any: structlog's own type of a record
    """Render one record. One function instead of a chain of processors: a line stands on the way of each mail, and costs a third so."""
    return _encode({"timestamp": _now(), "level": level, **event})


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


_JSON = (structlog.processors.format_exc_info, _as_json)
_READABLE = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
    # a traceback without the values of variables: among them are tokens and addresses
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
)
