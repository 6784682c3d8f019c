"""Turns what the holder of a link said into the statement that is stored."""

from collections.abc import Callable
from typing import Protocol

from app.core.model import BrandNumber, Claims, GroupKey, Source, Statement
from app.usecases.ports import Clock
from app.usecases.routing import HomeOf, here


class Seal(Protocol):
    """What hides the address in the stored statement: `TokenCodec.seal_address`, or a rule that
    keeps none.
    """

    def __call__(self, address: str, *, brand: BrandNumber, at_ms: int) -> bytes:
        """Return the sealed address."""
        ...


class Statements:
    """Makes statements, each with its own id and the time at which it was said. `home` knows the
    other data centres.
    """

    def __init__(
        self, *, clock: Clock, new_id: Callable[[], bytes], seal: Seal, home: HomeOf = here
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._seal = seal
        self._home = home

    def of(
        self,
        claims: Claims,
        groups: tuple[GroupKey, ...],
        source: Source,
        *,
        subscribed: bool = False,
        expected_sequence: int | None = None,
    ) -> Statement:
        """Return the statement of the link's holder about these groups; no groups: all mail."""
        at_ms = self._clock()
        return Statement(
            id=self._new_id(),
            brand=claims.brand,
            digest=claims.digest,
            groups=groups,
            subscribed=subscribed,
            source=source,
            at_ms=at_ms,
            campaign=claims.campaign,
            key_id=claims.key_id,
            sealed_address=self._seal(claims.address, brand=claims.brand, at_ms=at_ms)
            if claims.address
            else b"",
            expected_sequence=expected_sequence,
            home=self._home(claims),
        )
