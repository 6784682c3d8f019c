"""The links of a brand that takes its one-click requests itself: its own URL, its own mail-to
address.

1. The URL is a template; what it gives for a recipient is percent-encoded, the text around it is
   the brand's. The host is text: no attribute of a recipient decides where a click goes.
2. `qmoe` is added behind it: `?` or `&`, before a fragment; a `qmoe` that the template has is
   replaced. The token is good for the callback and for mail-to, not at our own one-click URL: the
   brand processes the request and then returns the token.
3. The URL has at most 250 characters (catalogue H6). A long one leaves less to the token, which
   then holds hashes (T10); where even that does not fit, the copy carries our own one-click URL
   instead: nobody is without a way out because their address is long.
4. The mail-to subject holds the identifier in Base64, so that the brand finds its user, and the
   token. The address is the brand's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid, RuleViolation
from app.core.mail.attributes import Attributes
from app.core.mail.stamp import MAX_URI_CHARS, Links, is_plain
from app.core.managed import Identifier, ManagedLinks, mailto_uri
from app.core.model import Recipient
from app.core.template import EMAIL, Template, percent_encoded
from app.core.token import MIN_TOKEN_CHARS, Minter

PARAMETER = "qmoe"

_HOST = re.compile(r"https://(?P<host>[^/?#{}\s\\@:\[\]]+)(?P<port>:[0-9]{1,5})?(?=[/?#]|\Z)")
_MAILBOX = re.compile(
    r"(?P<local>[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@(?P<domain>[^@\s]+)"
)
_MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTemplate:
    """A checked one-click URL. `host` is an A-label name, for whoever decides which hosts are
    public.
    """

    host: str
    _template: Template

    @property
    def attributes(self) -> frozenset[str]:
        """Return the names of the attributes that the URL is made of."""
        return self._template.attributes

    def render(self, attributes: Mapping[str, str]) -> str:
        """Return the URL of one recipient, without token."""
        return self._template.render(attributes)


@lru_cache(maxsize=1024)
def url_template(source: str) -> UrlTemplate:
    """Return the template of a one-click URL. Raises RuleViolation with a sentence for whoever
    wrote it (catalogue H7, H8).
    """
    found = _HOST.match(source)
    if found is None:
        raise RuleViolation(
            "write an absolute https URL whose host stands there as text, such as"
            " https://www.example.com/unsubscribe"
        )
    try:
        host = ascii_domain(found["host"])
    except AddressInvalid as exc:
        raise RuleViolation(str(exc)) from exc
    template = Template(
        f"https://{host}{found['port'] or ''}{source[found.end() :]}", encode=percent_encoded
    )
    text = [piece for piece in template.parts if piece is not None]
    if not all(is_plain(piece) for piece in text):
        raise RuleViolation(
            "around its expressions the URL holds a character that has to be percent-encoded, such"
            " as %2C for a comma"
        )
    if len(with_token("".join(text), "")) + MIN_TOKEN_CHARS > MAX_URI_CHARS:
        raise RuleViolation(
            f"too long: it leaves less than {MIN_TOKEN_CHARS} of the {MAX_URI_CHARS} characters of"
            " a URL to the token"
        )
    return UrlTemplate(host=host, _template=template)


def with_token(url: str, token: str) -> str:
    """Return the URL with its `qmoe` parameter last in the query."""
    rest, hash_, fragment = url.partition("#")
    path, _, query = rest.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] != PARAMETER]
    return f"{path}?{'&'.join((*kept, f'{PARAMETER}={token}'))}{hash_}{fragment}"


@lru_cache(maxsize=1024)
def mailbox(address: str) -> str:
    """Return a mail-to address as it stands in a mailto URI (RFC 6068 2). Raises RuleViolation when
    it is none.
    """
    found = _MAILBOX.fullmatch(address)
    if found is None or len(found["local"]) > _MAX_LOCAL_OCTETS:
        raise RuleViolation("write one plain address, such as unsubscribe@example.com")
    try:
        return f"{percent_encoded(found['local'])}@{ascii_domain(found['domain'])}"
    except AddressInvalid as exc:
        raise RuleViolation(str(exc)) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfManagedLinks:
    """The links of one message of a self-managed brand."""

    url: UrlTemplate
    mailbox: str  # empty: the brand has no mail-to address
    identifier: Identifier
    attributes: Attributes
    minter: Minter
    ours: ManagedLinks  # where the brand's URL is too long

    def for_copy(self, recipient: Recipient) -> Links:
        """Return the links of one recipient's copy."""
        url = self.url.render({EMAIL: recipient.address, **self.attributes.of(recipient.address)})
        links = self._brands(url, recipient) or self.ours.for_copy(recipient)
        if not self.mailbox:
            return links
        token = self.minter.mint(address=recipient.address, digest=recipient.digest)
        return replace(
            links, mailto_uri=mailto_uri(self.mailbox, self.identifier, recipient, token)
        )

    def _brands(self, url: str, recipient: Recipient) -> Links | None:
        room = MAX_URI_CHARS - len(with_token(url, ""))
        try:
            token = self.minter.mint(
                address=recipient.address, digest=recipient.digest, max_chars=room
            )
        except RuleViolation:
            return None
        return Links(https_uri=with_token(url, token), mailto_uri=None, one_click=True)
