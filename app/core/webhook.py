"""The rules of delivery: when to try again, what an answer means, how a request is signed. No I/O,
no clock, no chance.

1. A delivery is tried at once and then after each pause of `SCHEDULE`, with jitter; a receiver's
   Retry-After only lengthens a pause.
2. 2xx is success. 410 says that nobody is there any more: the endpoint is switched off until an
   operator resends. A redirect is a failure and never followed. An address that a webhook may not
   reach is final at once (catalogue L1). Anything else is tried again.
3. After the last try, and for what is final, the delivery becomes a dead letter: kept with its
   reason until it is sent again or dropped. So does what waits for an endpoint that no process has
   had in its settings for `ENDPOINT_GONE_MS`: it is cancelled, not late.
4. The id never changes, so a receiver that collapses by it sees each event once (catalogue Q7).
5. Signed as Standard Webhooks say: HMAC-SHA256 over `id.timestamp.body`, one signature for each
   valid secret, so a secret can be rotated.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NewType

from app.core.errors import RuleViolation
from app.core.events import EventName, EventScope
from app.core.model import Brand, BrandId, BrandNumber, GroupKey, RecipientDigest, Source, Statement

# 8 bytes that stand for brand, URL and format in the store; the first two are the brand
EndpointKey = NewType("EndpointKey", bytes)

ENDPOINT_KEY_BYTES = 8
_MINUTE, _HOUR = 60.0, 3600.0
# seconds between tries
SCHEDULE = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
JITTER = 0.1  # a pause is up to so much longer
LONGEST_RETRY_AFTER = 6 * _HOUR
_CURSOR = re.compile(r"(\d{1,3}):(\d{1,20}-\d{1,20})")
_LAST_PARTITION = 255
# of a stream's numbers; the server takes twice as many, and refuses what is beyond
_LAST_ENTRY = 2**63 - 1
# then also what was never tried is given up
GIVE_UP_MS = round(1000 * (1 + JITTER) * sum(SCHEDULE)) + 24 * 3_600_000
# long enough for a rolling deployment, short enough that no alarm rises for nobody's endpoint
ENDPOINT_GONE_MS = 600_000
PROMISED_MS = 48 * 3_600_000  # Gmail, Yahoo and MoEngage: a request takes effect within 48 hours


class WebhookFormat(StrEnum):
    """The shape in which an endpoint wants its events."""

    STANDARD = "standard"
    STREAMS = "streams"
    CLEVERTAP = "clevertap"
    CLOUDEVENTS = "cloudevents"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    SES = "ses"


class Reach(StrEnum):
    """Which addresses a request may go to (catalogue L1)."""

    PUBLIC = "public"
    LOOPBACK = "loopback"  # development: public, and this machine
    PRIVATE = "private"  # development: anywhere


BATCH = dict.fromkeys(WebhookFormat, 1) | {
    WebhookFormat.STREAMS: 100,
    WebhookFormat.CLEVERTAP: 100,
    WebhookFormat.SENDGRID: 100,
}  # events in one request at most

EVERY_SCOPE = frozenset(EventScope)
ABOUT_ALL = frozenset((EventScope.ALL,))
SCOPES = {  # what an endpoint hears of unless it says otherwise
    **dict.fromkeys(WebhookFormat, ABOUT_ALL),
    **dict.fromkeys(
        (WebhookFormat.STANDARD, WebhookFormat.CLOUDEVENTS, WebhookFormat.SENDGRID), EVERY_SCOPE
    ),
}
ONLY_ALL = frozenset(
    (WebhookFormat.MAILGUN, WebhookFormat.POSTMARK)
)  # whose shape has no place for a group: a receiver would take it for all mail
# which returns the vendor has no event for: saying nothing is better than saying something else
_NO_RETURN = {
    WebhookFormat.MAILGUN: EVERY_SCOPE,
    WebhookFormat.SENDGRID: ABOUT_ALL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a brand hears of its events. `headers` are ready to send, credentials among them: never
    log them.
    """

    key: EndpointKey
    brand: BrandNumber
    brand_id: BrandId
    brand_name: str
    url: str = field(repr=False)  # may hold a key
    format: WebhookFormat = WebhookFormat.STANDARD
    secrets: tuple[bytes, ...] = field(default=(), repr=False)  # the newest first
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    events: frozenset[EventName] = frozenset(EventName)
    scopes: frozenset[EventScope] = EVERY_SCOPE
    reach: Reach = Reach.PUBLIC
    owner: Brand | None = None  # whose settings say how a self-managed brand knows its users

    def hears(self, name: EventName, scopes: Collection[EventScope]) -> bool:
        """Tell whether the endpoint is told of an event of this name that is about these."""
        told = self.scopes.intersection(scopes)
        if name is EventName.EMAIL_RESUBSCRIBED:
            told -= _NO_RETURN.get(self.format, frozenset())
        return name in self.events and bool(told)


def endpoint_key(brand: BrandNumber, url: str, form: WebhookFormat) -> EndpointKey:
    """Return the key of an endpoint: the same while brand, URL and format are the same."""
    return EndpointKey(
        brand.to_bytes(2, "big")
        + hashlib.sha256(f"{form} {url}".encode()).digest()[: ENDPOINT_KEY_BYTES - 2]
    )


def brand_of(key: EndpointKey) -> BrandNumber:
    """Return whose endpoint a key is, also of one that no setting names any more."""
    return BrandNumber(int.from_bytes(key[:2], "big"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One change that the worker has not looked at yet; `entry_id` is its place in the partition's
    stream.

    `changed` is empty only for a statement that is noted because it is to be shipped home.
    """

    entry_id: str
    statement: Statement
    changed: tuple[GroupKey, ...]
    sequence: int
    is_aside: bool = False  # set aside, since no worker that met it knew its brand


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    endpoint: EndpointKey
    statement: Statement
    changed: tuple[GroupKey, ...]
    sequence: int
    queued_ms: int
    attempts: int = 0  # that were made and failed
    late: bool = False  # counted as a breach of the 48 hours
    reason: str = ""  # why the last attempt failed

    @property
    def id(self) -> bytes:
        """Return the name of the delivery in the store."""
        return self.endpoint + self.statement.id

    @property
    def asked_ms(self) -> int:
        """Return since when somebody waits: the time of the request; an import may tell of one long
        ago, so there it is our own.
        """
        return self.queued_ms if self.statement.source is Source.IMPORT else self.statement.at_ms

    @property
    def digest(self) -> RecipientDigest:
        """Return whose change it is, which also tells the partition."""
        return self.statement.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up. `cursor` names its place: it orders, pages and picks dead
    letters.
    """

    cursor: str
    delivery: Delivery
    at_ms: int


def place_of(cursor: str) -> tuple[int, str]:
    """Return partition and entry of a dead letter's cursor. Raises RuleViolation for what is
    none.
    """
    found = _CURSOR.fullmatch(cursor)
    if (
        found is None
        or int(found[1]) > _LAST_PARTITION
        or max(map(int, found[2].split("-"))) > _LAST_ENTRY
    ):
        raise RuleViolation("the cursor is none that this list has given")
    return int(found[1]), found[2]


class DeliveryResult(StrEnum):
    """What became of an attempt; a metric label."""

    DELIVERED = "delivered"
    FAILED = "failed"  # and will be tried again
    GONE = "gone"
    BLOCKED = "blocked"
    DEAD = "dead"  # failed for the last time
    CANCELLED = "cancelled"  # its endpoint is in nobody's settings any more


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverAnswer:
    """What one request came to: an HTTP status, or 0 with the reason why there was none."""

    status: int = 0
    reason: str = ""
    retry_after: str = ""
    blocked: bool = False

    @property
    def is_success(self) -> bool:
        """Tell whether the receiver has taken the events."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 15.3

    @property
    def is_gone(self) -> bool:
        """Tell whether the receiver wants nothing more at this URL (RFC 9110 15.5.11)."""
        return self.status == 410  # noqa: PLR2004

    @property
    def why(self) -> str:
        """Return the reason in a word or two, for records and logs."""
        return self.reason or f"answered {self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryVerdict:
    """What to do with a delivery now: done (`due_ms` and `dead` unset), try again at `due_ms`, or
    give up.
    """

    result: DeliveryResult
    delivery: Delivery
    due_ms: int | None = None

    @property
    def is_dead(self) -> bool:
        """Tell whether the delivery becomes a dead letter."""
        return self.result in {
            DeliveryResult.GONE,
            DeliveryResult.BLOCKED,
            DeliveryResult.DEAD,
            DeliveryResult.CANCELLED,
        }


def judge(  # noqa: PLR0913 - what a decision hangs on
    delivery: Delivery,
    answer: ReceiverAnswer,
    *,
    now_ms: int,
    chance: float,
    schedule: Sequence[float] = SCHEDULE,
    endless: bool = False,
) -> DeliveryVerdict:
    """Decide about a delivery after an attempt. `chance` in 0..1 draws the jitter.

    `endless`: nothing is final but success, and the schedule's last pause comes again and again.
    """
    if answer.is_success:
        return DeliveryVerdict(result=DeliveryResult.DELIVERED, delivery=delivery)
    failed = replace(delivery, attempts=delivery.attempts + 1, reason=answer.why)
    final = None if endless else _final(failed, answer, len(schedule))
    if final:
        return DeliveryVerdict(result=final, delivery=failed)
    pause = schedule[min(failed.attempts, len(schedule)) - 1] * (1 + JITTER * chance)
    wanted = min(retry_after_seconds(answer.retry_after, now_ms), LONGEST_RETRY_AFTER)
    return DeliveryVerdict(
        result=DeliveryResult.FAILED,
        delivery=failed,
        due_ms=now_ms + round(1000 * max(pause, wanted)),
    )


def _final(failed: Delivery, answer: ReceiverAnswer, pauses: int) -> DeliveryResult | None:
    if answer.blocked:
        return DeliveryResult.BLOCKED
    if answer.is_gone:
        return DeliveryResult.GONE
    return DeliveryResult.DEAD if failed.attempts > pauses else None


def retry_after_seconds(field: str, now_ms: int) -> float:
    """Return the pause that a Retry-After field asks for (RFC 9110 10.2.3), 0 when it asks for none
    that can be understood.
    """
    text = field.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ms / 1000)
    except (ValueError, OverflowError):
        return 0.0


def lateness(delivery: Delivery, now_ms: int) -> tuple[Delivery, bool]:
    """Return the delivery marked late once its 48 hours are over, and whether that was noticed just
    now.
    """
    if delivery.late or now_ms - delivery.asked_ms <= PROMISED_MS:
        return delivery, False
    return replace(delivery, late=True), True


def signature_fields(
    secrets: Sequence[bytes], *, message_id: str, at_s: int, body: bytes
) -> dict[str, str]:
    """Return the three header fields of Standard Webhooks; a signature for each secret, the newest
    first.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), at_s, body)
    signatures = [
        f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"
        for secret in secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
    }
