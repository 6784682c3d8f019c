"""The shapes in which events leave: ours, those of the platforms whose receivers exist already, and
how each is signed.

1. A row says no more than happened: an endpoint that asked for all mail alone hears nothing of a
   group, and a row about a group has the group's own name or event, never the vendor's word for
   leaving everything.
2. `standard`, `streams` and `cloudevents` carry every fact. The vendors' shapes are in
   `app.core.vendor_payload`.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence

from app.core import vendor_payload
from app.core.events import Event, EventName, EventScope, attributes, facts
from app.core.webhook import EVERY_SCOPE, WebhookFormat, signature_fields

_CONTENT_TYPES = {WebhookFormat.CLOUDEVENTS: "application/cloudevents+json; charset=UTF-8"}
_EVENT_CODES = {
    EventName.EMAIL_UNSUBSCRIBED: "MOE_EMAIL_UNSUBSCRIBE",
    EventName.CHANNEL_UNSUBSCRIBED: "MOE_EMAIL_UNSUBSCRIBE",
    EventName.EMAIL_RESUBSCRIBED: "MOE_EMAIL_RESUBSCRIBE",
}
_GROUP_CODES = _EVENT_CODES | {  # ours: the platform's own codes are about all mail
    EventName.CHANNEL_UNSUBSCRIBED: "SIGNOFF_GROUP_UNSUBSCRIBE",
    EventName.EMAIL_RESUBSCRIBED: "SIGNOFF_GROUP_RESUBSCRIBE",
}


def message_id(events: Sequence[Event]) -> str:
    """Return the id of a request: the event's own, or for a batch one that is the same whenever the
    batch is the same.
    """
    if len(events) == 1:
        return events[0].id
    return hashlib.sha256(b"".join(event.statement.id for event in events)).hexdigest()[:32]


def body(
    form: WebhookFormat, events: Sequence[Event], *, scopes: Collection[EventScope] = EVERY_SCOPE
) -> bytes:
    """Return the request's JSON for one event or a batch, as many as `core.webhook.BATCH` allows,
    rows only about `scopes`.
    """
    return _json(_SHAPES[form](events, scopes))


def request(
    form: WebhookFormat,
    events: Sequence[Event],
    *,
    scopes: Collection[EventScope],
    secrets: Sequence[bytes],
    at_ms: int,
) -> tuple[bytes, dict[str, str]]:
    """Return body and header fields of the request that tells these events, signed with the
    secrets: in the body as Mailgun does, else as Standard Webhooks say.
    """
    named = message_id(events)
    fields = {"content-type": _CONTENT_TYPES[form]} if form in _CONTENT_TYPES else {}
    if form is WebhookFormat.MAILGUN:
        signed = vendor_payload.mailgun_signed(
            _SHAPES[form](events, scopes), key=secrets[0], message_id=named, at_s=at_ms // 1000
        )
        return _json(signed), fields | {"webhook-id": named}
    content = body(form, events, scopes=scopes)
    if not secrets:
        return content, fields | {"webhook-id": named}
    return content, fields | signature_fields(
        secrets, message_id=named, at_s=at_ms // 1000, body=content
    )


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _standard(events: Sequence[Event], _scopes: Collection[EventScope]) -> object:
    (event,) = events
    return {"type": event.name.type, "timestamp": event.time, "data": facts(event)}


def _cloudevents(events: Sequence[Event], _scopes: Collection[EventScope]) -> object:
    """Return one event in the structured mode of CloudEvents 1.0: `source` and `id` together name
    it for ever.
    """
    (event,) = events
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/signoff/brands/{event.brand}",
        "type": f"signoff.{event.name.type}",
        # no address: what stands beside the data is logged on its way
        "subject": event.statement.digest.hex(),
        "time": event.time,
        "datacontenttype": "application/json",
        "data": facts(event),
    }


def _streams(events: Sequence[Event], _scopes: Collection[EventScope]) -> object:
    return {
        "app_name": events[0].brand_name,
        "source": "SIGNOFF",
        "moe_request_id": message_id(events),
        "events": [_streams_event(event) for event in events],
    }


def _streams_event(event: Event) -> dict[str, object]:
    return {
        "event_name": event.name.value,
        "event_code": (_EVENT_CODES if event.everything else _GROUP_CODES)[event.name],
        "event_uuid": event.uuid,
        "event_time": event.statement.at_ms // 1000,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "SIGNOFF",
        "uid": event.identifier or event.identity,
        "event_attributes": {
            "campaign_id": event.statement.campaign,
            "campaign_channel": "EMAIL",
            **attributes(event),
            "scope": event.scope,
            "groups": event.named_groups,
            "identifier": event.identifier or None,
            "sequence": event.sequence,
            "key_id": event.statement.key_id,
        },
        "user_attributes": {"email": event.address} if event.address else {},
        "device_attributes": {},
    }


def _clevertap(events: Sequence[Event], scopes: Collection[EventScope]) -> object:
    """Events in their order: a run of the same kind is one object, so nobody's return is told
    before their leaving.
    """
    runs: list[tuple[str, list[Mapping[str, object]]]] = []
    for event in events:
        for kind, row in _clevertap_rows(event, scopes):
            if not runs or runs[-1][0] != kind:
                runs.append((kind, []))
            runs[-1][1].append(row)
    return [{"event": kind, "data": rows} for kind, rows in runs]


def _clevertap_rows(
    event: Event, scopes: Collection[EventScope]
) -> list[tuple[str, Mapping[str, object]]]:
    """Return a row about all mail, one about groups under a name of its own, or both."""
    kind = "resubscribe" if event.statement.subscribed else "unsubscribe"
    row: dict[str, object] = {"e": event.identity, "ts": event.statement.at_ms // 1000}
    row |= {"identifier": event.identifier} if event.identifier else {}
    rows: list[tuple[str, Mapping[str, object]]] = []
    if event.everything and EventScope.ALL in scopes:
        rows.append((kind, row))
    if event.groups and EventScope.GROUPS in scopes:
        rows.append((f"group_{kind}", row | {"groups": event.named_groups}))
    return rows


_SHAPES: Mapping[WebhookFormat, Callable[[Sequence[Event], Collection[EventScope]], object]] = {
    WebhookFormat.STANDARD: _standard,
    WebhookFormat.STREAMS: _streams,
    WebhookFormat.CLEVERTAP: _clevertap,
    WebhookFormat.CLOUDEVENTS: _cloudevents,
    WebhookFormat.SENDGRID: vendor_payload.sendgrid,
    WebhookFormat.MAILGUN: vendor_payload.mailgun,
    WebhookFormat.POSTMARK: vendor_payload.postmark,
    WebhookFormat.SES: vendor_payload.ses,
}
