"""The copy for one recipient: our Received, our signature, our stamp, and below them what the sender wrote.

`CopyMaker` is made once a message and holds all that its copies share; `copy` adds what only one recipient's copy has.
"""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import NamedTuple

from app.core.links import CopyLinks
from app.core.mail.stamp import Base
from app.core.model import Recipient
from app.observe import metrics
from app.observe.metrics import labelled
from smtp_proxy.downstream.transaction import WireBody
from smtp_proxy.relay.bodies import CopyBodies
from smtp_proxy.relay.sign import Prepared
from smtp_proxy.relay.signing_thread import SigningThread


class Copy(NamedTuple):
    """One recipient's copy: the complete header block with its blank line, and the body."""

    head: bytes
    body: WireBody


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyMaker:
    """Makes the copies of one message. Without links nothing is stamped, without a signature nothing is signed."""

    base: Base
    received: tuple[bytes, bytes]  # what stands before and behind the recipient in our Received field
    bodies: CopyBodies
    links: CopyLinks | None = None
    signature: Prepared | None = None

    def at_once(self, most: int) -> int:
        """Return how many copies may be under way at once, `most` or less."""
        return self.bodies.at_once(most)

    @property
    def own_octets(self) -> int:
        """Return how many octets of body are made for each copy; 0: all share one."""
        return self.bodies.own_octets

    async def copy(self, recipient: Recipient, signing: SigningThread) -> Copy:
        """Return one recipient's copy."""
        before, behind = self.received
        received = before + recipient.address.encode() + behind
        body = await self.bodies.for_copy(recipient)
        if self.links is None and self.signature is None:
            return Copy(self.base.head(received), body)
        started = perf_counter()
        stamped = self._stamp(recipient)
        head = self.base.head(received, await self._signed(stamped, body, signing), *stamped)
        metrics.STAMP_SECONDS.observe(perf_counter() - started)
        return Copy(head, body)

    async def _signed(self, stamped: tuple[bytes, ...], body: WireBody, signing: SigningThread) -> bytes:
        if self.signature is None:
            return b""
        own_hash = await self.signature.hash_body(body.view) if self.bodies.are_own else None
        pending = self.signature.pending(stamped, own_hash)
        signatures = await signing.sign(pending.digests)
        labelled(metrics.DKIM, "signed").inc(len(signatures))
        return pending.complete(signatures)

    def _stamp(self, recipient: Recipient) -> tuple[bytes, ...]:
        if self.links is None:
            return ()
        links = self.links.for_copy(recipient)
        # RFC 8058 4: List-Unsubscribe-Post stands only where a signature covers it (catalogue H3).
        return self.base.stamp(links if self.signature else replace(links, one_click=False))
