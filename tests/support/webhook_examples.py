"""The examples of docs/webhooks.md; `python -m tests.support.webhook_examples` prints them as they
stand there.
"""

import json

from app.core import payload
from app.core.webhook import SCOPES, WebhookFormat
from tests.core.test_payload import event

_SECRET = b"whsec_c2VjcmV0IG9mIHRoZSBleGFtcGxlIGZvciBkb2Nz"
ABOUT = {
    WebhookFormat.STANDARD: (
        "one event a request, after the [Standard Webhooks](https://www.standardwebhooks.com/)"
        " specification"
    ),
    WebhookFormat.STREAMS: "at most 100 events a request in the shape of MoEngage Streams",
    WebhookFormat.CLEVERTAP: (
        "at most 100 events a request; `resubscribe` for who comes back, "
        "`group_unsubscribe` and `group_resubscribe` with `groups`"
    ),
    WebhookFormat.CLOUDEVENTS: (
        "one event a request in the structured mode of CloudEvents 1.0"
        " (`application/cloudevents+json`); `data` as in `standard`"
    ),
    WebhookFormat.SENDGRID: (
        "at most 100 events a request: `unsubscribe`, `group_unsubscribe`, `group_resubscribe`; "
        "`asm_group_id` is our number of the group"
    ),
    WebhookFormat.MAILGUN: (
        "one `unsubscribed` event a request, signed in the body as Mailgun signs"
    ),
    WebhookFormat.POSTMARK: "one `SubscriptionChange` a request; the message stream is the brand",
    WebhookFormat.SES: (
        "one `Subscription` event a request, bare, as SNS delivers it raw; "
        "`unsubscribeAll` only when the state of all mail changed"
    ),
}


def examples() -> dict[WebhookFormat, object]:
    """Return what each format renders, by format, in the order of the page."""
    found: dict[WebhookFormat, object] = {}
    for form in ABOUT:
        said = event(groups=("News",)) if len(SCOPES[form]) > 1 else event()
        body, _ = payload.request(
            form, [said], scopes=SCOPES[form], secrets=(_SECRET,), at_ms=said.statement.at_ms
        )
        found[form] = json.loads(body)
    return found


if __name__ == "__main__":
    for form, document in examples().items():
        print(
            f"`{form}`:"
            f" {ABOUT[form]}.\n\n```json\n{json.dumps(document, indent=1, ensure_ascii=False)}\n```\n"
        )
