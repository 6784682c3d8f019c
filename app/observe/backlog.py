"""Turns what the backlog shows into metrics and the alarm."""

from collections.abc import Mapping
from typing import Protocol

from app.observe import metrics
from app.observe.log import LogEvent, Logger


class Ages(Protocol):
    """What waits, in milliseconds (`app.usecases.backlog.Measure`)."""

    @property
    def pending_ms(self) -> int:
        """Return the age of the oldest request not yet effective or told."""
        ...

    @property
    def undelivered_ms(self) -> int:
        """Return the age of the oldest request that waits for a delivery."""
        ...

    @property
    def by_brand(self) -> Mapping[str, int]:
        """Return the age of each brand's oldest request."""
        ...

    @property
    def lag(self) -> int:
        """Return how many changes no worker has looked at."""
        ...

    @property
    def unreturned_ms(self) -> Mapping[str, float]:
        """Return since when each self-managed brand has returned no token."""
        ...

    @property
    def unknown(self) -> int:
        """Return how many events wait for a process that knows their brand."""
        ...

    @property
    def dead(self) -> int:
        """Return how many dead letters there are."""
        ...


class LoggingBacklogWitness:
    """The witness of a process that looks at the backlog."""

    def __init__(self, log: Logger) -> None:
        self._log = log

    def measured(self, measure: Ages) -> None:
        """Set the gauges."""
        metrics.PENDING_OLDEST.set(measure.pending_ms / 1000)
        metrics.WEBHOOK_OLDEST.set(measure.undelivered_ms / 1000)
        metrics.STREAM_LAG.set(measure.lag)
        metrics.WEBHOOK_DEAD_LETTERS.set(measure.dead)
        metrics.UNKNOWN_BRANDS.set(measure.unknown)
        for brand, age_ms in measure.by_brand.items():
            metrics.BRAND_PENDING_OLDEST.labels(brand).set(age_ms / 1000)
        for brand, since_ms in measure.unreturned_ms.items():
            metrics.SELF_MANAGED_RETURN.labels(brand).set(since_ms / 1000)

    def too_old(self, age_ms: int) -> None:
        """Log the alarm."""
        self._log.error(LogEvent.PENDING_TOO_OLD, seconds=age_ms // 1000)

    def caught_up(self) -> None:
        """Log its end."""
        self._log.info(LogEvent.PENDING_CAUGHT_UP)

    def breached(self, requests: int) -> None:
        """Count breaches of the 48 hours."""
        metrics.SLA_BREACHES.inc(requests)
