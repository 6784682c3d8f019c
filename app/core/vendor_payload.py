"""Events in the shapes of mail platforms' own webhooks, for receivers that exist already: what each
vendor's event of an unsubscribe is.

1. Only what the vendor's own shape can say is told. Mailgun and Postmark have no place for a group,
   SendGrid no event for a return to all mail and Mailgun none for any return: the endpoint does not
   hear of those (`core.webhook.Endpoint.hears`).
2. A field of which we know nothing, such as the id of the message, holds the event's id: it is
   stable, and no two events share it.
3. Where no address is known, the recipient's digest stands in its place.

Sources: Twilio SendGrid "Event Webhook Reference", Mailgun "Webhooks" and "Securing webhooks",
Postmark "Subscription change webhook", Amazon SES "Examples of event data" (Subscription object);
each as of 2026.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence

from app.core.events import SOURCE_NAMES, Event, EventScope, NamedGroup
from app.core.groups import group_key
from app.core.model import GroupId, Source

_BY_THE_BRAND = frozenset((Source.API, Source.IMPORT))
_BY_THE_HEADER = frozenset((Source.LIST_UNSUBSCRIBE, Source.MAILTO, Source.CALLBACK))


def sendgrid(events: Sequence[Event], scopes: Collection[EventScope]) -> object:
    """Return the array of the Event Webhook: `unsubscribe`, `group_unsubscribe` and
    `group_resubscribe`, a row for each group.

    `asm_group_id` is a number there, so it is our 32-bit key of the group; its id and name stand
    beside it as unique arguments do.
    """
    return [row for event in events for row in _sendgrid_rows(event, scopes)]


def _sendgrid_rows(event: Event, scopes: Collection[EventScope]) -> list[Mapping[str, object]]:
    said = event.statement
    row: dict[str, object] = {
        "email": event.identity,
        "timestamp": said.at_ms // 1000,
        "sg_message_id": event.id,
        "category": [said.campaign] if said.campaign else [],
        "signoff_event_id": event.id,
        "signoff_source": said.source.label,
    }
    row |= {"signoff_identifier": event.identifier} if event.identifier else {}
    rows: list[Mapping[str, object]] = []
    if event.everything and not said.subscribed and EventScope.ALL in scopes:
        rows.append(row | {"event": "unsubscribe", "sg_event_id": event.id})
    if EventScope.GROUPS in scopes:
        kind = "group_resubscribe" if said.subscribed else "group_unsubscribe"
        rows += [
            row | {"event": kind, "sg_event_id": f"{event.id}-{number}"} | _asm(one)
            for number, one in enumerate(event.groups)
        ]
    return rows


def _asm(group: NamedGroup) -> dict[str, object]:
    number = int(group.id[1:], 16) if group.id.startswith("#") else group_key(GroupId(group.id))
    return {"asm_group_id": number, "signoff_group_id": group.id, "signoff_group_name": group.name}


def mailgun(events: Sequence[Event], _scopes: Collection[EventScope]) -> Mapping[str, object]:
    """Return `event-data` of one `unsubscribed` event; the signature is `mailgun_signed`'s."""
    (event,) = events
    said = event.statement
    return {
        "event-data": {
            "id": event.id,
            "event": "unsubscribed",
            "timestamp": said.at_ms / 1000,
            "log-level": "info",
            "recipient": event.identity,
            "recipient-domain": event.address.rpartition("@")[2],
            "tags": [],
            "campaigns": [{"id": said.campaign, "name": said.campaign}] if said.campaign else [],
            "user-variables": (
                {"source": SOURCE_NAMES[said.source], "groups": event.named_groups}
                | ({"identifier": event.identifier} if event.identifier else {})
            ),
            "message": {"headers": {"message-id": event.id}},
        }
    }


def mailgun_signed(
    document: object, *, key: bytes, message_id: str, at_s: int
) -> Mapping[str, object]:
    """Return the document with Mailgun's signature: hexadecimal HMAC-SHA256 over `timestamp +
    token`.

    The token has 50 characters and comes from the key, the id and the time: nobody without the key
    can tell it from chance.
    """
    timestamp = str(at_s)
    token = hmac.digest(key, f"token {message_id} {timestamp}".encode(), hashlib.sha256).hex()[:50]
    signature = hmac.digest(key, f"{timestamp}{token}".encode(), hashlib.sha256).hex()
    rest = document if isinstance(document, Mapping) else {}
    return {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, **rest}


def postmark(events: Sequence[Event], _scopes: Collection[EventScope]) -> object:
    """Return one `SubscriptionChange`. The message stream is the brand: all its promotional
    mail.
    """
    (event,) = events
    said = event.statement
    reason = "SpamComplaint" if said.source is Source.COMPLAINT else "ManualSuppression"
    return {
        "RecordType": "SubscriptionChange",
        "MessageID": event.uuid,
        "ServerID": said.brand,
        "MessageStream": event.brand,
        "ChangedAt": event.time,
        "Recipient": event.identity,
        "Origin": "Customer" if said.source in _BY_THE_BRAND else "Recipient",
        "SuppressSending": not said.subscribed,
        "SuppressionReason": None if said.subscribed else reason,
        "Tag": said.campaign or None,
        "Metadata": (
            {"source": said.source.label}
            | ({"identifier": event.identifier} if event.identifier else {})
        ),
    }


def ses(events: Sequence[Event], scopes: Collection[EventScope]) -> object:
    """Return one event of type `Subscription`, bare, as SNS delivers it raw: an SNS envelope could
    only be signed by Amazon.

    `unsubscribeAll` stands there only when the state of all mail changed: else a receiver would put
    all mail back for whoever had left it.
    """
    (event,) = events
    said = event.statement
    return {
        "eventType": "Subscription",
        "mail": {
            "timestamp": event.time,
            "source": "",
            "messageId": event.id,
            "destination": [event.identity],
            "tags": (
                ({"campaign_id": [said.campaign]} if said.campaign else {})
                | ({"identifier": [event.identifier]} if event.identifier else {})
            ),
        },
        "subscription": {
            "contactList": event.brand,
            "timestamp": event.time,
            "source": (
                "UnsubscribeHeader"
                if said.source in _BY_THE_HEADER
                else SOURCE_NAMES[said.source].replace(" ", "")
            ),
            "newTopicPreferences": _topics(event, scopes, subscribed=said.subscribed),
            "oldTopicPreferences": _topics(event, scopes, subscribed=not said.subscribed),
        },
    }


def _topics(event: Event, scopes: Collection[EventScope], *, subscribed: bool) -> dict[str, object]:
    status = "OptIn" if subscribed else "OptOut"
    groups = event.groups if EventScope.GROUPS in scopes else ()
    topics = [
        {"topicName": group.id, "subscriptionStatus": status, "displayName": group.name}
        for group in groups
    ]
    everything = event.everything and EventScope.ALL in scopes
    return ({"unsubscribeAll": not subscribed} if everything else {}) | {
        "topicSubscriptionStatus": topics
    }
