"""One message becomes one outcome a recipient: the way of a mail through the relay, from top to
bottom.

What is the same for all copies (parse, class, canonical body, constant part of the signature) is
done once a message; a copy costs a token, the hash of a few header fields and one signature. The
relay holds no mail: whatever it answers, the downstream has said first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from app.core.address import ascii_domain
from app.core.brands import Brands
from app.core.errors import (
    AddressInvalid,
    MailLoop,
    MalformedMessage,
    PlaceholderUnusable,
    RuleViolation,
)
from app.core.links import check_attributes
from app.core.mail import controls
from app.core.mail.automatic import is_automatic
from app.core.mail.classify import classify
from app.core.mail.macros_plan import stray_placeholder
from app.core.mail.message import (
    Field,
    Message,
    from_domains,
    parse,
    parse_loosely,
    repeated,
    sender_field,
)
from app.core.model import (
    Brand,
    MailClass,
    OnStoreDown,
    Recipient,
    RecipientDigest,
    StrayPlaceholder,
)
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from smtp_proxy.downstream.transaction import Buffer
from smtp_proxy.relay.finish import Finisher
from smtp_proxy.relay.ledger import Ledger, Try
from smtp_proxy.relay.mail import Mail, PromotionalMail
from smtp_proxy.relay.outgoing import Stamper, beside_the_loop
from smtp_proxy.relay.policy import Policy
from smtp_proxy.relay.recipients import RecipientReader, unwanted
from smtp_proxy.relay.send import Sender
from smtp_proxy.replies import Answer, Outcome
from smtp_proxy.session.submission import Envelope

# a mail may rightly pass us more than once, such as to a list behind us and on; not for ever
MAX_OWN_HOPS = 3
_BY = re.compile(rb"\bby\s+([^\s;()]+)", re.IGNORECASE)
_NOBODY = RecipientDigest(b"")  # a mail that passes unchanged needs no identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Relays messages. One instance serves all sessions of a process."""

    brands: Brands
    recipients: RecipientReader
    stamper: Stamper
    ledger: Ledger
    sender: Sender
    finisher: Finisher
    policy: Policy
    log: Logger

    async def relay(self, envelope: Envelope, content: Buffer) -> Answer:
        """Relay one message and return what the upstream is told; raises what `replies.for_error`
        has a row for.
        """
        try:
            message = parse(content)
        except MalformedMessage as exc:
            return await self._relay_odd(envelope, content, exc)
        self._check_loop(message.fields)
        brand = self._brand_of(message, envelope)
        if brand is None:
            controls.read(message)  # also here a field that nobody understands is refused
            return await self._relay_unchanged(Mail(envelope=envelope, message=message, brand=None))
        marking = classify(message, brand.promotional, null_sender=not envelope.sender)
        if marking.class_ is MailClass.TRANSACTIONAL:
            await self._check_stray(envelope, message, brand)
            return await self._relay_unchanged(
                Mail(envelope=envelope, message=message, brand=brand)
            )
        return await self._relay_promotional(
            PromotionalMail(
                envelope=envelope,
                message=message,
                brand=brand,
                marking=marking,
                campaign=marking.campaign,
            )
        )

    async def _relay_odd(
        self, envelope: Envelope, content: Buffer, fault: MalformedMessage
    ) -> Answer:
        """Relay a message whose head cannot be signed for sure, where it passes unchanged; raise
        its fault where it would be stamped.

        Mail of a brand has nothing but fields all the same: behind any other line a receiver may
        see another From.
        """
        message = parse_loosely(content)
        self._check_loop(message.fields)
        brand = self._brand_of(message, envelope)
        if brand is None:
            controls.read(message)
        else:
            marking = classify(message, brand.promotional, null_sender=not envelope.sender)
            if marking.class_ is MailClass.PROMOTIONAL or not all(
                field.name for field in message.fields
            ):
                raise fault
            await self._check_stray(envelope, message, brand)
        return await self._relay_unchanged(Mail(envelope=envelope, message=message, brand=brand))

    async def _relay_unchanged(self, mail: Mail) -> Answer:
        with self.ledger.trying(mail.envelope, mail.message) as one:
            # Such mail passes without the store, at the risk of a second copy.
            known = await self.ledger.finished(one, required=False, unknown=self.policy.unknown)
            outgoing = await self.stamper.unchanged(mail)
            waiting = [
                Recipient(address=address, digest=_NOBODY)
                for address in mail.envelope.recipients
                if address not in known
            ]
            heard, note = partial(self.ledger.heard, one), partial(self.ledger.note, one)
            sent = await self.sender.send_all(outgoing, waiting, heard=heard, note=note)
            return await self.finisher.finish(mail, one, {**known, **sent})

    async def _relay_promotional(self, mail: PromotionalMail) -> Answer:
        self._check_unique(mail)
        check_attributes(
            mail.brand, mail.marking.attributes, recipients=len(mail.envelope.recipients)
        )
        with self.ledger.trying(mail.envelope, mail.message) as one:
            await self.recipients.resolve_groups(mail)
            recipients, outcomes = self.recipients.identified(mail)
            states = await self.recipients.states(mail, recipients)
            required = mail.brand.on_store_down is OnStoreDown.TEMPFAIL
            known = await self.ledger.finished(one, required=required, unknown=self.policy.unknown)
            if one.waited:  # for an earlier try: somebody may have left meanwhile
                states = await self.recipients.states(
                    mail, [recipient for recipient in recipients if recipient.address not in known]
                )
            outcomes |= mail.unread
            outcomes |= known
            if outcomes:
                states = {
                    recipient: state
                    for recipient, state in states.items()
                    if recipient.address not in outcomes
                }
            outcomes |= unwanted(mail, states)
            wanted = [recipient for recipient in recipients if recipient.address not in outcomes]
            if wanted:
                outgoing = await self.stamper.stamped(mail)
                recheck = partial(self.recipients.unwanted_now, mail)
                heard, note = (
                    partial(self.ledger.heard, one),
                    partial(self._note_cancelled, mail, one),
                )
                outcomes |= await self.sender.send_all(
                    outgoing, wanted, recheck=recheck, heard=heard, note=note
                )
            return await self.finisher.finish(mail, one, outcomes)

    async def _note_cancelled(
        self, mail: PromotionalMail, one: Try, outcomes: Mapping[str, Outcome]
    ) -> None:
        self.finisher.tell_of_states(mail)  # no copy goes to who has opted out without a trace
        await self.ledger.note(one, outcomes)

    def _check_loop(self, fields: Sequence[Field]) -> None:
        """Raise MailLoop when the Received fields show a loop (RFC 5321 6.3)."""
        received = [field.value for field in fields if field[0] == b"received"]
        if not received:
            return
        own = self.policy.hostname.lower().encode()
        passed_us = sum(
            1 for value in received if (found := _BY.search(value)) and found[1].lower() == own
        )
        if len(received) > self.policy.max_received or passed_us > MAX_OWN_HOPS:
            raise MailLoop(f"{len(received)} Received fields, {passed_us} of them ours")

    def _brand_of(self, message: Message, envelope: Envelope) -> Brand | None:
        """Return whose mail it is; None for mail of nobody here that passes all the same: a bounce
        of the server in front (RFC 5321 4.5.5), and what the operator lets pass. Raises
        MarkingInvalid for such mail with marks of a brand here, for nobody would obey them.
        """
        account = envelope.client.account
        passes = not envelope.sender or (self.policy.pass_foreign_from and account is None)
        try:
            domains = from_domains(sender_field(message).value)
        except MalformedMessage:
            if not passes:
                raise
            controls.refuse_unheard(
                message, "whose From field cannot be read, so nobody can say whose it is"
            )
            return None
        try:
            brand = self.brands.of_sender(domains)
        except RuleViolation:
            if not passes:
                raise
            if self.brands.has_any(domains):
                controls.refuse_unheard(message, "whose From field is not of one brand alone")
            return None
        if account is not None and account != brand.id:
            if envelope.sender:
                raise RuleViolation(
                    "the From address is of another brand than the authenticated account"
                )
            controls.refuse_unheard(message, "of another brand than the authenticated account")
            return None
        if account is not None:
            self._refuse_foreign_returns(envelope.sender, brand)
        return brand

    def _refuse_foreign_returns(self, sender: str, brand: Brand) -> None:
        """Refuse an envelope sender of another brand: bounces and our notifications would go there.
        Other domains are the account's own business, since bounces are often taken by a server of
        their own.
        """
        try:
            owner = self.brands.of_sender(frozenset((ascii_domain(sender.rpartition("@")[2]),)))
        except (RuleViolation, AddressInvalid):
            return
        if owner.id != brand.id:
            raise RuleViolation(
                "the envelope sender is of another brand than the authenticated account"
            )

    def _check_unique(self, mail: PromotionalMail) -> None:
        """Refuse or report fields that may stand once and do not: receivers would refuse the mail
        later.
        """
        names = repeated(mail.message.fields)
        if not names:
            return
        if not self.policy.pass_repeated:
            raise MalformedMessage(f"more than one field of: {', '.join(names)}")
        self.log.warning(LogEvent.FIELDS_REPEATED, id=mail.envelope.id, fields=list(names))

    async def _check_stray(self, envelope: Envelope, message: Message, brand: Brand) -> None:
        """Refuse or report a placeholder in a mail that is not promotional: its reader would see it
        as it is.

        Raises PlaceholderUnusable. A bounce or an automatic reply may quote one.
        """
        stray = await beside_the_loop(message.body, lambda: stray_placeholder(message))
        if stray is None or is_automatic(message, null_sender=not envelope.sender):
            return
        labelled(metrics.STRAY_PLACEHOLDERS, brand.stray_placeholder).inc()
        if brand.stray_placeholder is StrayPlaceholder.REJECT:
            raise PlaceholderUnusable(
                f"{stray} is filled in in promotional mail alone, and nothing marks this mail so"
            )
        self.log.warning(
            LogEvent.PLACEHOLDER_STRAY, id=envelope.id, brand=brand.id, placeholder=stray
        )
