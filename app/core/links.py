"""Which URL and which mail-to address one copy carries: ours for a managed brand, its own for a
self-managed one.

What the links of one message have in common is made here; `app.core.managed` and
`app.core.self_managed` make those of one recipient.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from app.core.errors import MarkingInvalid
from app.core.groups import group_key
from app.core.mail.attributes import NO_ATTRIBUTES, Attributes
from app.core.mail.stamp import MAX_URI_CHARS, Links
from app.core.managed import Identifier, ManagedLinks
from app.core.model import Brand, Campaign, Management, Purpose, Recipient
from app.core.self_managed import SelfManagedLinks, UrlTemplate, mailbox, url_template
from app.core.template import Template, identifier_template
from app.core.token import Minter, TokenCodec
from app.core.visible import plain

ONE_CLICK_PATH = "/u"

# to put flags together takes 2 µs
_MANAGED, _SELF_MANAGED = Purpose.ONE_CLICK | Purpose.MAILTO, Purpose.CALLBACK | Purpose.MAILTO


class CopyLinks(Protocol):
    """The links of one message; `for_copy` turns them into those of one recipient."""

    def for_copy(self, recipient: Recipient) -> Links:
        """Return the links of one recipient's copy."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMaker:
    """Makes the links of all brands. `inbox_domain` is empty while nothing listens for mail-to
    unsubscribes.
    """

    codec: TokenCodec
    public_url: str
    inbox_domain: str = ""

    def for_message(
        self,
        brand: Brand,
        campaign: Campaign,
        *,
        at_ms: int,
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> CopyLinks:
        """Return the links of one message of a brand that has any; `attributes` are what the sender
        said of the recipients.

        Raises SignerUnavailable when no key may mint yet, RuleViolation when the campaign's groups
        do not fit into a URL.
        """
        identifier = Identifier(
            template=identifier_template(brand.user_identifier), attributes=attributes
        )
        managed = self._managed(brand, campaign, identifier, at_ms)
        if brand.management is not Management.SELF_MANAGED:
            return managed
        return SelfManagedLinks(
            url=url_template(brand.one_click_url),
            mailbox=mailbox(brand.one_click_email) if brand.one_click_email else "",
            identifier=identifier,
            attributes=attributes,
            minter=self._minter(brand, campaign, _SELF_MANAGED, at_ms),
            ours=replace(managed, short=None),
        )

    def _managed(
        self, brand: Brand, campaign: Campaign, identifier: Identifier, at_ms: int
    ) -> ManagedLinks:
        short = None
        if self.inbox_domain:
            groups = tuple(map(group_key, campaign.groups))
            short = self.codec.short_minter(
                brand=brand.number, groups=groups, at_ms=at_ms, test=campaign.test
            )
        return ManagedLinks(
            prefix=one_click_prefix(self.public_url),
            minter=self._minter(brand, campaign, _MANAGED, at_ms),
            short=short,
            inbox_domain=self.inbox_domain,
            identifier=identifier,
        )

    def _minter(self, brand: Brand, campaign: Campaign, purpose: Purpose, at_ms: int) -> Minter:
        return self.codec.minter(
            brand=brand.number,
            purpose=purpose,
            at_ms=at_ms,
            campaign=campaign.id,
            groups=tuple(map(group_key, campaign.groups)),
            test=campaign.test,
        )


def check_attributes(brand: Brand, attributes: Attributes, *, recipients: int) -> None:
    """Refuse attributes of one person for a mail to several, where a template of the brand would
    put them into every copy.

    Raises MarkingInvalid: whoever clicked would unsubscribe the one person whose attributes they
    are.
    """
    if recipients <= 1 or not attributes.flat or brand.management is Management.NONE:
        return
    used = {
        name
        for template in _templates(brand)
        for name in template.attributes
        if name in attributes.flat
    }
    if used:
        raise MarkingInvalid(
            f"X-Signoff-User-Attributes says one {plain(min(used))} for {recipients} recipients:"
            " write an object for each address"
        )


def _templates(brand: Brand) -> list[Template | UrlTemplate]:
    identifier = identifier_template(brand.user_identifier)
    found: list[Template | UrlTemplate] = [identifier] if identifier else []
    return (
        [*found, url_template(brand.one_click_url)]
        if brand.management is Management.SELF_MANAGED
        else found
    )


def one_click_prefix(public_url: str) -> str:
    """Return everything of the one-click URL that stands before the token."""
    return f"{public_url}{ONE_CLICK_PATH}?qmoe="


def token_room(public_url: str) -> int:
    """Return how many characters of a one-click URL are left to the token (catalogue H6, T10)."""
    return MAX_URI_CHARS - len(one_click_prefix(public_url))
