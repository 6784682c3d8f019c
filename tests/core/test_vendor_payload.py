"""Events in the shapes of the vendors' own webhooks, and which of them an endpoint hears of."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from app.core import payload
from app.core.events import Event, EventName, EventScope
from app.core.groups import group_key
from app.core.model import BrandId, BrandNumber, GroupId, Source
from app.core.webhook import (
    ABOUT_ALL,
    BATCH,
    EVERY_SCOPE,
    SCOPES,
    Endpoint,
    WebhookFormat,
    endpoint_key,
)
from tests.core.test_payload import NEWS, event

ALL, GROUPS = frozenset((EventScope.ALL,)), frozenset((EventScope.GROUPS,))
SECRET = b"whsec_c2VjcmV0"


# Any: JSON
def sent(form: WebhookFormat, *events: Event, scopes: frozenset[EventScope] = EVERY_SCOPE) -> Any:
    body, _ = payload.request(
        form, events, scopes=scopes, secrets=(SECRET,), at_ms=1_700_000_009_000
    )
    return json.loads(body)


def endpoint(form: WebhookFormat, scopes: frozenset[EventScope] | None = None) -> Endpoint:
    number, url = BrandNumber(7), "https://hooks.example/"
    return Endpoint(
        key=endpoint_key(number, url, form),
        brand=number,
        brand_id=BrandId("acme"),
        brand_name="Acme",
        url=url,
        format=form,
        scopes=SCOPES[form] if scopes is None else scopes,
    )


def test_cloudevents_have_the_required_attributes_and_all_facts() -> None:
    body, fields = payload.request(
        WebhookFormat.CLOUDEVENTS,
        [event(groups=("News",))],
        scopes=EVERY_SCOPE,
        secrets=(),
        at_ms=0,
    )
    told = json.loads(body)

    assert "application/cloudevents+json; charset=UTF-8" == fields["content-type"]
    assert ("1.0", "/signoff/brands/acme", "signoff.channel.unsubscribed") == (
        told["specversion"],
        told["source"],
        told["type"],
    )
    assert (event().id, "2023-11-14T22:13:20.123Z", [NEWS]) == (
        told["id"],
        told["time"],
        told["data"]["groups"],
    )
    assert "ann@example.net" not in json.dumps(
        {name: value for name, value in told.items() if name != "data"}
    )
    # CloudEvents 1.0, naming of attributes
    assert all(name.isascii() and name.isalnum() and name.islower() for name in told)


def test_sendgrid_has_a_row_for_all_mail_and_one_for_each_group() -> None:
    """Catalogue N12."""
    rows = sent(
        WebhookFormat.SENDGRID,
        event(everything=True, groups=("News", "Offers")),
        event(number=1, subscribed=True, groups=("News",)),
    )

    assert ["unsubscribe", "group_unsubscribe", "group_unsubscribe", "group_resubscribe"] == [
        row["event"] for row in rows
    ]
    assert (group_key(GroupId("news")), "news", "News") == tuple(
        rows[1][name] for name in ("asm_group_id", "signoff_group_id", "signoff_group_name")
    )
    assert len(rows) == len({row["sg_event_id"] for row in rows})
    assert {("ann@example.net", 1_700_000_000)} == {
        (row["email"], row["timestamp"]) for row in rows
    }


def test_sendgrid_rows_follow_the_scopes() -> None:
    """Catalogue N12."""
    both = event(everything=True, groups=("News",))

    assert (["unsubscribe"], ["group_unsubscribe"]) == tuple(
        [row["event"] for row in sent(WebhookFormat.SENDGRID, both, scopes=scopes)]
        for scopes in (ALL, GROUPS)
    )


def test_mailgun_signs_in_the_body_as_its_receivers_verify() -> None:
    told = sent(WebhookFormat.MAILGUN, event())
    signature = told["signature"]

    expected = hmac.new(
        SECRET, f"{signature['timestamp']}{signature['token']}".encode(), hashlib.sha256
    ).hexdigest()
    assert (expected, 50, "1700000009") == (
        signature["signature"],
        len(signature["token"]),
        signature["timestamp"],
    )
    assert ("unsubscribed", "ann@example.net", "example.net", 1_700_000_000.123) == tuple(
        told["event-data"][name] for name in ("event", "recipient", "recipient-domain", "timestamp")
    )


@pytest.mark.parametrize(
    ("source", "subscribed", "origin", "reason"),
    [
        (Source.LIST_UNSUBSCRIBE, False, "Recipient", "ManualSuppression"),
        (Source.COMPLAINT, False, "Recipient", "SpamComplaint"),
        (Source.IMPORT, False, "Customer", "ManualSuppression"),
        (Source.API, True, "Customer", None),
        (Source.PREFERENCE_CENTRE, True, "Recipient", None),
    ],
)
def test_postmark_says_who_changed_the_subscription_and_why(
    source: Source, subscribed: bool, origin: str, reason: str | None
) -> None:
    told = sent(WebhookFormat.POSTMARK, event(source=source, subscribed=subscribed))

    assert ("SubscriptionChange", "ann@example.net", not subscribed, origin, reason) == tuple(
        told[name]
        for name in ("RecordType", "Recipient", "SuppressSending", "Origin", "SuppressionReason")
    )
    assert {"MessageID", "ServerID", "MessageStream", "ChangedAt", "Tag", "Metadata"} < set(told)


def test_ses_says_nothing_of_all_mail_when_only_a_group_changed() -> None:
    """Catalogue N12."""
    group, everything = (
        sent(WebhookFormat.SES, event(groups=("News",))),
        sent(WebhookFormat.SES, event()),
    )

    assert {
        "topicSubscriptionStatus": [
            {"topicName": "news", "subscriptionStatus": "OptOut", "displayName": "News"}
        ]
    } == group["subscription"]["newTopicPreferences"]
    assert (True, False) == tuple(
        everything["subscription"][f"{age}TopicPreferences"]["unsubscribeAll"]
        for age in ("new", "old")
    )
    assert ("Subscription", ["ann@example.net"], "UnsubscribeHeader") == (
        everything["eventType"],
        everything["mail"]["destination"],
        everything["subscription"]["source"],
    )


@pytest.mark.parametrize("form", [form for form in WebhookFormat if SCOPES[form] == ABOUT_ALL])
def test_a_click_on_one_group_says_nothing_to_an_endpoint_that_hears_of_all_mail(
    form: WebhookFormat,
) -> None:
    """Catalogue N12."""
    assert not endpoint(form).hears(EventName.CHANNEL_UNSUBSCRIBED, GROUPS)
    assert endpoint(form).hears(EventName.EMAIL_UNSUBSCRIBED, ALL)


@pytest.mark.parametrize(
    ("form", "scopes", "heard"),
    [
        (WebhookFormat.SENDGRID, ALL, False),
        (WebhookFormat.SENDGRID, GROUPS, True),
        (WebhookFormat.MAILGUN, ALL, False),
        (WebhookFormat.POSTMARK, ALL, True),
        (WebhookFormat.SES, ALL, True),
        (WebhookFormat.CLEVERTAP, ALL, True),
        (WebhookFormat.CLEVERTAP, GROUPS, False),
        (WebhookFormat.STREAMS, GROUPS, False),
        (WebhookFormat.CLOUDEVENTS, GROUPS, True),
    ],
)
def test_a_return_is_told_only_where_the_shape_has_a_word_for_it(
    form: WebhookFormat, scopes: frozenset[EventScope], heard: bool
) -> None:
    """Catalogue N12."""
    assert heard == endpoint(form).hears(EventName.EMAIL_RESUBSCRIBED, scopes)


@pytest.mark.parametrize("form", list(WebhookFormat))
@pytest.mark.parametrize("address", ["ann@example.net", ""])
def test_every_shape_tells_whose_change_it_is_also_without_an_address(
    form: WebhookFormat, address: str
) -> None:
    body = json.dumps(sent(form, event(address=address, groups=("News",), everything=True)))

    assert (address or "01" * 10) in body


@pytest.mark.parametrize("form", list(WebhookFormat))
def test_a_repeated_request_has_the_same_id_and_a_batch_no_more_than_its_format_takes(
    form: WebhookFormat,
) -> None:
    one = event()
    _, first = payload.request(form, [one], scopes=EVERY_SCOPE, secrets=(SECRET,), at_ms=1_000)
    _, second = payload.request(form, [one], scopes=EVERY_SCOPE, secrets=(SECRET,), at_ms=99_000)

    assert one.id == first["webhook-id"] == second["webhook-id"]
    assert BATCH[form] in {1, 100}
