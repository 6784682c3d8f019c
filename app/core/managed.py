"""The links of managed mail: our one-click URL, and the mail-to address of our inbox.

The URL holds a token of the recipient of this copy alone (RFC 8058 3.1, catalogue H11). The subject
of the mail-to is MoEngage's, `Unsubscribe | cattr:<identifier>-<token>`, for both kinds of brands.
"""

import base64
from dataclasses import dataclass

from app.core.mail.attributes import NO_ATTRIBUTES, Attributes
from app.core.mail.stamp import MAX_MAILTO_CHARS, Links
from app.core.model import Recipient
from app.core.short_token import ShortMinter
from app.core.template import EMAIL, Template
from app.core.token import Minter

# RFC 6068 2: everything but unreserved characters is percent-encoded, a space as %20. What varies
# needs little: the token is base64url, and of Base64 only the three below. Quoting the whole
# subject for each copy cost a third of the stamp.
_SUBJECT = "Unsubscribe%20%7C%20cattr%3A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """By what a brand finds its user in the subject of a mail-to: its own template, or our digest
    of the recipient.
    """

    template: Template | None = None
    attributes: Attributes = NO_ATTRIBUTES

    def of(self, recipient: Recipient) -> str:
        """Return the identifier of one recipient."""
        if self.template is None:
            return recipient.digest.hex()
        return self.template.render(
            {EMAIL: recipient.address, **self.attributes.of(recipient.address)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedLinks:
    """The links of one message, as ours."""

    prefix: str  # everything of the one-click URL that stands before the token
    minter: Minter
    short: ShortMinter | None = None  # None while nothing listens for mail-to unsubscribes
    inbox_domain: str = ""
    identifier: Identifier = Identifier()

    def for_copy(self, recipient: Recipient) -> Links:
        """Return the links of one recipient's copy."""
        token = self.minter.mint(address=recipient.address, digest=recipient.digest)
        mailto = None
        if self.short:
            mailto = mailto_uri(
                f"u-{self.short.mint(recipient.digest)}@{self.inbox_domain}",
                self.identifier,
                recipient,
                token,
            )
        return Links(https_uri=self.prefix + token, mailto_uri=mailto, one_click=True)


def mailto_uri(
    mailbox: str, identifier: Identifier, recipient: Recipient, token: str
) -> str | None:
    """Return the mailto URI of one copy; with the digest where the brand's identifier is too long
    for a line, None where that is too.
    """
    for text in (identifier.of(recipient), recipient.digest.hex()):
        encoded = (
            base64.b64encode(text.encode())
            .decode("ascii")
            .replace("+", "%2B")
            .replace("/", "%2F")
            .replace("=", "%3D")
        )
        uri = f"mailto:{mailbox}?subject={_SUBJECT}{encoded}-{token}"
        if len(uri) <= MAX_MAILTO_CHARS:
            return uri
    return None
