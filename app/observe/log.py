"""Log events: one vocabulary, one line an outcome, JSON on stderr (or a readable form in
development).

An address is logged only as its keyed digest, a token never. Values are escaped by the renderer, so
a line is always one record (L9). What others say, such as a downstream's reply or the text of an
exception, may name an address or quote a link: whatever looks like an address or a token is hidden
here, last.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
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
    CONFIGURATION_RELOADED = "configuration_reloaded"
    CONFIGURATION_REFUSED = "configuration_refused"
    RELAY_WORKER_ENDED = "relay_worker_ended"
    UNEXPECTED_ERROR = "unexpected_error"
    BACKGROUND_TASK_ENDED = "background_task_ended"
    CLICK_ACKNOWLEDGED = "click_acknowledged"
    CLICK_NOT_DURABLE = "click_not_durable"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of an event
    CLOCK_OVERRULED = "clock_overruled"
    DELETION_REFUSED = "deletion_refused"
    SPOOL_REPLAYED = "spool_replayed"
    SPOOL_FAILED = "spool_failed"
    SPOOL_DAMAGED = "spool_damaged"
    STORE_FAILED = "store_failed"
    STORE_RECOVERED = "store_recovered"
    STORE_STARTED = "store_started"
    WORK_UNREADABLE = "work_unreadable"
    WEBHOOK_DELIVERED = "webhook_delivered"
    WEBHOOK_FAILED = "webhook_failed"
    WEBHOOK_GIVEN_UP = "webhook_given_up"
    EVENTS_SET_ASIDE = "events_set_aside"
    WEBHOOK_SWITCHED_OFF = "webhook_switched_off"
    SHIPMENT_DELIVERED = "shipment_delivered"
    SHIPMENT_FAILED = "shipment_failed"
    SHIPMENT_TAKEN = "shipment_taken"
    SHIPMENT_REFUSED = "shipment_refused"
    DATA_CENTRE_UNKNOWN = "data_centre_unknown"
    WORKERS_CHANGED = "workers_changed"
    HISTORY_TRIMMED = "history_trimmed"
    PENDING_TOO_OLD = "pending_too_old"
    PENDING_CAUGHT_UP = "pending_caught_up"
    REQUEST_REFUSED = "request_refused"
    SESSION_REFUSED = "session_refused"
    MESSAGE_REFUSED = "message_refused"
    MESSAGE_RELAYED = "message_relayed"
    MAILTO_OBEYED = "mailto_obeyed"
    MAILTO_IGNORED = "mailto_ignored"
    MAILTO_QUARANTINED = "mailto_quarantined"
    MAIL_FILED = "mail_filed"
    MAIL_NOT_FILED = "mail_not_filed"
    MAILTO_UNREADABLE = "mailto_unreadable"
    COPY_SUPPRESSED = "copy_suppressed"
    OPT_OUT_OVERRIDDEN = "opt_out_overridden"
    STATES_UNKNOWN = "states_unknown"
    GROUP_UNKNOWN = "group_unknown"
    PLACEHOLDER_STRAY = "placeholder_stray"
    FIELDS_REPEATED = "fields_repeated"
    UPSTREAM_SIGNATURE_BROKEN = "upstream_signature_broken"
    COPY_REFUSED = "copy_refused"
    COPY_DEFERRED = "copy_deferred"
    LEDGER_FAILED = "ledger_failed"
    REPORT_SENT = "report_sent"
    REPORT_NOT_SENT = "report_not_sent"
    DOWNSTREAM_FAILED = "downstream_failed"
    RECIPIENTS_READ = "recipients_read"
    CHANGED_BY_HAND = "changed_by_hand"
    AUDIT_NOT_KEPT = "audit_not_kept"
    EXPORT_BROKE_OFF = "export_broke_off"
    OPERATOR_SIGNED_IN = "operator_signed_in"
    OPERATOR_SIGNED_OUT = "operator_signed_out"
    OPERATOR_REFUSED = "operator_refused"


Logger = structlog.typing.FilteringBoundLogger

_encode = json.JSONEncoder(default=str).encode


def configure(*, level: str = "info", readable: bool = False) -> None:
    """Set up logging for this process: JSON for machines, or one readable line for a developer."""
    structlog.configure(
        processors=list(_READABLE if readable else _JSON),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(process: str) -> Logger:
    """Return the logger of one process, such as `web` or `relay`; ask after `configure`, whose
    settings it keeps.
    """
    bound: Logger = structlog.get_logger(process=process).bind()
    return bound


# Any: structlog's own type of a record
def _as_json(_: object, level: str, event: MutableMapping[str, Any]) -> str:
    """Render one record. One function instead of a chain of processors: a line stands on the way of
    each mail, and costs a third so.
    """
    record = {"timestamp": _now(), "level": level, **event}
    line = _encode(record)
    for mark in _MARKS:  # not `any`: a generator costs twice as much
        if mark in line:
            return _encode(_hidden(record))
    return line


def _as_text(given: object, level: str, event: MutableMapping[str, Any]) -> str:  # Any: as above
    return _without_secrets(str(_console(given, level, event)))


def _hidden(value: object) -> object:
    """Return what is to be logged without addresses and tokens; not done on the line itself, where
    it could cut an escape in two.
    """
    if isinstance(value, Mapping):
        return {name: _hidden(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(part) for part in value]
    return (
        value if value is None or isinstance(value, int | float) else _without_secrets(str(value))
    )


def _without_secrets(text: str) -> str:
    return _TOKEN.sub(r"\g<before>(token)", _ADDRESS.sub(_HIDDEN, text))


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


_ADDRESS = re.compile(  # bounded parts, so that a long text costs time in proportion
    r"""(?:"[^"]{1,64}"|[^\s<>()\[\],;:"]{1,320})
        (?:@|%40)
        (?:\[[^\]\s]{1,64}\]|[^\s<>()\[\],;:"]{1,255})""",
    re.VERBOSE,
)
_HIDDEN = "(address)"
# without any of them a line holds nothing to hide
_MARKS = ("@", "%40", "://", "/u/", "qmoe", "AQ", "u-", "U-", "%2D", "%2d")
# Known by their shape too, since others quote our links in any spelling. What is left of a token
# without its beginning opens nothing.
_TOKEN = re.compile(
    r"""# whatever stands where a token of ours belongs
        (?P<before>(?i:qmoe(?:=|%3D)|/u/|[?&]e=))[A-Za-z0-9_%=~-]{16,}
        # `app.core.token`: base64url of version 1
        |AQ[A-Za-z0-9_-]{22,}
        # `app.core.short_token` in its local part
        |(?i:(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2}))u(?:-|%2D))[A-Za-z2-7]{16,}""",
    re.VERBOSE,
)

_JSON = (structlog.processors.format_exc_info, _as_json)
# a traceback without the values of variables: among them are tokens and addresses
_console = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
_READABLE = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
    _as_text,
)
