"""Turns what the use cases tell into log lines and metrics."""

from app.observe import metrics
from app.observe.log import LogEvent, Logger


class LoggingWitness:
    """The witness of a serving process (port `app.usecases.ports.Witness`)."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._by_copies = {copies: metrics.ACK.labels(str(copies)) for copies in (1, 2)}

    def acknowledged(self, copies: int) -> None:
        """Count a click that is durable in this many places."""
        self._by_copies[copies].inc()

    def not_durable(self, reason: str) -> None:
        """Log a click that could not be acknowledged; the mailbox provider will try again."""
        self._log.error(LogEvent.CLICK_NOT_DURABLE, reason=reason)

    def replayed(self, rows: int) -> None:
        """Log rows of the spool that were brought to the store."""
        self._log.info(LogEvent.SPOOL_REPLAYED, rows=rows)

    def store_failed(self, reason: str) -> None:
        """Log the beginning of an outage; clicks go to the spool meanwhile."""
        self._log.error(LogEvent.STORE_FAILED, reason=reason)

    def store_recovered(self) -> None:
        """Log its end."""
        self._log.info(LogEvent.STORE_RECOVERED)
