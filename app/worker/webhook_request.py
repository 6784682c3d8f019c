"""Turns deliveries into events and requests: the address opened, groups by their names, the
endpoint's format, the signature.
"""

from collections.abc import Sequence

from app.core import payload
from app.core.errors import TokenError
from app.core.events import Event
from app.core.group_words import GroupWords
from app.core.groups import EVERYTHING
from app.core.identifiers import identifier_of
from app.core.model import BrandNumber, GroupKey, Statement
from app.core.token import TokenCodec
from app.core.webhook import Delivery, Endpoint
from app.usecases.group_cache import CachedGroups


class DeliveryEvents:
    """Knows what may be told of a delivery."""

    def __init__(self, *, codec: TokenCodec, groups: CachedGroups) -> None:
        self._codec = codec
        self._groups = groups

    async def events(self, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> Sequence[Event]:
        """Return the events of deliveries to one endpoint, in their order.

        Raises StoreUnavailable while the names of groups were never read: an event without them
        would say less than it has to.
        """
        words = await self._words(
            endpoint.brand,
            {key for delivery in deliveries for key in delivery.changed} - {EVERYTHING},
        )
        return [self._event(endpoint, delivery, words) for delivery in deliveries]

    def _event(self, endpoint: Endpoint, delivery: Delivery, words: GroupWords) -> Event:
        address = self._address(delivery.statement)
        return Event(
            statement=delivery.statement,
            brand=endpoint.brand_id,
            brand_name=endpoint.brand_name,
            sequence=delivery.sequence,
            address=address,
            everything=EVERYTHING in delivery.changed,
            groups=words.changed(delivery.changed),
            identifier=identifier_of(endpoint.owner, address=address, digest=delivery.digest),
        )

    def _address(self, statement: Statement) -> str:
        """Return the address; empty when none was kept, or its key was revoked: the receiver then
        has the digest.
        """
        try:
            return self._codec.unseal_address(statement.sealed_address, brand=statement.brand)
        except TokenError:
            return ""

    async def _words(self, brand: BrandNumber, keys: set[GroupKey]) -> GroupWords:
        """Return the brand's groups, read again when one of these is younger than what is known."""
        if not keys:
            return GroupWords(())
        words = GroupWords(await self._groups.groups(brand))
        return (
            words if all(map(words.knows, keys)) else GroupWords(await self._groups.renewed(brand))
        )


def request_of(
    endpoint: Endpoint, events: Sequence[Event], *, at_ms: int
) -> tuple[bytes, dict[str, str]]:
    """Return body and header fields of the request that tells these events, signed when the
    endpoint has a secret.
    """
    return payload.request(
        endpoint.format, events, scopes=endpoint.scopes, secrets=endpoint.secrets, at_ms=at_ms
    )
