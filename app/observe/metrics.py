"""The metrics of every process. Names and labels are a contract with dashboards and alerts; label
values come from enums.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# of several processes behind one listener; else each would be told apart by its number, for ever
_OF_THE_WORST: Final = "livemax"

UNSUBSCRIBES = Counter(
    "signoff_unsubscribes", "Unsubscribe requests by way and result", ["source", "result"]
)
ACK = Counter(
    "signoff_ack", "Acknowledged clicks by the number of durable copies at that moment", ["copies"]
)
CLOCKS_OVERRULED = Counter(
    "signoff_clocks_overruled",
    "Statements that took effect although their time, or the time they lost to, was of a wrong"
    " clock",
)
DELETIONS_REFUSED = Counter(
    "signoff_deletions_refused",
    "Deletions of old history that were refused since the clocks differ by hours",
)
SCANNER_GETS_IGNORED = Counter(
    "signoff_scanner_gets_ignored", "GET and HEAD requests on one-click URLs, which change nothing"
)
TOKEN_ERRORS = Counter("signoff_token_errors", "Tokens that did not open, by reason", ["reason"])
SPOOL_ROWS = Gauge(
    "signoff_spool_rows",
    "Acknowledged rows that the store has not confirmed yet",
    multiprocess_mode="livesum",
)
SPOOL_DAMAGED_FILES = Gauge(
    "signoff_spool_damaged_files",
    "Damaged spool files that were set aside and wait for an operator",
    multiprocess_mode=_OF_THE_WORST,
)
BACKGROUND_TASKS_ENDED = Counter(
    "signoff_background_tasks_ended",
    "Tasks of a process's whole life that ended by an error and were started again",
    ["task"],
)
MESSAGES = Counter(
    "signoff_messages",
    "Messages through the relay by class and by what their sender was told",
    ["class", "outcome"],
)
COPIES = Counter(
    "signoff_copies",
    "Copies of messages, one a recipient, by class and outcome",
    ["class", "outcome"],
)
RECIPIENTS_SUPPRESSED = Counter(
    "signoff_recipients_suppressed", "Copies not relayed, by reason", ["reason"]
)
OPT_OUTS_OVERRIDDEN = Counter(
    "signoff_opt_outs_overridden",
    "Copies relayed to who has opted out, on the sender's word",
    ["reason"],
)
STRAY_PLACEHOLDERS = Counter(
    "signoff_stray_placeholders",
    "Mails with a placeholder that nobody fills in, by what the brand wants",
    ["result"],
)
SMTP_REFUSALS = Counter(
    "signoff_smtp_refusals", "Replies of 4xx and 5xx to clients of relay and inbox", ["code"]
)
UNKNOWN_GROUPS = Counter(
    "signoff_unknown_groups", "Names of groups that the brand has not, in promotional mail"
)
STAMP_SECONDS = Histogram(
    "signoff_stamp_seconds",
    "Time to stamp and sign one copy",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0),
)
COPIES_UNKNOWN = Counter(
    "signoff_copies_unknown",
    "Copies of which nobody knows whether the downstream took them: seen, and what became of them",
    ["result"],
)
DOWNSTREAM_LOGINS = Counter(
    "signoff_downstream_logins",
    "Logins at the downstream by result; put_off: not tried, because one was refused lately",
    ["result"],
)
LEDGER_NOTES = Counter(
    "signoff_ledger_notes",
    "Entries of the ledger that the store could not take at once, by what became of them",
    ["result"],
)
LEDGER_WAITING = Gauge(
    "signoff_ledger_notes_waiting",
    "Entries of the ledger that wait for the store",
    multiprocess_mode="livesum",
)
TRIES_JOINED = Counter(
    "signoff_tries_joined",
    "Tries of a message that waited for an earlier one, by where that was",
    ["where"],
)
REPORTS = Counter("signoff_reports", "Delivery status notifications by result", ["result"])
DKIM = Counter(
    "signoff_dkim", "Signatures made; no_key: messages that no key of the brand fits", ["result"]
)
INBOX_MAILS = Counter(
    "signoff_inbox_mails", "Mails to the inbox by mailbox and outcome", ["mailbox", "outcome"]
)
INBOX_UNFILED = Counter(
    "signoff_inbox_unfiled", "Mails for people that found the inbox's folder full"
)


class ClickResult(StrEnum):
    """What became of an unsubscribe request: a label of `UNSUBSCRIBES`."""

    SAVED = "saved"
    TEST = "test"
    UNAVAILABLE = "unavailable"


WEBHOOK_DELIVERIES = Counter(
    "signoff_webhook_deliveries",
    "Attempts to deliver an event to an endpoint, by result",
    ["result"],
)
SHIPMENTS = Counter(
    "signoff_shipments",
    "Attempts to ship a statement to its home data centre, by result",
    ["result"],
)
SHIPMENTS_TAKEN = Counter(
    "signoff_shipments_taken",
    "Statements that other data centres have shipped home to this one",
    ["source"],
)
SLA_BREACHES = Counter(
    "signoff_sla_breaches",
    "Requests that had not taken effect, or were not told to the brand, within 48 hours",
)
PENDING_OLDEST = Gauge(
    "signoff_pending_oldest_age_seconds",
    "Age of the oldest request not yet effective, or not yet told to its brand",
    multiprocess_mode=_OF_THE_WORST,
)
BRAND_PENDING_OLDEST = Gauge(
    "signoff_brand_pending_oldest_age_seconds",
    "The same for one brand",
    ["brand"],
    multiprocess_mode=_OF_THE_WORST,
)
STREAM_LAG = Gauge(
    "signoff_stream_lag",
    "Changes that no worker has looked at yet",
    multiprocess_mode=_OF_THE_WORST,
)
UNKNOWN_BRANDS = Gauge(
    "signoff_events_of_unknown_brands",
    "Events that wait for a process that knows their brand",
    multiprocess_mode=_OF_THE_WORST,
)
WEBHOOK_OLDEST = Gauge(
    "signoff_webhook_oldest_undelivered_age_seconds",
    "Age of the oldest request that waits for a delivery",
    multiprocess_mode=_OF_THE_WORST,
)
SELF_MANAGED_RETURN = Gauge(
    "signoff_self_managed_last_return_age_seconds",
    "Since when a self-managed brand has returned no token; +Inf: it never did",
    ["brand"],
    multiprocess_mode=_OF_THE_WORST,
)
WEBHOOK_DEAD_LETTERS = Gauge(
    "signoff_webhook_dead_letters",
    "Deliveries that were given up and wait for an operator",
    multiprocess_mode=_OF_THE_WORST,
)


@lru_cache(maxsize=1024)
def labelled(metric: Counter, *labels: str) -> Counter:
    """Return the child of a counter for these labels, by a look-up that costs a fraction of the
    library's own.
    """
    return metric.labels(*labels)
