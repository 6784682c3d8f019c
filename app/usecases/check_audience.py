"""Asks for a whole audience before it is written to: who may get a campaign, and who not."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from app.core.address import checked
from app.core.errors import AddressInvalid
from app.core.model import Brand, RecipientDigest
from app.core.preferences import SuppressionReason, Targeting, reason_not_to_send
from app.core.token import TokenCodec
from app.usecases.ports import Store

MOST_ADDRESSES = 10_000
_SLICE = 500


class Checked(NamedTuple):
    """The audience in three parts, each in the order of the question."""

    allowed: Sequence[str]
    suppressed: Sequence[tuple[str, SuppressionReason]]
    invalid: Sequence[str]


class CheckAudience:
    """Decides as the relay would."""

    def __init__(self, *, store: Store, codec: TokenCodec) -> None:
        self._store = store
        self._codec = codec

    async def __call__(
        self, brand: Brand, addresses: Sequence[str], targeting: Targeting
    ) -> Checked:
        """Return who is allowed, who is suppressed and why, and what is no address. Raises
        StoreUnavailable.
        """
        invalid: list[str] = []
        known: list[tuple[str, RecipientDigest]] = []
        # in a thread: ten thousand international domains take seconds
        for start in range(0, len(addresses), _SLICE):
            await asyncio.to_thread(
                self._identify, brand, addresses[start : start + _SLICE], known, invalid
            )
        allowed: list[str] = []
        suppressed: list[tuple[str, SuppressionReason]] = []
        for start in range(0, len(known), _SLICE):
            part = known[start : start + _SLICE]
            states = await self._store.preferences(brand.number, [digest for _, digest in part])
            for (address, _), state in zip(part, states, strict=True):
                reason = reason_not_to_send(state, targeting)
                if reason is None:
                    allowed.append(address)
                else:
                    suppressed.append((address, reason))
        return Checked(allowed, suppressed, invalid)

    def _identify(
        self,
        brand: Brand,
        addresses: Sequence[str],
        known: list[tuple[str, RecipientDigest]],
        invalid: list[str],
    ) -> None:
        for address in addresses:
            try:
                known.append((address, self._codec.digest(checked(address), brand=brand.number)))
            except AddressInvalid:
                invalid.append(address)
