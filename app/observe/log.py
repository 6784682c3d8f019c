"""Log events: one vocabulary, one line an outcome, JSON on stderr (or a readable form in development).

An address is logged only as its keyed digest, a token never. Values are escaped by the renderer, so a line is always one record (L9).
"""

import logging
import sys
from enum import StrEnum

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


def configure(*, level: str = "info", readable: bool = False) -> None:
    """Set up logging for this process: JSON for machines, or one readable line for a developer."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(process: str) -> Logger:
    """Return the logger of one process, such as `web` or `relay`."""
    bound: Logger = structlog.get_logger(process=process)
    return bound
