"""One message becomes one Outcome a recipient: the way of a mail through the relay, from top to bottom.

What is the same for all copies (parse, class, canonical body, constant part of the signature) is done once a message; a copy costs a token,
the hash of a few header fields and one signature. The relay holds no mail: whatever it answers, the downstream has said first.
"""

from app.core.address import ascii_domain
from app.core.brands import Brands
from app.core.errors import AddressInvalid, MalformedMessage, RuleViolation
from app.core.links import check_attributes
from app.core.mail import controls
from app.core.mail.classify import Marking, classify
from app.core.mail.message import Message, from_domains, parse, parse_loosely, sender_field
from app.core.model import Brand, MailClass, OnStoreDown, Recipient, RecipientDigest
from smtp_proxy.downstream.transaction import Buffer
from smtp_proxy.relay.finish import Conclusion, Mail
from smtp_proxy.relay.ledger import Ledger
from smtp_proxy.relay.policy import Policy
from smtp_proxy.relay.recipients import Selector
from smtp_proxy.relay.send import Dispatch
from smtp_proxy.relay.stamping import Stamping
from smtp_proxy.relay.trace import check_loop
from smtp_proxy.replies import Answer
from smtp_proxy.session.submission import Envelope


class Pipeline:
    """Relays messages. One instance serves all sessions of a process."""

    def __init__(  # noqa: PLR0913 - the parts that one mail passes through
        self,
        *,
        brands: Brands,
        selector: Selector,
        stamping: Stamping,
        ledger: Ledger,
        dispatch: Dispatch,
        conclusion: Conclusion,
        policy: Policy,
    ) -> None:
        self._brands = brands
        self._selector = selector
        self._stamping = stamping
        self._ledger = ledger
        self._dispatch = dispatch
        self._conclusion = conclusion
        self._policy = policy

    async def relay(self, envelope: Envelope, content: Buffer) -> Answer:
        """Relay one message and return what the upstream is told; raises what `replies.for_error` has a row for."""
        try:
            message = parse(content)
        except MalformedMessage as exc:
            return await self._relay_odd(envelope, content, exc)
        check_loop(message.fields, hostname=self._policy.hostname, max_received=self._policy.max_received)
        brand = self._brand_of(message, envelope)
        if brand is None:
            controls.read(message)  # also here a field that nobody understands is refused
            return await self._relay_unchanged(envelope, message, brand)
        marking = classify(message, brand.promotional, null_sender=not envelope.sender)
        if marking.class_ is MailClass.TRANSACTIONAL:
            await self._stamping.check_stray(envelope, message, brand)
            return await self._relay_unchanged(envelope, message, brand)
        return await self._relay_promotional(envelope, message, brand, marking)

    async def _relay_odd(self, envelope: Envelope, content: Buffer, fault: MalformedMessage) -> Answer:
        """Relay a message whose head cannot be signed for sure, where it passes unchanged; raise its fault where it would be stamped.

        Mail of a brand has nothing but fields all the same: behind any other line a receiver may see another From (catalogue D5).
        """
        message = parse_loosely(content)
        check_loop(message.fields, hostname=self._policy.hostname, max_received=self._policy.max_received)
        brand = self._brand_of(message, envelope)
        if brand is None:
            controls.read(message)
        else:
            marking = classify(message, brand.promotional, null_sender=not envelope.sender)
            if marking.class_ is MailClass.PROMOTIONAL or not all(field.name for field in message.fields):
                raise fault
            await self._stamping.check_stray(envelope, message, brand)
        return await self._relay_unchanged(envelope, message, brand)

    def _brand_of(self, message: Message, envelope: Envelope) -> Brand | None:
        """Return whose mail it is; None for mail of nobody here that passes all the same: a bounce of the server in front (RFC 5321 4.5.5),
        and what the operator lets pass. Raises MarkingInvalid for such mail with marks of a brand here, for nobody would obey them.
        """
        account = envelope.client.account
        passes = not envelope.sender or (self._policy.pass_foreign_from and account is None)
        try:
            domains = from_domains(sender_field(message).value)
        except MalformedMessage:
            if not passes:
                raise
            controls.refuse_unheard(message, "whose From field cannot be read, so nobody can say whose it is")
            return None
        try:
            brand = self._brands.of_sender(domains)
        except RuleViolation:
            if not passes:
                raise
            if self._brands.has_any(domains):
                controls.refuse_unheard(message, "whose From field is not of one brand alone")
            return None
        if account is not None and account != brand.id:
            if envelope.sender:
                raise RuleViolation("the From address is of another brand than the authenticated account")
            controls.refuse_unheard(message, "of another brand than the authenticated account")
            return None
        if account is not None:
            self._refuse_foreign_returns(envelope.sender, brand)
        return brand

    def _refuse_foreign_returns(self, sender: str, brand: Brand) -> None:
        """Refuse an envelope sender of another brand: bounces and our notifications would go there. Other domains are the account's own
        business, since bounces are often taken by a server of their own.
        """
        try:
            owner = self._brands.of_sender(frozenset((ascii_domain(sender.rpartition("@")[2]),)))
        except (RuleViolation, AddressInvalid):
            return
        if owner.id != brand.id:
            raise RuleViolation("the envelope sender is of another brand than the authenticated account")

    async def _relay_unchanged(self, envelope: Envelope, message: Message, brand: Brand | None) -> Answer:
        with self._ledger.page(envelope, message) as page:
            known = await page.finished(required=False)  # such mail passes without the store, at the risk of a second copy
            maker = await self._stamping.unchanged(envelope, message)
            recipients = [Recipient(address=address, digest=_NOBODY) for address in envelope.recipients if address not in known]
            sent = await self._dispatch.send(envelope, recipients, maker, heard=page.heard, when_cancelled=page.note)
            mail = Mail(envelope=envelope, message=message, page=page, brand=brand, class_=MailClass.TRANSACTIONAL)
            return await self._conclusion.answer(mail, {**known, **sent})

    async def _relay_promotional(self, envelope: Envelope, message: Message, brand: Brand, marking: Marking) -> Answer:
        self._stamping.check(envelope, message)
        check_attributes(brand, marking.attributes, recipients=len(envelope.recipients))
        with self._ledger.page(envelope, message) as page:
            selection = await self._selector.of(envelope, brand, marking)
            recipients, outcomes = selection.identified()
            states = await selection.states(recipients)
            known = await page.finished(required=brand.on_store_down is OnStoreDown.TEMPFAIL)
            if page.waited:  # for an earlier try: somebody may have left meanwhile
                states = await selection.states([recipient for recipient in recipients if recipient.address not in known])
            outcomes |= selection.unread
            outcomes |= known
            outcomes |= selection.unwanted({recipient: state for recipient, state in states.items() if recipient.address not in outcomes})
            wanted = [recipient for recipient in recipients if recipient.address not in outcomes]
            if wanted:
                maker = await self._stamping.stamped(envelope, message, brand, marking, selection.campaign)
                outcomes |= await self._dispatch.send(
                    envelope, wanted, maker, recheck=selection.recheck, heard=page.heard, when_cancelled=page.note
                )
                await selection.note_overrides()
            mail = Mail(
                envelope=envelope, message=message, page=page, brand=brand, class_=MailClass.PROMOTIONAL, campaign=selection.campaign
            )
            return await self._conclusion.answer(mail, outcomes)


_NOBODY = RecipientDigest(b"")  # a mail that passes unchanged needs no identity
