"""Erases a recipient: everything but the keyed hash under which a suppression must go on to hold
(catalogue Q12).

The clear address is nowhere to begin with. What goes is its sealed form and the recipient's
history; what stays is the state under the digest, so that a mail to somebody who had left is still
suppressed. The local spools forget within 15 minutes by themselves.
"""

from typing import Protocol

from app.core.audit import AuditAction
from app.core.model import Brand, BrandNumber, RecipientDigest
from app.usecases.auditing import Auditing
from app.usecases.ports import Clock, RecipientIndex
from app.usecases.recency import AHEAD_MS


class Pending(Protocol):
    """What waits to be told to the brand's endpoints."""

    async def forget_address(self, brand: BrandNumber, digest: RecipientDigest) -> int:
        """Remove the sealed address from everything that waits or was given up, and return from how
        much. Raises StoreUnavailable.
        """
        ...


class Erase:
    """Erases one recipient at a time; idempotent."""

    def __init__(
        self,
        *,
        recipient_index: RecipientIndex,
        pending: Pending,
        clock: Clock,
        auditing: Auditing,
    ) -> None:
        self._recipient_index = recipient_index
        self._pending = pending
        self._clock = clock
        self._auditing = auditing

    async def __call__(self, brand: Brand, digest: RecipientDigest, *, actor: str) -> bool:
        """Erase, and return whether anything was known; the audit names `actor`. Raises
        StoreUnavailable; then some of it may be erased: do it again.

        Events that still wait are delivered with the digest in the place of the address.
        """
        # A statement may be stamped that far ahead of our clock, and the spool may apply one again.
        known = await self._recipient_index.erase(
            brand.number, digest, erased_ms=self._clock() + AHEAD_MS
        )
        was_pending = bool(await self._pending.forget_address(brand.number, digest))
        await self._auditing.note(brand, actor, AuditAction.RECIPIENT_ERASED, digest.hex())
        return was_pending or known
