"""What the API answers with."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.admin.api.call import Model
from app.admin.api.requests import Time
from app.core.api_key import KeyScope
from app.http.answers import Answer, answer


class View(Model):
    """Something that goes out; a member without a value is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BrandView(View):
    """A brand of the settings."""

    id: str
    name: str
    sender_domains: list[str]
    one_click: str
    preference_centre: str
    store_addresses: bool


class BrandList(View):
    """The brands that the key is good for."""

    brands: list[BrandView]


class GroupView(View):
    """A subscription group."""

    id: str
    name: str
    description: str
    archived: bool
    created: Time


class GroupList(View):
    """The groups of a brand, in the order in which they were created."""

    groups: list[GroupView]


class SubscriptionView(View):
    """The state of a recipient towards all mail, or towards one group."""

    subscribed: bool
    source: str | None = None
    since: Time | None = None
    last: Time | None = None


class RecipientView(View):
    """What is known of a recipient. Groups that are not listed are subscribed."""

    recipient: Annotated[str, Field(description="the keyed digest, hexadecimal")]
    address: str | None = None
    sequence: int
    all: SubscriptionView
    groups: dict[str, SubscriptionView]


class SegmentPage(View):
    """A page of a segment; it may be short, or empty, while there is a `next`."""

    recipients: list[RecipientView]
    next: str | None = None


class SuppressionView(View):
    """One thing that one recipient has left."""

    recipient: str
    address: str | None = None
    group: str
    source: str
    since: Time
    last: Time
    sequence: int


class SuppressionPage(View):
    """A page of suppressions; it may be short, or empty, while there is a `next`."""

    suppressions: list[SuppressionView]
    next: str | None = None


class ProblemLine(View):
    """A line that was refused."""

    line: int
    reason: str


class AcceptedView(View):
    """How many lines leave what."""

    all: Annotated[int, Field(description="lines that leave all mail")]
    groups: Annotated[dict[str, int], Field(description="lines that leave a group, by its name")]


class TakenView(View):
    """An accepted line."""

    line: int
    recipient: Annotated[
        str, Field(description="the address, or the digest in a list without addresses")
    ]
    groups: Annotated[list[str], Field(description="what is left: names of groups, or `all`")]
    at: Annotated[
        Time | None, Field(description="the time of leaving, where the line gives one")
    ] = None


class ImportView(View):
    """What became of a list."""

    id: Annotated[
        str | None, Field(description="by which the import can be undone; a dry run has none")
    ] = None
    dry_run: bool
    read: int
    accepted: AcceptedView
    skipped_subscribed: Annotated[
        int, Field(description="lines that say that the person is subscribed")
    ]
    undated: Annotated[int, Field(description="accepted without a time of leaving: taken as now")]
    overruled: Annotated[
        int,
        Field(description="accepted, though the recipient has said something newer, which holds"),
    ]
    refused: Annotated[list[ProblemLine], Field(description="the first thousand")]
    refused_count: int
    first: Annotated[list[TakenView], Field(description="the first accepted lines")]


class ImportedView(View):
    """An import that was made."""

    id: str
    at: Time
    by: Annotated[str, Field(description="the API key's id, or `cli`")]
    counts: dict[str, int]
    undone: Time | None = None


class ImportList(View):
    """The imports of a brand, newest first."""

    imports: list[ImportedView]


class UndoView(View):
    """What became of an undoing, in recipients."""

    id: str
    changed: Annotated[int, Field(description="whom the import had changed")]
    put_back: int
    kept: Annotated[int, Field(description="who has said something since, or was put back before")]


class Saved(View):
    """A statement that is durable."""

    id: Annotated[str, Field(description="of the event that it causes, if it changes anything")]
    recipient: str
    copies: Annotated[int, Field(description="how many places held it: store, spool")]


class SuppressedView(View):
    """An address that would not get the mail."""

    address: str
    reason: str


class CheckView(View):
    """The audience in three parts, each in the order of the question."""

    allowed: list[str]
    suppressed: list[SuppressedView]
    invalid: list[str]


class EventPage(View):
    """Events, the oldest first, as webhooks tell them, with the time of their arrival."""

    events: list[dict[str, object]]
    next: str | None = None


class EndpointView(View):
    """Where the brand hears of its events. Credentials in the URL are not shown."""

    url: str
    format: str
    scopes: Annotated[
        list[str], Field(description="what it hears of: `all` mail, `groups`, or both")
    ]
    switched_off: bool


class DeliveryView(View):
    """An event on its way to an endpoint."""

    id: str
    event: str
    recipient: str
    endpoint: str
    attempts: int
    reason: str
    next_attempt: Time | None = None
    cursor: str | None = None
    given_up: Time | None = None


class WebhookView(View):
    """The endpoints of a brand, and what waits to be delivered."""

    endpoints: list[EndpointView]
    waiting: list[DeliveryView]


class DeliveryList(View):
    """What waits to be delivered."""

    deliveries: list[DeliveryView]


class DeadLetterPage(View):
    """A page of dead letters."""

    dead_letters: list[DeliveryView]
    next: str | None = None


class Resent(View):
    """How many dead letters wait for delivery again."""

    resent: int


class KeyView(View):
    """An API key, without its secret."""

    id: str
    brand: str
    name: str
    scopes: list[KeyScope]
    created: Time
    revoked: Time | None = None


class KeyList(View):
    """The API keys of a brand, revoked ones too."""

    keys: list[KeyView]


class KeyMade(View):
    """A new key, with its text, which is shown this once."""

    key: KeyView
    text: Annotated[str, Field(description="send it as `Authorization: Bearer TEXT`")]


class AuditView(View):
    """One change that somebody made."""

    at: Time
    actor: Annotated[str, Field(description="the API key's id, `file`, or `cli`")]
    action: str
    target: str
    detail: dict[str, str]


class AuditPage(View):
    """What was done to a brand, the oldest first."""

    audit: list[AuditView]
    next: str | None = None


class FaultView(View):
    """One thing that is wrong in a request."""

    place: Annotated[str, Field(examples=["body.groups.0"])]
    message: str


class Problem(View):
    """Why there is no answer (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[FaultView] | None = None


def shown(status: int, view: View, **fields: str) -> Answer:
    """Return the answer that a view is."""
    return answer(
        status, "application/json", view.model_dump_json(exclude_none=True).encode(), **fields
    )
