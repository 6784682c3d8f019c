"""The use case behind every link that stands in a mail: open the token, then save what its holder said.

Looking and leaving are two steps, because a page looks without leaving (catalogue E4). A test token does everything but save (H12).
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from app.core.model import Acknowledgement, BrandNumber, Claims, Purpose, Source, Statement
from app.core.token import TokenCodec
from app.usecases.ports import Clock

Unsubscriber = Callable[[Statement], Awaitable[Acknowledgement]]  # `app.usecases.unsubscribe.Unsubscribe`


class Seal(Protocol):
    """What hides the address in the stored statement: `TokenCodec.seal_address`, or a rule that keeps none."""

    def __call__(self, address: str, *, brand: BrandNumber, at_ms: int) -> bytes:
        """Return the sealed address."""
        ...


class OneClick:
    """Opens tokens and turns them into statements."""

    def __init__(
        self,
        *,
        codec: TokenCodec,
        unsubscribe: Unsubscriber,
        clock: Clock,
        new_id: Callable[[], bytes],
        seal: Seal,
    ) -> None:
        self._codec = codec
        self._unsubscribe = unsubscribe
        self._clock = clock
        self._new_id = new_id
        self._seal = seal

    def look(self, text: str, *, purpose: Purpose) -> Claims:
        """Return the claims of a token that may be used for `purpose`; changes nothing. Raises TokenError."""
        return self._codec.open(text, purpose=purpose)

    async def leave(self, claims: Claims, *, source: Source) -> Acknowledgement:
        """Unsubscribe the holder of the token from its scope and return once that is durable; idempotent.

        The same token works for ever, also after a resubscribe (catalogue T8). A test token is acknowledged with 0 copies and changes
        nothing (H12). Raises StoreUnavailable when nothing could be made durable.
        """
        if claims.test:
            return Acknowledgement(copies=0)
        return await self._unsubscribe(self._statement(claims, source))

    def _statement(self, claims: Claims, source: Source) -> Statement:
        at_ms = self._clock()
        return Statement(
            id=self._new_id(),
            brand=claims.brand,
            digest=claims.digest,
            groups=claims.groups,
            subscribed=False,
            source=source,
            at_ms=at_ms,
            campaign=claims.campaign,
            key_id=claims.key_id,
            sealed_address=self._seal(claims.address, brand=claims.brand, at_ms=at_ms) if claims.address else b"",
        )
