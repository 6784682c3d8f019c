"""The counts of unsubscribe requests, by way and result: one for each request, however it came."""

from collections.abc import Mapping
from functools import cache

from prometheus_client import Counter

from app.core.model import Source
from app.observe.metrics import UNSUBSCRIBES, ClickResult


@cache
def request_counts() -> Mapping[tuple[Source, ClickResult], Counter]:
    """Return the counter of each way and result, so that all of them begin at 0."""
    return {
        (source, result): UNSUBSCRIBES.labels(source.label, result.value)
        for source in Source
        for result in ClickResult
    }
