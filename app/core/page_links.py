"""Which page each placeholder in the body of one copy leads to, and the address to write to.

1. The token in these URLs opens pages and nothing else (`Purpose.PREFERENCES`): who forwards such a
   mail gives nobody a one-click unsubscribe, and no such URL stands in a header field (catalogue
   T4).
2. There is always a way out: a brand without a preference centre, and one without groups to choose
   from, gets the unsubscribe page.
3. The brand's own page gets the token as `e`, and `wzrk_ex=0`, without which CleverTap's script
   sends a page event first.
"""

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.core.errors import PlaceholderUnusable
from app.core.groups import group_key
from app.core.mail.macros import Placeholder
from app.core.model import Brand, Campaign, Management, PreferenceCentre, Purpose, Recipient
from app.core.token import MAX_TOKEN_CHARS, Minter, TokenCodec

UNSUBSCRIBE_PATH = "/unsubscribe"
PREFERENCES_PATH = "/preferences"

_FOR_SCRIPT = "&wzrk_ex=0"
_GROUP_PAGE = "&page_type=group"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLinks:
    """The page links of one message; `for_copy` turns them into those of one recipient."""

    _around: Mapping[Placeholder, tuple[str, str]]  # what stands before and behind the token
    _campaign: Minter
    _everything: Minter
    _mailbox: Callable[[Recipient], str] | None

    def check(self, wanted: Iterable[Placeholder]) -> None:
        """Raise PlaceholderUnusable for a placeholder that this brand's mail cannot have."""
        if self._mailbox is None and Placeholder.UNSUBSCRIBE_EMAIL in wanted:
            raise PlaceholderUnusable(
                "%unsubscribe_email% asks for an address to write to, and this brand has none here"
            )

    def for_copy(
        self, recipient: Recipient, wanted: Iterable[Placeholder]
    ) -> Mapping[Placeholder, str]:
        """Return the URLs of one recipient's copy for these placeholders."""
        return {placeholder: self._url(placeholder, recipient) for placeholder in wanted}

    def _url(self, placeholder: Placeholder, recipient: Recipient) -> str:
        if placeholder is Placeholder.UNSUBSCRIBE_EMAIL and self._mailbox:
            return self._mailbox(recipient)
        before, behind = self._around[placeholder]
        minter = (
            self._everything if placeholder is Placeholder.GLOBAL_UNSUBSCRIBE else self._campaign
        )
        return before + minter.mint(address=recipient.address, digest=recipient.digest) + behind


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLinkMaker:
    """Makes the page links of every brand's mail, whoever receives its one-click requests."""

    codec: TokenCodec
    public_url: str
    inbox_domain: str = ""

    def for_message(
        self, brand: Brand, campaign: Campaign, *, at_ms: int, has_groups: bool
    ) -> PageLinks:
        """Return the page links of one message. Raises SignerUnavailable when no key may mint yet.

        `has_groups`: the brand has active subscription groups, so that there are preferences to
        manage.
        """
        return PageLinks(
            _around=_around(
                self.public_url, brand.preference_centre, brand.custom_page_url, has_groups
            ),
            _campaign=self._minter(brand, campaign, at_ms),
            _everything=self._minter(brand, Campaign(id=campaign.id, test=campaign.test), at_ms),
            _mailbox=self._mailbox(brand, campaign, at_ms),
        )

    def _mailbox(
        self, brand: Brand, campaign: Campaign, at_ms: int
    ) -> Callable[[Recipient], str] | None:
        """Return what makes the address to which a recipient writes to leave, None where a brand
        has none here.
        """
        if not self.inbox_domain or brand.management is Management.SELF_MANAGED:
            return None
        groups = tuple(map(group_key, campaign.groups))
        short = self.codec.short_minter(
            brand=brand.number, groups=groups, at_ms=at_ms, test=campaign.test
        )
        return lambda recipient: f"u-{short.mint(recipient.digest)}@{self.inbox_domain}"

    def longest(self, brand: Brand) -> int:
        """Return how many characters the longest of a brand's URLs may have, written as HTML."""
        return _longest(self.public_url, brand.preference_centre, brand.custom_page_url)

    def _minter(self, brand: Brand, campaign: Campaign, at_ms: int) -> Minter:
        return self.codec.minter(
            brand=brand.number,
            purpose=Purpose.PREFERENCES,
            at_ms=at_ms,
            campaign=campaign.id,
            groups=tuple(map(group_key, campaign.groups)),
            test=campaign.test,
        )


@lru_cache(maxsize=1024)
def _longest(public_url: str, centre: PreferenceCentre, page_url: str) -> int:
    # Every promotional mail asks, with a placeholder or without.
    around = [
        pair
        for has_groups in (True, False)
        for pair in _around(public_url, centre, page_url, has_groups).values()
    ]
    return MAX_TOKEN_CHARS + max(len(html.escape(before + behind)) for before, behind in around)


@lru_cache(maxsize=1024)
def _around(
    public_url: str, centre: PreferenceCentre, page_url: str, has_groups: bool
) -> Mapping[Placeholder, tuple[str, str]]:
    if centre is PreferenceCentre.CUSTOM:
        page = f"{page_url}?e="
        return dict.fromkeys(Placeholder, (page, _FOR_SCRIPT)) | {
            Placeholder.GROUP_UNSUBSCRIBE: (page, _FOR_SCRIPT + _GROUP_PAGE)
        }
    unsubscribe = (f"{public_url}{UNSUBSCRIBE_PATH}?e=", "")
    preferences = (f"{public_url}{PREFERENCES_PATH}?e=", "")
    manages = has_groups and centre is PreferenceCentre.SYSTEM
    return dict.fromkeys(Placeholder, unsubscribe) | {
        Placeholder.MANAGE_PREFERENCES: preferences if manages else unsubscribe
    }
