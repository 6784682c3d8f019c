"""The rules of delivery: the schedule, what an answer means, the signature."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
import standardwebhooks

from app.core.errors import InvalidInput
from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.core.webhook import (
    PROMISED_MS,
    SCHEDULE,
    Delivery,
    DeliveryResult,
    ReceiverAnswer,
    WebhookFormat,
    brand_of,
    endpoint_key,
    judge,
    lateness,
    place_of,
    retry_after_seconds,
    signature_fields,
)

BRAND = BrandNumber(1234)
STATEMENT = Statement(
    id=b"i" * 16,
    brand=BRAND,
    digest=RecipientDigest(b"d" * 10),
    groups=(),
    subscribed=False,
    source=Source.MAILTO,
    at_ms=1000,
)
DELIVERY = Delivery(
    endpoint=endpoint_key(BRAND, "https://a.example/", WebhookFormat.STANDARD),
    statement=STATEMENT,
    changed=(),
    sequence=1,
    queued_ms=5000,
)


def test_ten_attempts_over_three_days_and_then_a_dead_letter() -> None:
    """Catalogue Q7."""
    delivery, pauses = DELIVERY, []
    while (
        verdict := judge(delivery, ReceiverAnswer(status=500), now_ms=0, chance=0)
    ).due_ms is not None:
        pauses.append(verdict.due_ms / 1000)
        delivery = verdict.delivery

    assert list(SCHEDULE) == pauses == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert (DeliveryResult.DEAD, True, 10, "answered 500") == (
        verdict.result,
        verdict.is_dead,
        verdict.delivery.attempts,
        verdict.delivery.reason,
    )


def test_jitter_only_lengthens_a_pause_by_a_tenth_at_most() -> None:
    due = [
        judge(DELIVERY, ReceiverAnswer(status=500), now_ms=0, chance=chance).due_ms
        for chance in (0.0, 0.5, 1.0)
    ]

    assert [5000, 5250, 5500] == due


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(status: int) -> None:
    assert (
        DeliveryResult.DELIVERED
        is judge(DELIVERY, ReceiverAnswer(status=status), now_ms=0, chance=0).result
    )


@pytest.mark.parametrize("status", [0, 100, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again(status: int) -> None:
    assert (
        DeliveryResult.FAILED
        is judge(DELIVERY, ReceiverAnswer(status=status), now_ms=0, chance=0).result
    )


def test_gone_and_blocked_are_final() -> None:
    """Catalogue L1."""
    gone = judge(DELIVERY, ReceiverAnswer(status=410), now_ms=0, chance=0)
    blocked = judge(DELIVERY, ReceiverAnswer(blocked=True, reason="not public"), now_ms=0, chance=0)

    assert [(DeliveryResult.GONE, True, None), (DeliveryResult.BLOCKED, True, None)] == [
        (one.result, one.is_dead, one.due_ms) for one in (gone, blocked)
    ]


@pytest.mark.parametrize(
    ("field", "due_ms"),
    [
        ("1", 5000),
        ("120", 120_000),
        ("99999999999", 21_600_000),
        ("soon", 5000),
        ("-5", 5000),
        ("", 5000),
    ],
)
def test_retry_after_lengthens_a_pause_within_bounds(field: str, due_ms: int) -> None:
    assert (
        due_ms
        == judge(DELIVERY, ReceiverAnswer(status=503, retry_after=field), now_ms=0, chance=0).due_ms
    )


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime(2026, 11, 22, 8, 0, 30, tzinfo=UTC), usegmt=True)
    now_ms = round(datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC).timestamp() * 1000)

    assert (30.0, 0.0) == (
        retry_after_seconds(date, now_ms),
        retry_after_seconds(date, now_ms + 60_000),
    )


def test_both_secrets_of_a_rotation_verify() -> None:
    """Catalogue Q7: two valid secrets."""
    new, old = b"n" * 32, b"o" * 24
    now_s = round(datetime.now(UTC).timestamp())

    fields = signature_fields([new, old], message_id="m1", at_s=now_s, body=b'{"a":1}')

    for secret in (new, old):
        assert {"a": 1} == standardwebhooks.Webhook(
            f"whsec_{base64.b64encode(secret).decode()}"
        ).verify(b'{"a":1}', fields)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(base64.b64encode(b"x" * 32).decode()).verify(b'{"a":1}', fields)


def test_a_request_is_late_once_after_48_hours_and_an_import_from_when_it_came() -> None:
    """Catalogue Q9."""
    late, noticed = lateness(DELIVERY, 1000 + PROMISED_MS + 1)
    imported = replace(DELIVERY, statement=STATEMENT._replace(source=Source.IMPORT))

    assert (True, True) == (late.late, noticed)
    assert (late, False) == lateness(late, 1000 + 2 * PROMISED_MS)
    assert (DELIVERY, False) == lateness(DELIVERY, 1000 + PROMISED_MS)
    assert (imported, False) == lateness(imported, 5000 + PROMISED_MS)


def test_the_key_of_an_endpoint_tells_its_brand_and_changes_with_url_and_format() -> None:
    keys = {
        endpoint_key(BRAND, url, form)
        for url in ("https://a.example/", "https://b.example/")
        for form in WebhookFormat
    }

    assert 2 * len(WebhookFormat) == len(keys)
    assert {BRAND} == {brand_of(key) for key in keys}


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "256:1-0",
        "1:1",
        "x:1-0",
        "1:1-0\n",
        "1:99999999999999999999-0",
        "1:1-9223372036854775808",
    ],
)
def test_what_is_no_cursor_is_invalid_input(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        place_of(cursor)
