"""The metrics of every process. Names and labels are a contract with dashboards and alerts; label values come from enums."""

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

UNSUBSCRIBES = Counter("signoff_unsubscribes", "Unsubscribe requests by way and result", ["source", "result"])
ACK = Counter("signoff_ack", "Acknowledged clicks by the number of durable copies at that moment", ["copies"])
SCANNER_GETS_IGNORED = Counter("signoff_scanner_gets_ignored", "GET and HEAD requests on one-click URLs, which change nothing")
TOKEN_ERRORS = Counter("signoff_token_errors", "Tokens that did not open, by reason", ["reason"])
SPOOL_ROWS = Gauge("signoff_spool_rows", "Acknowledged rows that the store has not confirmed yet")
MESSAGES = Counter("signoff_messages", "Messages through the relay by class and outcome", ["class", "outcome"])
RECIPIENTS_SUPPRESSED = Counter("signoff_recipients_suppressed", "Copies not relayed, by reason", ["reason"])
STAMP_SECONDS = Histogram(
    "signoff_stamp_seconds",
    "Time to stamp and sign one copy",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0),
)
DKIM = Counter("signoff_dkim", "Signatures by result", ["result"])


@lru_cache(maxsize=1024)
def labelled(metric: Counter, *labels: str) -> Counter:
    """Return the child of a counter for these labels, by a look-up that costs a fraction of the library's own."""
    return metric.labels(*labels)
