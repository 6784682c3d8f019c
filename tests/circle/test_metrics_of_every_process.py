"""The metrics of every process after everything was done once: each named by its owner, with labels
from the enums, and right.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.core import errors
from app.core.errors import SignoffError
from app.core.mail.inbound_mailbox import Role
from app.core.model import MailClass, Source
from app.core.preferences import SuppressionReason
from app.core.webhook import DeliveryResult
from app.observe.metrics import ClickResult
from app.usecases.mailto import Outcome as MailOutcome
from smtp_proxy.relay.finish import OUTCOME_LABELS
from tests.deploy.test_kubernetes import known_metrics
from tests.support.full_run import FullRun

ROOT = Path(__file__).resolve().parents[2]
Sample = tuple[str, frozenset[tuple[str, str]]]  # name and labels

OWNERS: Mapping[str, set[str]] = {  # of each name that other programs rely on
    "signoff_unsubscribes_total": {"web", "admin", "inbox"},
    "signoff_ack_total": {"web", "admin", "inbox"},
    "signoff_pending_oldest_age_seconds": {"web", "admin", "inbox", "worker"},
    "signoff_sla_breaches_total": {"worker"},
    "signoff_scanner_gets_ignored_total": {"web"},
    "signoff_token_errors_total": {"web", "inbox"},
    "signoff_spool_rows": {"web", "admin", "inbox"},
    "signoff_stream_lag": {"worker"},
    "signoff_messages_total": {"relay"},
    "signoff_copies_total": {"relay"},
    "signoff_recipients_suppressed_total": {"relay"},
    "signoff_stamp_seconds_count": {"relay"},
    "signoff_dkim_total": {"relay"},
    "signoff_webhook_deliveries_total": {"worker"},
    "signoff_webhook_oldest_undelivered_age_seconds": {"worker"},
}
ERROR_CODES = {
    error.code
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, SignoffError)
}
LABELS: Mapping[tuple[str, str], set[str]] = {
    ("signoff_unsubscribes_total", "source"): {source.label for source in Source},
    ("signoff_unsubscribes_total", "result"): set(ClickResult),
    ("signoff_ack_total", "copies"): {"1", "2"},
    ("signoff_token_errors_total", "reason"): ERROR_CODES,
    ("signoff_copies_total", "class"): set(MailClass),
    ("signoff_copies_total", "outcome"): set(OUTCOME_LABELS.values()),
    ("signoff_downstream_logins_total", "result"): {"accepted", "refused", "put_off"},
    ("signoff_messages_total", "class"): set(MailClass),
    ("signoff_messages_total", "outcome"): set(OUTCOME_LABELS.values()),
    ("signoff_recipients_suppressed_total", "reason"): set(SuppressionReason),
    ("signoff_opt_outs_overridden_total", "reason"): set(SuppressionReason),
    ("signoff_dkim_total", "result"): {"signed", "no_key"},
    # RFC 5321 4.2.1
    ("signoff_smtp_refusals_total", "code"): {str(code) for code in range(400, 600)},
    ("signoff_reports_total", "result"): {"sent", "withheld", "deferred", "refused"},
    ("signoff_copies_unknown_total", "result"): {"seen", "resend", "drop"},
    ("signoff_ledger_notes_total", "result"): {"failed", "late", "lost"},
    ("signoff_tries_joined_total", "where"): {"process", "store"},
    ("signoff_inbox_mails_total", "mailbox"): set(Role),
    ("signoff_inbox_mails_total", "outcome"): set(MailOutcome),
    ("signoff_webhook_deliveries_total", "result"): set(DeliveryResult),
    ("signoff_shipments_total", "result"): set(DeliveryResult),
    ("signoff_shipments_taken_total", "source"): {source.label for source in Source},
    ("signoff_brand_pending_oldest_age_seconds", "brand"): {"acme", "shop"},
    ("signoff_self_managed_last_return_age_seconds", "brand"): {"acme", "shop"},
}
_SAMPLE = re.compile(r"(?P<name>signoff_\w+?)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def samples(text: str) -> Mapping[Sample, float]:
    """Return every sample of ours, and see that none is told twice."""
    found: dict[Sample, float] = {}
    for match in (_SAMPLE.fullmatch(line) for line in text.splitlines()):
        if match:
            sample = match["name"], frozenset(_LABEL.findall(match["labels"] or ""))
            assert sample not in found, sample
            found[sample] = float(match["value"])
    return found


def value(run: FullRun, process: str, name: str, **labels: str) -> float:
    return samples(run.metrics[process])[name, frozenset(labels.items())]


def names_of(run: FullRun, process: str) -> set[str]:
    return {name for name, _ in samples(run.metrics[process])}


def every_sample(run: FullRun) -> Iterator[Sample]:
    return (sample for text in run.metrics.values() for sample in samples(text))


@pytest.mark.parametrize("name", OWNERS)
def test_its_owners_export_it(run: FullRun, name: str) -> None:
    missing = {process for process in OWNERS[name] if name not in names_of(run, process)}

    assert missing == set()


def test_labels_have_no_values_but_those_of_the_enums(run: FullRun) -> None:
    """A label that took its values from outside would grow without bound."""
    unknown = {
        (name, label, text)
        for name, labels in every_sample(run)
        for label, text in labels
        if label != "le"
        and text not in LABELS.get((name.replace("_created", "_total"), label), set())
    }

    assert unknown == set()


def test_nothing_is_exported_that_dashboards_do_not_know_the_name_of(run: FullRun) -> None:
    exported = {name for name, _ in every_sample(run) if not name.endswith("_created")}

    assert exported <= known_metrics()


def test_the_alerts_ask_for_names_that_some_process_exports(run: FullRun) -> None:
    """An alert on a name that nobody exports is an alert that never rings."""
    asked = set()
    for file in (
        "components/prometheus-rule/prometheus-rule.yaml",
        "components/grafana-dashboard/signoff.json",
    ):
        asked |= set(re.findall(r"\bsignoff_\w+", (ROOT / "k8s" / file).read_text()))

    exported = {name for name, _ in every_sample(run)}
    described = {
        f"{line.split()[2]}"
        for text in run.metrics.values()
        for line in text.splitlines()
        if line.startswith("# TYPE signoff_")
    }

    assert asked
    assert {name for name in asked if name not in exported and name not in described} == set()


def test_the_workers_of_the_relay_are_one_sum(run: FullRun) -> None:
    """Catalogue E19: who took a mail is nobody's affair; ann's password, and the promotional copies
    of ann, bob, cat, dora, gil and ivy.
    """
    of = "signoff_copies_total"

    assert value(run, "relay", of, **{"class": "promotional", "outcome": "delivered"}) == 6
    assert value(run, "relay", of, **{"class": "transactional", "outcome": "delivered"}) == 1
    assert value(run, "relay", of, **{"class": "promotional", "outcome": "refused"}) == 2
    assert value(run, "relay", of, **{"class": "promotional", "outcome": "deferred"}) == 1
    assert value(run, "relay", of, **{"class": "promotional", "outcome": "suppressed"}) == 1
    assert value(run, "relay", "signoff_recipients_suppressed_total", reason="unsubscribed") == 1
    assert value(run, "relay", "signoff_stamp_seconds_count") == 9
    assert value(run, "relay", "signoff_reports_total", result="sent") == 1


def test_every_way_of_leaving_is_counted_once(run: FullRun) -> None:
    of = "signoff_unsubscribes_total"

    assert value(run, "web", of, source="list_unsubscribe", result="saved") == 2
    assert value(run, "web", of, source="callback", result="saved") == 1
    assert value(run, "web", of, source="preference_centre", result="saved") == 1
    assert value(run, "admin", of, source="api", result="saved") == 1
    assert value(run, "inbox", of, source="mailto", result="saved") == 1
    assert value(run, "web", "signoff_scanner_gets_ignored_total") == 1
    assert value(run, "web", "signoff_token_errors_total", reason="token_tag_invalid") >= 1
    assert value(run, "web", "signoff_token_errors_total", reason="token_purpose_wrong") == 1
    assert value(run, "worker", "signoff_webhook_deliveries_total", result="delivered") >= 5
    assert value(run, "worker", "signoff_webhook_deliveries_total", result="failed") >= 1
    assert value(run, "worker", "signoff_sla_breaches_total") == 0


def test_acknowledged_requests_had_at_least_one_copy(run: FullRun) -> None:
    """Catalogue E8: two clicks, a callback and a page; one by hand and one imported; and the
    mail-to.
    """
    counts = [
        sum(
            count
            for (name, _), count in samples(run.metrics[process]).items()
            if name == "signoff_ack_total"
        )
        for process in ("web", "admin", "inbox")
    ]

    assert counts == [4, 2, 1]
