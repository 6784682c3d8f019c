"""Turns what the worker sees into log lines and metrics. Endpoints go by their key: a URL may hold
a credential.
"""

from app.core.shipment import home_of
from app.core.times import iso
from app.core.webhook import DeliveryVerdict, Endpoint, EndpointKey, ReceiverAnswer
from app.observe import metrics
from app.observe.log import LogEvent, Logger


class DeliveryWitness:
    """The witness of one worker."""

    def __init__(self, log: Logger) -> None:
        self._log = log

    def answered(self, endpoint: Endpoint, events: int, answer: ReceiverAnswer) -> None:
        """Log one request."""
        if number := home_of(endpoint.key):
            self._shipped(number, answer)
            return
        facts = {"brand": endpoint.brand_id, "endpoint": endpoint.key.hex(), "events": events}
        if answer.is_success:
            self._log.info(LogEvent.WEBHOOK_DELIVERED, **facts, status=answer.status)
        else:
            self._log.warning(LogEvent.WEBHOOK_FAILED, **facts, reason=answer.why)

    def _shipped(self, data_centre: int, answer: ReceiverAnswer) -> None:
        if answer.is_success:
            self._log.info(LogEvent.SHIPMENT_DELIVERED, data_centre=data_centre)
        else:
            self._log.warning(LogEvent.SHIPMENT_FAILED, data_centre=data_centre, reason=answer.why)

    def judged(self, verdict: DeliveryVerdict) -> None:
        """Count what became of one delivery's attempt, and log one that is given up."""
        counter = (
            metrics.SHIPMENTS if home_of(verdict.delivery.endpoint) else metrics.WEBHOOK_DELIVERIES
        )
        metrics.labelled(counter, verdict.result.value).inc()
        if verdict.is_dead:
            delivery = verdict.delivery
            self._log.error(
                LogEvent.WEBHOOK_GIVEN_UP,
                endpoint=delivery.endpoint.hex(),
                id=delivery.statement.id.hex(),
                attempts=delivery.attempts,
                reason=delivery.reason,
            )

    def breached(self) -> None:
        """Count a request of whose effect a brand did not hear within 48 hours."""
        metrics.SLA_BREACHES.inc()

    def set_aside(self, events: int) -> None:
        """Log that events wait for a process that knows their brand."""
        if events:
            self._log.warning(LogEvent.EVENTS_SET_ASIDE, events=events)

    def switched_off(self, endpoint: EndpointKey) -> None:
        """Log an endpoint that wants nothing more."""
        self._log.error(LogEvent.WEBHOOK_SWITCHED_OFF, endpoint=endpoint.hex())

    def workers(self, alive: int, partitions: int) -> None:
        """Log that workers came or went, and how many partitions are ours now."""
        self._log.info(LogEvent.WORKERS_CHANGED, alive=alive, partitions=partitions)

    def store_failed(self, reason: str) -> None:
        """Log the beginning of an outage; everything waits in the store meanwhile."""
        self._log.error(LogEvent.STORE_FAILED, reason=reason)

    def store_recovered(self) -> None:
        """Log its end."""
        self._log.info(LogEvent.STORE_RECOVERED)

    def deletion_refused(self, *, here_ms: int, there_ms: int) -> None:
        """Log and count that nothing old was deleted, since the clocks of this machine and of the
        store differ by hours.
        """
        metrics.DELETIONS_REFUSED.inc()
        self._log.error(LogEvent.DELETION_REFUSED, here=iso(here_ms), store=iso(there_ms))

    def trimmed(self, entries: int) -> None:
        """Log how much of the history was forgotten."""
        self._log.info(LogEvent.HISTORY_TRIMMED, entries=entries)
