"""One message becomes one Outcome a recipient: the way of a mail through the relay, from top to bottom.

What is the same for all copies (parse, class, canonical body, constant part of the signature) is done once a message; a copy costs a token,
the hash of a few header fields and one signature. The relay holds no mail: whatever it answers, the downstream has said first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.core.brands import Brands
from app.core.errors import AddressInvalid, RuleViolation, SignerUnavailable, StoreUnavailable
from app.core.groups import group_key
from app.core.links import LinkMaker
from app.core.mail import stamp
from app.core.mail.classify import Marking, classify
from app.core.mail.message import Message, from_domains, parse, sender_field
from app.core.model import (
    Brand,
    BrandId,
    ExistingHeader,
    MailClass,
    Management,
    OnStoreDown,
    OnSuppressed,
    Preferences,
    Recipient,
    RecipientDigest,
)
from app.core.preferences import SuppressionReason, suppression
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.audience import Audience
from smtp_proxy import replies
from smtp_proxy.downstream.transaction import Buffer
from smtp_proxy.relay.copies import CopyMaker
from smtp_proxy.relay.dispatch import Dispatch
from smtp_proxy.relay.signing import Prepared, Signer
from smtp_proxy.relay.trace import check_loop, received_field, rfc5322_date
from smtp_proxy.replies import Deferred, Delivered, Outcome, Refused, Reply, Suppressed, combine
from smtp_proxy.session.submission import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator decided for the whole relay."""

    hostname: str
    max_received: int = 50
    pass_foreign_from: bool = False  # relay mail of no brand's sender domain, untouched, instead of refusing it (catalogue D6)
    pass_unsigned: bool = False  # stamp without List-Unsubscribe-Post when no key signs, instead of deferring (catalogue H3)


class Pipeline:
    """Relays messages. One instance serves all sessions of a process."""

    def __init__(  # noqa: PLR0913 - the parts that one mail passes through
        self,
        *,
        brands: Brands,
        links: LinkMaker,
        audience: Audience,
        signers: Mapping[BrandId, Signer],
        dispatch: Dispatch,
        policy: Policy,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        log: Logger,
    ) -> None:
        self._brands = brands
        self._links = links
        self._audience = audience
        self._signers = signers
        self._dispatch = dispatch
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._log = log

    async def relay(self, envelope: Envelope, content: Buffer) -> Reply:
        """Relay one message and return what the upstream is told; raises what `replies.for_error` has a row for."""
        message = parse(content)
        check_loop(message.fields, hostname=self._policy.hostname, max_received=self._policy.max_received)
        brand = self._brand_of(message, envelope.client.account)
        if brand is None:
            return await self._relay_unchanged(envelope, message, brand)
        marking = classify(message, brand.promotional)
        self._warn_of_what_is_not_obeyed(envelope, message)
        if marking.class_ is MailClass.TRANSACTIONAL:
            return await self._relay_unchanged(envelope, message, brand)
        return await self._relay_promotional(envelope, message, brand, marking)

    def _warn_of_what_is_not_obeyed(self, envelope: Envelope, message: Message) -> None:
        for field in message.fields:
            if field.name in _NOT_OBEYED:
                problem = f"{field.name.decode('ascii')} is removed and not obeyed in this version"
                self._log.warning(LogEvent.CONFIGURATION_WARNING, id=envelope.id, problem=problem)

    def _brand_of(self, message: Message, account: BrandId | None) -> Brand | None:
        try:
            brand = self._brands.of_sender(from_domains(sender_field(message).value))
        except RuleViolation:
            if self._policy.pass_foreign_from and account is None:
                return None
            raise
        if account is not None and account != brand.id:
            raise RuleViolation("the From address is of another brand than the authenticated account")
        return brand

    async def _relay_unchanged(self, envelope: Envelope, message: Message, brand: Brand | None) -> Reply:
        base = stamp.unchanged(message)
        maker = CopyMaker(base=base, received=self._received(envelope))
        recipients = [Recipient(address=address, digest=_NOBODY) for address in envelope.recipients]
        outcomes = await self._dispatch.send(envelope, recipients, maker)
        return self._told(envelope, brand, MailClass.TRANSACTIONAL, outcomes)

    async def _relay_promotional(self, envelope: Envelope, message: Message, brand: Brand, marking: Marking) -> Reply:
        recipients, refused = self._identified(envelope, brand)
        states = await self._states(brand, recipients)
        groups = [group_key(group) for group in marking.campaign.groups]
        reasons = [suppression(state, groups) for state in states]
        wanted = [recipient for recipient, reason in zip(recipients, reasons, strict=True) if reason is None]
        outcomes: list[Outcome] = [*refused, *(self._suppressed(envelope, brand, reason) for reason in reasons if reason)]
        if wanted:
            maker = await self._maker(envelope, message, brand, marking)
            outcomes += await self._dispatch.send(envelope, wanted, maker)
        return self._told(envelope, brand, MailClass.PROMOTIONAL, outcomes)

    def _identified(self, envelope: Envelope, brand: Brand) -> tuple[list[Recipient], list[Outcome]]:
        recipients: list[Recipient] = []
        refused: list[Outcome] = []
        for address in envelope.recipients:
            try:
                digest = self._links.codec.digest(address, brand=brand.number)
            except AddressInvalid:
                refused.append(Refused(reply=replies.BAD_RECIPIENT))
            else:
                recipients.append(Recipient(address=address, digest=digest))
        return recipients, refused

    async def _states(self, brand: Brand, recipients: Sequence[Recipient]) -> Sequence[Preferences]:
        try:
            return await self._audience.states(brand.number, [recipient.digest for recipient in recipients])
        except StoreUnavailable:
            if brand.on_store_down is OnStoreDown.TEMPFAIL:
                raise
            return [Preferences()] * len(recipients)

    async def _maker(self, envelope: Envelope, message: Message, brand: Brand, marking: Marking) -> CopyMaker:
        now_ms = self._clock()
        managed = brand.management is Management.MANAGED
        # Without links of ours, theirs are the only way out of the list: they stay, unless the brand has them refused.
        replaces = managed or brand.existing_header is ExistingHeader.REJECT
        base = stamp.prepare(
            message,
            existing=brand.existing_header if replaces else ExistingHeader.KEEP,
            date=rfc5322_date(now_ms // 1000).encode("ascii"),
            message_id=f"<{self._new_id()}@{self._policy.hostname}>".encode("ascii"),
        )
        return CopyMaker(
            base=base,
            received=self._received(envelope),
            links=self._links.for_message(brand, marking.campaign, at_ms=now_ms) if managed else None,
            signature=await self._signature(brand, base, now_ms // 1000),
        )

    async def _signature(self, brand: Brand, base: stamp.Base, now: int) -> Prepared | None:
        signer = self._signers[brand.id]
        try:
            prepared = signer.prepare(base, await signer.hash_body(base), now)
        except SignerUnavailable:
            labelled(metrics.DKIM, "no_key").inc()
            if self._policy.pass_unsigned or brand.management is Management.NONE:
                return None
            raise
        labelled(metrics.DKIM, "signed").inc()
        return prepared

    def _received(self, envelope: Envelope) -> tuple[bytes, bytes]:
        return received_field(envelope, hostname=self._policy.hostname, date=rfc5322_date(self._clock() // 1000))

    def _suppressed(self, envelope: Envelope, brand: Brand, reason: SuppressionReason) -> Outcome:
        labelled(metrics.RECIPIENTS_SUPPRESSED, reason).inc()
        self._log.info(LogEvent.COPY_SUPPRESSED, id=envelope.id, brand=brand.id, reason=reason)
        if brand.on_suppressed is OnSuppressed.REJECT:
            return Refused(reply=replies.SUPPRESSED)
        return Suppressed(reason=reason)

    def _told(self, envelope: Envelope, brand: Brand | None, class_: MailClass, outcomes: Sequence[Outcome]) -> Reply:
        for outcome in outcomes:
            labelled(metrics.MESSAGES, class_, _OUTCOME_LABELS[type(outcome)]).inc()
        reply = combine(outcomes)
        self._log.info(
            LogEvent.MESSAGE_RELAYED,
            id=envelope.id,
            brand=brand.id if brand else None,
            mail_class=class_,
            recipients=len(outcomes),
            reply=str(reply),
        )
        return reply


_OUTCOME_LABELS = {kind: kind.__name__.lower() for kind in (Delivered, Suppressed, Deferred, Refused)}
_NOT_OBEYED = frozenset((b"x-signoff-require-groups", b"x-signoff-exclude-groups", b"x-signoff-override-opt-out"))
_NOBODY = RecipientDigest(b"")  # a mail that passes unchanged needs no identity
