"""What leaves for one message: what all its copies share, made once, and the copy for one
recipient.

A copy is our Received field, our signature, our stamp, and below them what the sender wrote. Most
messages hold no placeholder, so that their copies share the body that came, and its hash. What
takes long with a large body (search, filling in, a look for dots) is done in a thread, so that no
other session waits for it. Bodies of their own take memory: `at_once` keeps one message from taking
most of it, and `own_octets` is what each copy asks the process's budget for before it is made
(`smtp_proxy.session.memory`).
"""

import asyncio
import datetime
import email.utils
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from time import perf_counter
from typing import TypeVar

from app.core.errors import SignerUnavailable
from app.core.links import CopyLinks, LinkMaker
from app.core.mail import stamp
from app.core.mail.list_fields import list_fields
from app.core.mail.macros_plan import BodyPlan, plan_body
from app.core.mail.stamp import Base, Handling
from app.core.model import Brand, BrandId, BrandNumber, ExistingSignature, Management, Recipient
from app.core.page_links import PageLinkMaker, PageLinks
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from smtp_proxy.downstream.transaction import Buffer, Transaction, WireBody, wire_body
from smtp_proxy.relay.mail import Mail, PromotionalMail
from smtp_proxy.relay.policy import Policy
from smtp_proxy.relay.sign import MessageSignature, Signer, SigningThread
from smtp_proxy.session.delivery_options import NO_OPTIONS
from smtp_proxy.session.submission import Envelope

OWN_BODIES_BYTES = 32 * 1024 * 1024  # of one message, under way at once
_THREAD_BYTES = 256 * 1024
_UNPRINTABLE = re.compile(r"[^!-~]+")
_MAX_NAME = 255

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBodies:
    """A body with placeholders, and the pages that they stand for: one body for each recipient."""

    plan: BodyPlan
    pages: PageLinks

    def at_once(self, most: int) -> int:
        """Return how many copies may be under way at once, `most` or less."""
        return max(1, min(most, OWN_BODIES_BYTES // max(1, len(self.plan.body))))

    async def for_copy(self, recipient: Recipient) -> WireBody:
        """Return the body of one recipient's copy."""
        urls = self.pages.for_copy(recipient, self.plan.placeholders)
        return await beside_the_loop(self.plan.body, lambda: wire_body(self.plan.fill(urls)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """What the copies of one message share. Without links nothing is stamped, without a signature
    nothing is signed.
    """

    envelope: Envelope
    base: Base
    # what stands before and behind the recipient in our Received field
    received: tuple[bytes, bytes]
    body: WireBody | OwnBodies
    links: CopyLinks | None = None
    signature: MessageSignature | None = None
    signing: SigningThread | None = None

    @property
    def own_octets(self) -> int:
        """Return how many octets of body are made for each copy at most; 0: all share one."""
        return 0 if isinstance(self.body, WireBody) else self.body.plan.most_octets

    def at_once(self, most: int) -> int:
        """Return how many copies may be under way at once, `most` or less."""
        return most if isinstance(self.body, WireBody) else self.body.at_once(most)

    async def copy(self, recipient: Recipient) -> Transaction:
        """Return one recipient's copy with its envelope."""
        before, behind = self.received
        received = before + recipient.address.encode() + behind
        body = self.body if isinstance(self.body, WireBody) else await self.body.for_copy(recipient)
        if self.links is None and self.signature is None:
            head = self.base.head(received)
        else:
            started = perf_counter()
            stamped = self._stamp(recipient)
            head = self.base.head(received, await self._signed(stamped, body), *stamped)
            metrics.STAMP_SECONDS.observe(perf_counter() - started)
        envelope = self.envelope
        return Transaction(
            sender=envelope.sender,
            recipient=recipient.address,
            head=head,
            body=body,
            body_8bit=envelope.body_8bit,
            smtputf8=envelope.smtputf8,
            mail_options="" if envelope.options is NO_OPTIONS else str(envelope.options),
            recipient_options=(
                str(envelope.options_of(recipient.address)) if envelope.recipient_options else ""
            ),
            forwarded=envelope.forwarded,
        )

    def _stamp(self, recipient: Recipient) -> tuple[bytes, ...]:
        if self.links is None:
            return ()
        links = self.links.for_copy(recipient)
        # RFC 8058 4: List-Unsubscribe-Post stands only where a signature covers it.
        return self.base.stamp(links if self.signature else replace(links, one_click=False))

    async def _signed(self, stamped: tuple[bytes, ...], body: WireBody) -> bytes:
        if self.signature is None or self.signing is None:
            return b""
        own_hash = b"" if body is self.body else await self.signature.hash_body(body.view)
        unsigned = self.signature.unsigned(stamped, own_hash)
        signed = await self.signing.sign(unsigned)
        labelled(metrics.DKIM, "signed").inc(len(unsigned))
        return signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamper:
    """Makes the outgoing messages of a process. `has_groups`: whether a brand has subscription
    groups to choose from.
    """

    links: LinkMaker
    pages: PageLinkMaker
    has_groups: Callable[[BrandNumber], Awaitable[bool]]
    signers: Mapping[BrandId, Signer]
    signing: SigningThread
    policy: Policy
    clock: Callable[[], int]
    new_id: Callable[[], str]
    log: Logger

    async def unchanged(self, mail: Mail) -> OutgoingMessage:
        """Return a message whose copies carry nothing of ours but the Received field."""
        return OutgoingMessage(
            envelope=mail.envelope,
            base=stamp.unchanged(mail.message),
            received=self._received(mail.envelope, self.clock()),
            body=await beside_the_loop(mail.message.body, lambda: wire_body(mail.message.body)),
        )

    async def stamped(self, mail: PromotionalMail) -> OutgoingMessage:
        """Return a message whose copies are stamped and signed.

        Raises RuleViolation, PlaceholderUnusable, or SignerUnavailable when nothing may leave
        unsigned.
        """
        now_ms, brand = self.clock(), mail.brand
        body = await self._body(mail, now_ms)
        base, signature = await self._signed(mail, now_ms, own_bodies=isinstance(body, OwnBodies))
        if base.broken_signatures:
            self.log.warning(
                LogEvent.UPSTREAM_SIGNATURE_BROKEN,
                id=mail.envelope.id,
                brand=brand.id,
                signatures=base.broken_signatures,
                existing_signature=brand.existing_signature,
            )
        links = None
        if brand.management is not Management.NONE:
            links = self.links.for_message(
                brand, mail.campaign, at_ms=now_ms, attributes=mail.marking.attributes
            )
        return OutgoingMessage(
            envelope=mail.envelope,
            base=base,
            received=self._received(mail.envelope, now_ms),
            body=body,
            links=links,
            signature=signature,
            signing=self.signing,
        )

    async def _body(self, mail: PromotionalMail, now_ms: int) -> WireBody | OwnBodies:
        """Return the body for all copies, or how to make that of each. Raises PlaceholderUnusable,
        SignerUnavailable.
        """
        message, url_chars = mail.message, self.pages.longest(mail.brand)
        plan = await beside_the_loop(
            message.body, lambda: plan_body(message, url_chars=url_chars) or wire_body(message.body)
        )
        if isinstance(plan, WireBody):
            return plan
        has_groups = await self.has_groups(mail.brand.number)
        pages = self.pages.for_message(
            mail.brand, mail.campaign, at_ms=now_ms, has_groups=has_groups
        )
        pages.check(plan.placeholders)
        return OwnBodies(plan=plan, pages=pages)

    async def _signed(
        self, mail: PromotionalMail, now_ms: int, *, own_bodies: bool
    ) -> tuple[Base, MessageSignature | None]:
        brand, has_links = mail.brand, mail.brand.management is not Management.NONE
        handling = _handling(
            has_links, own_bodies, brand.existing_signature, self.policy.one_signature
        )
        base = self._base(mail, brand, now_ms, handling)
        try:
            signature = self.signers[brand.id].prepare(base, now_ms // 1000)
        except SignerUnavailable:
            labelled(metrics.DKIM, "no_key").inc()
            if has_links and not self.policy.pass_unsigned:
                raise
            return self._base(mail, brand, now_ms, replace(handling, signed=False)), None
        if not own_bodies:
            signature.body_hash = await signature.hash_body(base.body)
        return base, signature

    def _base(self, mail: PromotionalMail, brand: Brand, now_ms: int, handling: Handling) -> Base:
        return stamp.prepare(
            mail.message,
            existing=brand.existing_header,
            date=rfc5322_date(now_ms // 1000).encode("ascii"),
            message_id=f"<{self.new_id()}@{self.policy.hostname}>".encode("ascii"),
            list_fields=list_fields(brand, mail.campaign),
            handling=handling,
        )

    def _received(self, envelope: Envelope, now_ms: int) -> tuple[bytes, bytes]:
        """Return what stands before and behind the recipient's address in our Received field (RFC
        5321 4.4).

        It stands above the stamp and outside every signature: a later hop may do to it what it
        likes.
        """
        client, hostname = envelope.client, self.policy.hostname
        helo = _UNPRINTABLE.sub("?", client.helo)[:_MAX_NAME] or "unknown"
        name = f"{_UNPRINTABLE.sub('?', client.name)[:_MAX_NAME]} " if client.name else ""
        address = f"IPv6:{client.address}" if ":" in client.address else client.address or "unknown"
        head = (
            f"Received: from {helo} ({name}[{address}])\r\n\tby {hostname} with {client.protocol}"
            f" id {envelope.id}\r\n\tfor <"
        )
        return head.encode(
            "ascii", "replace"
        ), f">;\r\n\t{rfc5322_date(now_ms // 1000)}\r\n".encode("ascii")


@lru_cache(maxsize=8)
def rfc5322_date(seconds: int) -> str:
    """Return a moment in the form of Date and Received fields (RFC 5322 3.3), in UTC."""
    return email.utils.format_datetime(datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC))


async def beside_the_loop(body: Buffer, work: Callable[[], T]) -> T:
    """Do work whose time grows with the body; in a thread when that is large."""
    return work() if len(body) <= _THREAD_BYTES else await asyncio.to_thread(work)


@lru_cache(maxsize=16)
def _handling(
    has_links: bool, own_bodies: bool, signatures: ExistingSignature, one_signature: bool
) -> Handling:
    """Return how to handle a message; there are a few ways, and one is asked for with each mail."""
    return Handling(
        has_links=has_links,
        own_bodies=own_bodies,
        signatures=signatures,
        one_signature=one_signature,
    )
