"""The three shapes in which events leave: Standard Webhooks, MoEngage Streams, and CleverTap's list of unsubscribes."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from app.core.events import Event, EventName, attributes, facts
from app.core.webhook import Format

_EVENT_CODES = {
    EventName.EMAIL_UNSUBSCRIBED: "MOE_EMAIL_UNSUBSCRIBE",
    EventName.CHANNEL_UNSUBSCRIBED: "MOE_EMAIL_UNSUBSCRIBE",
    EventName.EMAIL_RESUBSCRIBED: "MOE_EMAIL_RESUBSCRIBE",
}


def message_id(events: Sequence[Event]) -> str:
    """Return the id of a request: the event's own, or for a batch one that is the same whenever the batch is the same."""
    if len(events) == 1:
        return events[0].id
    return hashlib.sha256(b"".join(event.statement.id for event in events)).hexdigest()[:32]


def body(form: Format, events: Sequence[Event]) -> bytes:
    """Return the request's JSON for one event or a batch, as many as `core.webhook.BATCH` allows."""
    return json.dumps(_SHAPES[form](events), ensure_ascii=False, separators=(",", ":")).encode()


def _standard(events: Sequence[Event]) -> object:
    (event,) = events
    return {"type": event.name.type, "timestamp": event.time, "data": facts(event)}


def _streams(events: Sequence[Event]) -> object:
    return {
        "app_name": events[0].brand_name,
        "source": "SIGNOFF",
        "moe_request_id": message_id(events),
        "events": [_streams_event(event) for event in events],
    }


def _streams_event(event: Event) -> dict[str, object]:
    return {
        "event_name": event.name.value,
        "event_code": _EVENT_CODES[event.name],
        "event_uuid": event.uuid,
        "event_time": event.statement.at_ms // 1000,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "SIGNOFF",
        "uid": event.identity,
        "event_attributes": {
            "campaign_id": event.statement.campaign,
            "campaign_channel": "EMAIL",
            **attributes(event),
            "scope": event.scope,
            "groups": list(event.groups),
            "sequence": event.sequence,
            "key_id": event.statement.key_id,
        },
        "user_attributes": {"email": event.address} if event.address else {},
        "device_attributes": {},
    }


def _clevertap(events: Sequence[Event]) -> object:
    """Events in their order: a run of the same kind is one object, so nobody's return is told before their leaving."""
    runs: list[tuple[str, list[Mapping[str, object]]]] = []
    for event in events:
        kind = "resubscribe" if event.statement.subscribed else "unsubscribe"
        if not runs or runs[-1][0] != kind:
            runs.append((kind, []))
        runs[-1][1].extend(_clevertap_rows(event))
    return [{"event": kind, "data": rows} for kind, rows in runs]


def _clevertap_rows(event: Event) -> list[Mapping[str, object]]:
    """Return a row about all mail, one about groups, or both."""
    row: dict[str, object] = {"e": event.identity, "ts": event.statement.at_ms // 1000}
    return [*((row,) if event.everything else ()), *((row | {"groups": list(event.groups)},) if event.groups else ())]


_SHAPES: Mapping[Format, Callable[[Sequence[Event]], object]] = {
    Format.STANDARD: _standard,
    Format.STREAMS: _streams,
    Format.CLEVERTAP: _clevertap,
}
