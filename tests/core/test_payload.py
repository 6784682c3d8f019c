"""The shapes in which events leave: ours and those of MoEngage and CleverTap; the vendors' are in
test_vendor_payload.py.
"""

import json
from typing import Any

import pytest

from app.core import payload
from app.core.events import Event, EventName, EventScope, NamedGroup, event_name
from app.core.groups import EVERYTHING
from app.core.model import (
    BrandId,
    BrandNumber,
    CampaignId,
    GroupKey,
    RecipientDigest,
    Source,
    Statement,
)
from app.core.webhook import WebhookFormat

NEWS = {"id": "news", "name": "News"}
UUID = "00112233-4455-6677-8899-aabbccddeeff"


def event(
    *,
    source: Source = Source.LIST_UNSUBSCRIBE,
    subscribed: bool = False,
    number: int = 0,
    address: str = "ann@example.net",
    everything: bool | None = None,
    groups: tuple[str, ...] = (),
    identifier: str = "",
) -> Event:
    statement = Statement(
        id=bytes.fromhex(UUID.replace("-", ""))[:15] + bytes([0xFF - number]),
        brand=BrandNumber(7),
        digest=RecipientDigest(b"\x01" * 10),
        groups=(),
        subscribed=subscribed,
        source=source,
        at_ms=1_700_000_000_123,
        campaign=CampaignId("spring-24"),
        key_id=3,
    )
    return Event(
        statement=statement,
        brand=BrandId("acme"),
        brand_name="Acme",
        sequence=2,
        address=address,
        everything=not groups if everything is None else everything,
        groups=tuple(NamedGroup(name.lower(), name) for name in groups),
        identifier=identifier,
    )


def read(form: WebhookFormat, *events: Event) -> Any:  # Any: JSON
    return json.loads(payload.body(form, events))


def test_a_streams_request_has_the_shape_that_its_receivers_know() -> None:
    body = read(WebhookFormat.STREAMS, event())

    assert {"app_name", "source", "moe_request_id", "events"} == set(body)
    (told,) = body["events"]
    assert "Acme" == body["app_name"]
    assert {
        "event_name": "Email Unsubscribed",
        "event_code": "MOE_EMAIL_UNSUBSCRIBE",
        "event_uuid": UUID,
        "event_time": 1_700_000_000,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "SIGNOFF",
        "uid": "ann@example.net",
        "user_attributes": {"email": "ann@example.net"},
        "device_attributes": {},
    } == {name: value for name, value in told.items() if name != "event_attributes"}
    assert ("spring-24", "List Unsubscribe", "List Unsubscribe", 2, 3) == tuple(
        told["event_attributes"][name]
        for name in ("campaign_id", "source", "Unsubscribe Source", "sequence", "key_id")
    )


def test_a_clevertap_request_is_the_list_that_its_receivers_know() -> None:
    assert [
        {"event": "unsubscribe", "data": [{"e": "ann@example.net", "ts": 1_700_000_000}]}
    ] == read(WebhookFormat.CLEVERTAP, event())


def test_clevertap_rows_keep_their_order_and_name_the_groups_when_it_is_not_all_mail() -> None:
    body = read(
        WebhookFormat.CLEVERTAP,
        event(),
        event(number=1, subscribed=True),
        event(number=2, groups=("News",)),
    )

    assert ["unsubscribe", "resubscribe", "group_unsubscribe"] == [run["event"] for run in body]
    assert [NEWS] == body[2]["data"][0]["groups"]


def test_groups_that_change_together_with_all_mail_are_told_beside_it() -> None:
    """A receiver that heard of all mail alone would take every group for on again when one of them,
    and all mail with it, comes back.
    """
    back = event(
        source=Source.PREFERENCE_CENTRE, subscribed=True, everything=True, groups=("News",)
    )

    standard = read(WebhookFormat.STANDARD, back)["data"]
    streams = read(WebhookFormat.STREAMS, back)["events"][0]["event_attributes"]
    everything, news = read(WebhookFormat.CLEVERTAP, back)

    assert ("all", [NEWS], "All, News", "all, news", "All", "Subscribed") == tuple(
        standard[name]
        for name in (
            "scope",
            "groups",
            "Group",
            "Group ID",
            "Subscription Type",
            "Subscription Status",
        )
    )
    assert ("all", [NEWS], "All, News") == tuple(
        streams[name] for name in ("scope", "groups", "Group")
    )
    assert ("resubscribe", "group_resubscribe") == (everything["event"], news["event"])
    assert ([{"e", "ts"}], [{"e", "ts", "groups"}]) == (
        [set(row) for row in everything["data"]],
        [set(row) for row in news["data"]],
    )


def test_without_an_address_the_recipient_goes_by_the_digest() -> None:
    unknown = event(address="", source=Source.GROUP_PAGE)

    standard, streams = (
        read(WebhookFormat.STANDARD, unknown)["data"],
        read(WebhookFormat.STREAMS, unknown)["events"][0],
    )
    assert (None, "01" * 10, "01" * 10) == (
        standard["email"],
        standard["recipient"],
        standard["Identity"],
    )
    assert ("01" * 10, {}) == (streams["uid"], streams["user_attributes"])


def test_a_standard_request_has_type_time_and_all_facts() -> None:
    body = read(
        WebhookFormat.STANDARD, event(source=Source.PREFERENCE_CENTRE, groups=("News", "Offers"))
    )

    assert ("channel.unsubscribed", "2023-11-14T22:13:20.123Z") == (body["type"], body["timestamp"])
    assert (
        "groups",
        [NEWS, {"id": "offers", "name": "Offers"}],
        "News, Offers",
        "Preference Centre",
    ) == tuple(body["data"][name] for name in ("scope", "groups", "Group", "source"))


def test_the_id_of_a_request_is_the_events_own_and_of_a_batch_the_same_for_the_same_batch() -> None:
    one, other = event(), event(number=1)

    assert one.id == payload.message_id([one])
    assert (
        payload.message_id([one, other])
        == payload.message_id([one, other])
        != payload.message_id([other, one])
    )


@pytest.mark.parametrize("source", list(Source))
def test_leaving_a_group_is_channel_unsubscribed_by_whatever_way_and_never_email_unsubscribed(
    source: Source,
) -> None:
    """Catalogue N12."""
    left, everything = event(source=source, groups=("News",)), event(source=source)

    assert (
        EventName.CHANNEL_UNSUBSCRIBED
        is left.name
        is event_name(subscribed=False, source=source, changed=(GroupKey(5),))
    )
    assert everything.name is event_name(subscribed=False, source=source, changed=(EVERYTHING,))
    assert ("News", "news", "Group", "Unsubscribed") == tuple(
        read(WebhookFormat.STANDARD, left)["data"][name]
        for name in ("Group", "Group ID", "Subscription Type", "Subscription Status")
    )


@pytest.mark.parametrize("subscribed", [False, True])
def test_streams_say_of_a_group_nothing_that_means_all_mail(subscribed: bool) -> None:
    """Catalogue N12."""
    (told,) = read(WebhookFormat.STREAMS, event(groups=("News",), subscribed=subscribed))["events"]

    assert told["event_code"].startswith("SIGNOFF_GROUP_")
    assert ("groups", [NEWS]) == (
        told["event_attributes"]["scope"],
        told["event_attributes"]["groups"],
    )
    assert "Email Unsubscribed" != told["event_name"]


def test_rows_are_only_about_what_the_endpoint_asked_for() -> None:
    """Catalogue N12."""
    both = event(source=Source.PREFERENCE_CENTRE, everything=True, groups=("News",))

    only_all, only_groups = (
        json.loads(payload.body(WebhookFormat.CLEVERTAP, [both], scopes=scopes))
        for scopes in ({EventScope.ALL}, {EventScope.GROUPS})
    )

    assert [("unsubscribe", False)] == [
        (run["event"], "groups" in row) for run in only_all for row in run["data"]
    ]
    assert [("group_unsubscribe", True)] == [
        (run["event"], "groups" in row) for run in only_groups for row in run["data"]
    ]


@pytest.mark.parametrize(
    "name", ["A & B", "O'Neil", 'the "best"', "a, b", "हिन्दी", "x\u2028y", "</script>"]
)
def test_a_name_arrives_as_it_was_entered(name: str) -> None:
    body = payload.body(WebhookFormat.STANDARD, [event(groups=(name,))])

    assert [{"id": name.lower(), "name": name}] == json.loads(body)["data"]["groups"]


def test_the_brands_own_identifier_is_told_and_null_where_there_is_none() -> None:
    known = event(identifier="user-4711")

    assert ("user-4711", None) == tuple(
        read(WebhookFormat.STANDARD, one)["data"]["identifier"] for one in (known, event())
    )
    assert (
        "user-4711"
        == read(WebhookFormat.CLEVERTAP, known)[0]["data"][0]["identifier"]
        == read(WebhookFormat.STREAMS, known)["events"][0]["uid"]
    )
