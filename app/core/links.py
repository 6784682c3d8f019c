"""Which URL and which mail-to address one copy carries.

Managed: both are ours. The URL holds a token of the recipient of this copy alone (RFC 8058 3.1, catalogue H11).
"""

import base64
from dataclasses import dataclass

from app.core.groups import group_key
from app.core.mail.stamp import MAX_URI_CHARS, Links
from app.core.model import Brand, Campaign, Purpose, Recipient
from app.core.short_token import ShortMinter
from app.core.token import Minter, TokenCodec

ONE_CLICK_PATH = "/u"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLinks:
    """The links of one message; `for_copy` turns them into those of one recipient."""

    _prefix: str
    _minter: Minter
    _short: ShortMinter | None  # None while nothing listens for mail-to unsubscribes
    _inbox_domain: str

    def for_copy(self, recipient: Recipient) -> Links:
        """Return the links of one recipient's copy."""
        token = self._minter.mint(address=recipient.address, digest=recipient.digest)
        mailto = self._mailto(self._short, recipient, token) if self._short else None
        return Links(https_uri=self._prefix + token, mailto_uri=mailto, one_click=True)

    def _mailto(self, short: ShortMinter, recipient: Recipient, token: str) -> str:
        identifier = base64.b64encode(recipient.digest.hex().encode()).decode("ascii").replace("=", "%3D")
        return f"mailto:u-{short.mint(recipient.digest)}@{self._inbox_domain}?subject={_SUBJECT}{identifier}-{token}"


# RFC 6068 2: everything but unreserved characters is percent-encoded, a space as %20. What varies needs none: the token is base64url, and
# Base64 of hexadecimal digits holds no `+` or `/`. Quoting the whole subject for each copy cost a third of the stamp.
_SUBJECT = "Unsubscribe%20%7C%20cattr%3A"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMaker:
    """Makes the links of managed mail. `inbox_domain` is empty while nothing listens for mail-to unsubscribes."""

    codec: TokenCodec
    public_url: str
    inbox_domain: str = ""

    def for_message(self, brand: Brand, campaign: Campaign, *, at_ms: int) -> CopyLinks:
        """Return the links of one message of a managed brand. Raises SignerUnavailable when no key may mint yet."""
        groups = tuple(group_key(group) for group in campaign.groups)
        return CopyLinks(
            _prefix=one_click_prefix(self.public_url),
            _minter=self.codec.minter(
                brand=brand.number,
                purpose=Purpose.ONE_CLICK | Purpose.MAILTO,
                at_ms=at_ms,
                campaign=campaign.id,
                groups=groups,
                test=campaign.test,
            ),
            _short=self.codec.short_minter(brand=brand.number, groups=groups, at_ms=at_ms) if self.inbox_domain else None,
            _inbox_domain=self.inbox_domain,
        )


def one_click_prefix(public_url: str) -> str:
    """Return everything of the one-click URL that stands before the token."""
    return f"{public_url}{ONE_CLICK_PATH}?qmoe="


def token_room(public_url: str) -> int:
    """Return how many characters of a one-click URL are left to the token (catalogue H6, T10)."""
    return MAX_URI_CHARS - len(one_click_prefix(public_url))
