"""The event vocabulary: which event a change is, and what a receiver may read about it.

1. One change is one event; its id is the id of the statement that caused it and stays the same over
   every retry, replay and endpoint.
2. A mail client's request, a mail-to and a callback about all mail are `Email Unsubscribed`, with
   `source` and `Unsubscribe Source` both `List Unsubscribe`; so are requests by the API and
   imports, with their own source.
3. A preference saved on a page that takes mail away, and every change by which somebody leaves a
   group, by whatever way, is `Channel Unsubscribed` with CleverTap's properties: an event that says
   `Email Unsubscribed` never means less than all mail.
4. Whoever comes back, by whatever way, is `Email Resubscribed`: an event that says "unsubscribed"
   must never mean the opposite.
5. Who leaves all mail on the preference centre leaves its groups too, and who comes back to one
   group comes back to all mail with it: the event names both, since a receiver that hears of all
   mail alone would take every group for on again.
6. `sequence` counts the changes of one recipient: of two events that overtook each other, the one
   with the higher sequence holds.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from app.core.groups import EVERYTHING
from app.core.model import BrandId, GroupKey, Source, Statement


class EventName(StrEnum):
    """What happened, in the words that brands know it by."""

    EMAIL_UNSUBSCRIBED = "Email Unsubscribed"
    CHANNEL_UNSUBSCRIBED = "Channel Unsubscribed"
    EMAIL_RESUBSCRIBED = "Email Resubscribed"

    @property
    def type(self) -> str:
        """Return the name as a type of Standard Webhooks, such as `email.unsubscribed`."""
        return self.value.lower().replace(" ", ".")


SOURCE_NAMES: Mapping[Source, str] = {
    Source.LIST_UNSUBSCRIBE: "List Unsubscribe",
    Source.MAILTO: "List Unsubscribe",
    Source.CALLBACK: "List Unsubscribe",
    Source.GROUP_PAGE: "Group Unsubscribe",
    Source.PREFERENCE_CENTRE: "Preference Centre",
    Source.LANDING_PAGE: "Landing Page",
    Source.API: "API",
    Source.IMPORT: "Import",
    Source.COMPLAINT: "Spam Complaint",
    Source.IMPORT_UNDONE: "Import Undone",
}
_SAVED_PREFERENCE = frozenset((Source.GROUP_PAGE, Source.PREFERENCE_CENTRE, Source.LANDING_PAGE))


def sources_called(word: str) -> frozenset[Source]:
    """Return the ways that a word means: one by its label, such as `mailto`, or all that events
    call so, such as `List Unsubscribe`.
    """
    called = word.casefold()
    by_label = frozenset(source for source in Source if source.label == called)
    return by_label or frozenset(
        source for source, name in SOURCE_NAMES.items() if name.casefold() == called
    )


class EventScope(StrEnum):
    """What an endpoint wants to hear of: changes of all mail, changes of groups."""

    ALL = "all"
    GROUPS = "groups"


class NamedGroup(NamedTuple):
    """A group by its id, which never changes, and by what people read. Both are `#` and the key
    where the brand has no such group.
    """

    id: str
    name: str

    def facts(self) -> dict[str, str]:
        """Return both as an object of JSON."""
        return {"id": self.id, "name": self.name}


def event_name(*, subscribed: bool, source: Source, changed: Sequence[GroupKey]) -> EventName:
    """Return the event that a change of these by this way is."""
    if subscribed:
        return EventName.EMAIL_RESUBSCRIBED
    of_groups = any(key != EVERYTHING for key in changed)
    return (
        EventName.CHANNEL_UNSUBSCRIBED
        if of_groups or source in _SAVED_PREFERENCE
        else EventName.EMAIL_UNSUBSCRIBED
    )


def scopes_of(changed: Sequence[GroupKey]) -> frozenset[EventScope]:
    """Return what a change is about."""
    return frozenset(EventScope.ALL if key == EVERYTHING else EventScope.GROUPS for key in changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change as it is told to a receiver. `address` is empty when only the recipient's digest
    is known.

    `everything`: the state of all mail changed. `groups`: those whose own state changed, with that
    of all mail or without.
    """

    statement: Statement
    brand: BrandId
    brand_name: str
    sequence: int
    address: str
    everything: bool
    groups: tuple[NamedGroup, ...]
    # by which a self-managed brand knows its user; empty: unknown, or the brand is none
    identifier: str = ""

    @property
    def id(self) -> str:
        """Return the id under which receivers tell repetitions, 32 hexadecimal digits."""
        return self.statement.id.hex()

    @property
    def uuid(self) -> str:
        """Return the same id in the spelling of a UUID."""
        return str(uuid.UUID(bytes=self.statement.id))

    @property
    def name(self) -> EventName:
        """Return what happened."""
        if self.statement.subscribed:
            return EventName.EMAIL_RESUBSCRIBED
        of_groups = self.groups or self.statement.source in _SAVED_PREFERENCE
        return EventName.CHANNEL_UNSUBSCRIBED if of_groups else EventName.EMAIL_UNSUBSCRIBED

    @property
    def scope(self) -> str:
        """Return what the change is about: `all` mail, the groups beside it or not, or `groups`
        alone.
        """
        return (EventScope.ALL if self.everything else EventScope.GROUPS).value

    @property
    def named_groups(self) -> list[dict[str, str]]:
        """Return the groups whose own state changed, each with id and name."""
        return [group.facts() for group in self.groups]

    @property
    def identity(self) -> str:
        """Return the address, or the digest when that is all we know."""
        return self.address or self.statement.digest.hex()

    @property
    def time(self) -> str:
        """Return the time of the request in ISO 8601, UTC, with milliseconds."""
        return (
            datetime.fromtimestamp(self.statement.at_ms / 1000, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )


def attributes(event: Event) -> dict[str, str]:
    """Return the attributes by which peers' receivers find their way: MoEngage's, and CleverTap's
    for a saved preference or a group.
    """
    source = SOURCE_NAMES[event.statement.source]
    named = {"source": source, "Unsubscribe Source": source}
    if event.statement.source not in _SAVED_PREFERENCE and not event.groups:
        return named
    return {
        **named,
        "Campaign ID": event.statement.campaign,
        "Campaign Type": "Email",
        "Group": ", ".join(
            (*(("All",) if event.everything else ()), *(group.name for group in event.groups))
        ),
        "Group ID": ", ".join(
            (*(("all",) if event.everything else ()), *(group.id for group in event.groups))
        ),
        "Identity": event.identity,
        "Subscription Type": "All" if event.everything else "Group",
        "Subscription Status": "Subscribed" if event.statement.subscribed else "Unsubscribed",
    }


def facts(event: Event) -> dict[str, object]:
    """Return everything that is known about an event, for the `standard` format, queries and the
    command line.
    """
    statement = event.statement
    return {
        "id": event.id,
        "event": event.name.value,
        "brand": event.brand,
        "email": event.address or None,
        "recipient": statement.digest.hex(),
        "identifier": event.identifier or None,
        "subscribed": statement.subscribed,
        "scope": event.scope,
        "groups": event.named_groups,
        "campaign_id": statement.campaign or None,
        "way": statement.source.label,
        **attributes(event),
        "time": event.time,
        "time_ms": statement.at_ms,
        "sequence": event.sequence,
        "key_id": statement.key_id or None,
    }
