"""What all copies of one message share, made once: the fields that stay, the links' common part, the prepared signature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from app.core.errors import MalformedMessage, PlaceholderUnusable, SignerUnavailable
from app.core.links import LinkMaker
from app.core.mail import stamp
from app.core.mail.automatic import is_automatic
from app.core.mail.classify import Marking
from app.core.mail.list_fields import list_fields
from app.core.mail.message import Message
from app.core.mail.stamp import Base, Handling
from app.core.mail.unique_fields import repeated
from app.core.model import Brand, BrandId, Campaign, ExistingSignature, Management, StrayPlaceholder
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from smtp_proxy.relay.bodies import Bodies, shared
from smtp_proxy.relay.copies import CopyMaker
from smtp_proxy.relay.policy import Policy
from smtp_proxy.relay.sign import Prepared, Signer
from smtp_proxy.relay.trace import received_field, rfc5322_date
from smtp_proxy.session.submission import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """Prepares the copies of all messages of a process."""

    links: LinkMaker
    bodies: Bodies
    signers: Mapping[BrandId, Signer]
    policy: Policy
    clock: Callable[[], int]
    new_id: Callable[[], str]
    log: Logger

    async def unchanged(self, envelope: Envelope, message: Message) -> CopyMaker:
        """Return the maker of copies that carry nothing of ours but the Received field."""
        return CopyMaker(base=stamp.unchanged(message), received=self._received(envelope), bodies=await shared(message))

    def check(self, envelope: Envelope, message: Message) -> None:
        """Refuse or report fields that may stand once and do not: receivers would refuse the mail later (catalogue H15)."""
        names = repeated(message.fields)
        if not names:
            return
        if not self.policy.pass_repeated:
            raise MalformedMessage(f"more than one field of: {', '.join(names)}")
        self.log.warning(LogEvent.FIELDS_REPEATED, id=envelope.id, fields=list(names))

    async def check_stray(self, envelope: Envelope, message: Message, brand: Brand) -> None:
        """Refuse or report a placeholder in a mail that is not promotional: its reader would see it as it is.

        Raises PlaceholderUnusable. A bounce or an automatic reply may quote one.
        """
        stray = await self.bodies.stray(message)
        if stray is None or is_automatic(message, null_sender=not envelope.sender):
            return
        labelled(metrics.STRAY_PLACEHOLDERS, brand.stray_placeholder).inc()
        if brand.stray_placeholder is StrayPlaceholder.REJECT:
            raise PlaceholderUnusable(f"{stray} is filled in in promotional mail alone, and nothing marks this mail so")
        self.log.warning(LogEvent.PLACEHOLDER_STRAY, id=envelope.id, brand=brand.id, placeholder=stray)

    async def stamped(self, envelope: Envelope, message: Message, brand: Brand, marking: Marking, campaign: Campaign) -> CopyMaker:
        """Return the maker of stamped and signed copies; `campaign` has its groups by their ids.

        Raises RuleViolation, PlaceholderUnusable, or SignerUnavailable when nothing may leave unsigned.
        """
        now_ms = self.clock()
        bodies = await self.bodies.of(message, brand, campaign, at_ms=now_ms)
        base, signature = await self._signed(message, brand, campaign, now_ms, own_bodies=bodies.are_own)
        if base.broken_signatures:
            self.log.warning(
                LogEvent.UPSTREAM_SIGNATURE_BROKEN,
                id=envelope.id,
                brand=brand.id,
                signatures=base.broken_signatures,
                existing_signature=brand.existing_signature,
            )
        has_links = brand.management is not Management.NONE
        return CopyMaker(
            base=base,
            received=self._received(envelope),
            links=self.links.for_message(brand, campaign, at_ms=now_ms, attributes=marking.attributes) if has_links else None,
            signature=signature,
            bodies=bodies,
        )

    async def _signed(
        self, message: Message, brand: Brand, campaign: Campaign, now_ms: int, *, own_bodies: bool
    ) -> tuple[Base, Prepared | None]:
        has_links = brand.management is not Management.NONE
        handling = _handling(has_links, own_bodies, brand.existing_signature, self.policy.one_signature)
        base = self._base(message, brand, campaign, now_ms, handling)
        signer = self.signers[brand.id]
        try:
            prepared = signer.prepare(base, None if own_bodies else await signer.hash_body(base), now_ms // 1000)
        except SignerUnavailable:
            labelled(metrics.DKIM, "no_key").inc()
            if has_links and not self.policy.pass_unsigned:
                raise
            return self._base(message, brand, campaign, now_ms, replace(handling, signed=False)), None
        return base, prepared

    def _base(self, message: Message, brand: Brand, campaign: Campaign, now_ms: int, handling: Handling) -> Base:
        return stamp.prepare(
            message,
            existing=brand.existing_header,
            date=rfc5322_date(now_ms // 1000).encode("ascii"),
            message_id=f"<{self.new_id()}@{self.policy.hostname}>".encode("ascii"),
            list_fields=list_fields(brand, campaign),
            handling=handling,
        )

    def _received(self, envelope: Envelope) -> tuple[bytes, bytes]:
        return received_field(envelope, hostname=self.policy.hostname, date=rfc5322_date(self.clock() // 1000))


@lru_cache(maxsize=16)
def _handling(has_links: bool, own_bodies: bool, signatures: ExistingSignature, one_signature: bool) -> Handling:
    """Return how to handle a message; there are a few ways, and one is asked for with each mail."""
    return Handling(has_links=has_links, own_bodies=own_bodies, signatures=signatures, one_signature=one_signature)
