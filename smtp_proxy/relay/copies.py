"""The copy for one recipient: our Received, our signature, our stamp, and below them what the sender wrote.

`CopyMaker` is made once a message and holds all that its copies share; `head` adds what only one recipient's copy has.
"""

from dataclasses import dataclass, replace
from time import perf_counter

from app.core.links import CopyLinks
from app.core.mail.stamp import Base
from app.core.model import Recipient
from app.observe import metrics
from smtp_proxy.relay.signing import Prepared
from smtp_proxy.relay.signing_thread import SigningThread


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyMaker:
    """Makes the header block of each copy of one message. Without links nothing is stamped, without a signature nothing is signed."""

    base: Base
    received: tuple[bytes, bytes]  # what stands before and behind the recipient in our Received field
    links: CopyLinks | None = None
    signature: Prepared | None = None

    async def head(self, recipient: Recipient, signing: SigningThread) -> bytes:
        """Return the complete header block of one recipient's copy, with its blank line."""
        before, behind = self.received
        received = before + recipient.address.encode() + behind
        if self.links is None and self.signature is None:
            return self.base.head(received)
        started = perf_counter()
        stamped = self._stamp(recipient)
        signature = b""
        if self.signature:
            pending = self.signature.pending(stamped)
            signature = pending.complete(await signing.sign(pending.digests))
        head = self.base.head(received, signature, *stamped)
        metrics.STAMP_SECONDS.observe(perf_counter() - started)
        return head

    def _stamp(self, recipient: Recipient) -> tuple[bytes, ...]:
        if self.links is None:
            return ()
        links = self.links.for_copy(recipient)
        # RFC 8058 4: List-Unsubscribe-Post stands only where a signature covers it (catalogue H3).
        return self.base.stamp(links if self.signature else replace(links, one_click=False))
