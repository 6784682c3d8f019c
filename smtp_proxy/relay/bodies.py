"""The bodies of a message's copies: one that all share, as it came, or one for each recipient where placeholders stand.

Most messages hold none. What takes long with a large body (search, filling in, a look for dots) is done in a thread, so that no other
session waits for it (catalogue D8). Bodies of their own take memory: `at_once` keeps one message from taking most of it, and
`own_octets` is what each copy asks the process's budget for before it is made (`smtp_proxy.session.memory`, catalogue X13).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from app.core.mail.macros_plan import BodyPlan, plan_body, stray_placeholder
from app.core.mail.message import Message
from app.core.model import Brand, BrandNumber, Campaign, Recipient
from app.core.page_links import PageLinkMaker, PageLinks
from smtp_proxy.downstream.transaction import Buffer, WireBody, wire_body

OWN_BODIES_BYTES = 32 * 1024 * 1024  # of one message, under way at once
_THREAD_BYTES = 256 * 1024

T = TypeVar("T")


class CopyBodies(Protocol):
    """The bodies of one message's copies."""

    @property
    def are_own(self) -> bool:
        """Say whether each copy has a body of its own."""
        ...

    @property
    def own_octets(self) -> int:
        """Return how many octets one copy's own body takes at most; 0: the body is shared."""
        ...

    def at_once(self, most: int) -> int:
        """Return how many copies may be under way at once, `most` or less."""
        ...

    async def for_copy(self, recipient: Recipient) -> WireBody:
        """Return the body of one recipient's copy."""
        ...


@dataclass(frozen=True, slots=True)
class SharedBody:
    """The body that came, for all copies."""

    body: WireBody
    are_own: bool = False
    own_octets: int = 0

    def at_once(self, most: int) -> int:
        """See `CopyBodies`."""
        return most

    async def for_copy(self, recipient: Recipient) -> WireBody:
        """See `CopyBodies`."""
        return self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBodies:
    """A body for each copy: they take memory, so few of a large message are under way at once."""

    plan: BodyPlan
    pages: PageLinks
    are_own: bool = True

    @property
    def own_octets(self) -> int:
        """See `CopyBodies`."""
        return self.plan.most_octets

    def at_once(self, most: int) -> int:
        """See `CopyBodies`."""
        return max(1, min(most, OWN_BODIES_BYTES // max(1, len(self.plan.body))))

    async def for_copy(self, recipient: Recipient) -> WireBody:
        """See `CopyBodies`."""
        urls = self.pages.for_copy(recipient, self.plan.placeholders)
        return await _beside(self.plan.body, lambda: wire_body(self.plan.fill(urls)))


async def shared(message: Message) -> SharedBody:
    """Return the body that came, for all copies of the message."""
    return SharedBody(await _beside(message.body, lambda: wire_body(message.body)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Looks for placeholders in all messages of a process. `has_groups`: whether a brand has subscription groups to choose from."""

    pages: PageLinkMaker
    has_groups: Callable[[BrandNumber], Awaitable[bool]]

    async def of(self, message: Message, brand: Brand, campaign: Campaign, *, at_ms: int) -> CopyBodies:
        """Return the bodies of a message's copies. Raises PlaceholderUnusable, and SignerUnavailable when no key may mint yet."""
        url_chars = self.pages.longest(brand)
        plan = await _beside(message.body, lambda: plan_body(message, url_chars=url_chars))
        if plan is None:
            return await shared(message)
        has_groups = await self.has_groups(brand.number)
        pages = self.pages.for_message(brand, campaign, at_ms=at_ms, has_groups=has_groups)
        pages.check(plan.placeholders)
        return OwnBodies(plan=plan, pages=pages)

    async def stray(self, message: Message) -> str | None:
        """Return the placeholder that a reader would see in a message that is not filled in, None when there is none."""
        return await _beside(message.body, lambda: stray_placeholder(message))


async def _beside(body: Buffer, work: Callable[[], T]) -> T:
    """Do work whose time grows with the body, in a thread when that is large."""
    return work() if len(body) <= _THREAD_BYTES else await asyncio.to_thread(work)
