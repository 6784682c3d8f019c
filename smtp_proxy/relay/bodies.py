"""Bodies of their own: what a placeholder makes of the copies of a message, one body for each recipient.

Most messages hold none, and then all copies share the body that came. A large message is searched in a thread, and few of its copies
exist at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.core.mail.macros_plan import BodyPlan, plan_body
from app.core.mail.message import Message
from app.core.model import Brand, BrandNumber, Campaign, Recipient
from app.core.page_links import PageLinkMaker, PageLinks

OWN_BODIES_BYTES = 32 * 1024 * 1024  # of one message, in memory at once
_THREAD_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBodies:
    """The bodies of one message's copies."""

    plan: BodyPlan
    pages: PageLinks

    def for_copy(self, recipient: Recipient) -> bytes:
        """Return the body of one recipient's copy."""
        return self.plan.fill(self.pages.for_copy(recipient, self.plan.placeholders))

    def at_once(self, most: int) -> int:
        """Return how many copies may be under way at once, `most` or less."""
        return max(1, min(most, OWN_BODIES_BYTES // max(1, len(self.plan.body))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Looks for placeholders in all messages of a process. `has_groups`: whether a brand has subscription groups to choose from."""

    pages: PageLinkMaker
    has_groups: Callable[[BrandNumber], Awaitable[bool]]

    async def of(self, message: Message, brand: Brand, campaign: Campaign, *, at_ms: int) -> OwnBodies | None:
        """Return how to make the bodies of a message's copies, or None when all share the one that came.

        Raises PlaceholderUnusable, and SignerUnavailable when no key may mint yet.
        """
        plan = await self._plan(message, self.pages.longest(brand))
        if plan is None:
            return None
        has_groups = await self.has_groups(brand.number)
        return OwnBodies(plan=plan, pages=self.pages.for_message(brand, campaign, at_ms=at_ms, has_groups=has_groups))

    async def _plan(self, message: Message, url_chars: int) -> BodyPlan | None:
        if len(message.body) <= _THREAD_BYTES:
            return plan_body(message, url_chars=url_chars)
        return await asyncio.to_thread(plan_body, message, url_chars=url_chars)
