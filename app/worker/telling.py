"""Turns deliveries into requests: the address opened, groups by their names, the endpoint's format, the signature."""

from collections.abc import Mapping, Sequence

from app.core import payload
from app.core.errors import StoreUnavailable, TokenError
from app.core.events import Event
from app.core.groups import EVERYTHING, group_key
from app.core.model import BrandNumber, GroupKey, Statement
from app.core.token import TokenCodec
from app.core.webhook import Delivery, Endpoint, signature_fields
from app.usecases.group_cache import GroupReader


class Teller:
    """Knows what may be told of a delivery."""

    def __init__(self, *, codec: TokenCodec, groups: GroupReader) -> None:
        self._codec = codec
        self._groups = groups

    async def events(self, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> Sequence[Event]:
        """Return the events of deliveries to one endpoint, in their order."""
        grouped = any(key != EVERYTHING for delivery in deliveries for key in delivery.changed)
        names = await self._names(endpoint.brand) if grouped else {}
        return [
            Event(
                statement=delivery.statement,
                brand=endpoint.brand_id,
                brand_name=endpoint.brand_name,
                sequence=delivery.sequence,
                address=self._address(delivery.statement),
                everything=EVERYTHING in delivery.changed,
                groups=_named(delivery.changed, names),
            )
            for delivery in deliveries
        ]

    def _address(self, statement: Statement) -> str:
        """Return the address; empty when none was kept, or its key was revoked: the receiver then has the digest."""
        try:
            return self._codec.unseal_address(statement.sealed_address, brand=statement.brand)
        except TokenError:
            return ""

    async def _names(self, brand: BrandNumber) -> Mapping[GroupKey, str]:
        try:
            return {group_key(group.id): group.name for group in await self._groups.groups(brand)}
        except StoreUnavailable:  # the event does not wait for its groups' names
            return {}


def request_of(endpoint: Endpoint, events: Sequence[Event], *, at_ms: int) -> tuple[bytes, dict[str, str]]:
    """Return body and header fields of the request that tells these events, signed when the endpoint has a secret."""
    body = payload.body(endpoint.format, events)
    message_id = payload.message_id(events)
    if not endpoint.secrets:
        return body, {"webhook-id": message_id}
    return body, signature_fields(endpoint.secrets, message_id=message_id, at_s=at_ms // 1000, body=body)


def _named(changed: Sequence[GroupKey], names: Mapping[GroupKey, str]) -> tuple[str, ...]:
    """Return the names of the groups that changed; a group that nobody knows any more goes by its key."""
    return tuple(names.get(key, f"{key:08x}") for key in changed if key != EVERYTHING)
