"""What a request to an endpoint leaves behind: log lines and counts. Endpoints go by their key: a
URL may hold a credential.
"""

from app.core.shipment import home_of
from app.core.webhook import DeliveryVerdict, Endpoint, ReceiverAnswer
from app.observe import metrics
from app.observe.log import LogEvent, Logger


def log_answer(log: Logger, endpoint: Endpoint, events: int, answer: ReceiverAnswer) -> None:
    """Log one request, to a brand or to another data centre."""
    if number := home_of(endpoint.key):
        facts: dict[str, object] = {"data_centre": number}
        if answer.is_success:
            log.info(LogEvent.SHIPMENT_DELIVERED, **facts)
        else:
            log.warning(LogEvent.SHIPMENT_FAILED, **facts, reason=answer.why)
        return
    facts = {"brand": endpoint.brand_id, "endpoint": endpoint.key.hex(), "events": events}
    if answer.is_success:
        log.info(LogEvent.WEBHOOK_DELIVERED, **facts, status=answer.status)
    else:
        log.warning(LogEvent.WEBHOOK_FAILED, **facts, reason=answer.why)


def count_verdict(log: Logger, verdict: DeliveryVerdict) -> None:
    """Count what became of one delivery's attempt, and log one that is given up."""
    delivery = verdict.delivery
    counter = metrics.SHIPMENTS if home_of(delivery.endpoint) else metrics.WEBHOOK_DELIVERIES
    metrics.labelled(counter, verdict.result.value).inc()
    if verdict.is_dead:
        log.error(
            LogEvent.WEBHOOK_GIVEN_UP,
            endpoint=delivery.endpoint.hex(),
            id=delivery.statement.id.hex(),
            attempts=delivery.attempts,
            reason=delivery.reason,
        )
