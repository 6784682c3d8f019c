"""One recipient, by address: what they said, and what an operator says for them.

An operator unsubscribes like any link does, durably and without a condition. An operator
resubscribes only with the recipient's newer consent: what it was is kept in the audit, and the
sequence that the operator saw makes a later unsubscribe win (catalogue Q6).
"""

from collections.abc import Callable, Sequence

from app.core.address import checked
from app.core.model import (
    Acknowledgement,
    Brand,
    GroupKey,
    HistoryEntry,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
)
from app.core.token import TokenCodec
from app.usecases.ports import Clock, Store
from app.usecases.token_links import Unsubscriber


class Recipients:
    """Looks at one recipient, and speaks for one."""

    def __init__(
        self,
        *,
        store: Store,
        unsubscribe: Unsubscriber,
        codec: TokenCodec,
        clock: Clock,
        new_id: Callable[[], bytes],
    ) -> None:
        self._store = store
        self._unsubscribe = unsubscribe
        self._codec = codec
        self._clock = clock
        self._new_id = new_id

    def digest(self, brand: Brand, address: str) -> RecipientDigest:
        """Return the digest under which the brand knows an address. Raises AddressInvalid."""
        return self._codec.digest(checked(address), brand=brand.number)

    async def state(self, brand: Brand, address: str) -> Preferences:
        """Return what is known of a recipient; of a stranger, that they are subscribed to
        everything.
        """
        (found,) = await self._store.preferences(brand.number, [self.digest(brand, address)])
        return found

    async def history(self, brand: Brand, address: str, *, limit: int) -> Sequence[HistoryEntry]:
        """Return the newest changes of a recipient, oldest first."""
        return await self._store.history(brand.number, self.digest(brand, address), limit=limit)

    async def unsubscribe(
        self, brand: Brand, address: str, groups: tuple[GroupKey, ...]
    ) -> tuple[Statement, Acknowledgement]:
        """Unsubscribe a recipient from groups, none meaning all mail, and return once that is
        durable. Raises StoreUnavailable.
        """
        statement = self._statement(brand, address, groups)
        return statement, await self._unsubscribe(statement)

    async def resubscribe(
        self, brand: Brand, address: str, groups: tuple[GroupKey, ...], *, sequence: int
    ) -> tuple[Statement, Acknowledgement]:
        """Subscribe a recipient again who has consented to it. Raises Conflict when the state has
        moved on since `sequence`.
        """
        statement = self._statement(brand, address, groups)._replace(
            subscribed=True, expected_sequence=sequence
        )
        return statement, await self._unsubscribe(statement)

    def _statement(self, brand: Brand, address: str, groups: tuple[GroupKey, ...]) -> Statement:
        at_ms = self._clock()
        return Statement(
            id=self._new_id(),
            brand=brand.number,
            digest=self.digest(brand, address),
            groups=groups,
            subscribed=False,
            source=Source.API,
            at_ms=at_ms,
            sealed_address=self._codec.seal_address(
                checked(address), brand=brand.number, at_ms=at_ms
            ),
        )
