"""Who a recipient is: one identity for all spellings of an address, and the keyed digest that
stands for it in the store.

The local part is compared casefolded, though RFC 5321 2.4 lets it matter: nobody runs two people
apart by case, and a click must reach whom it means (catalogue T7). Plus-tags and dots are kept, for
there they do run people apart. The domain is compared in A-label form (RFC 5890), both in Unicode's
NFC (RFC 6531 3.1).
"""

import hmac
import re
import unicodedata

import idna

from app.core.errors import AddressInvalid
from app.core.model import DIGEST_BYTES, RecipientDigest

MAX_ADDRESS_OCTETS = 254  # RFC 5321 4.5.3.1.3: a path holds 256, its angle brackets among them
MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1

_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\ud7ff\ue000-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf'{_WORD}(?:\.{_WORD})*|"(?:[ !#-\[\]-~\u00a0-\ud7ff]|\\[ -~])+"')
_DOT_STRING = re.compile(rf"{_WORD}(?:\.{_WORD})*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r"[\"\\]")
_QUOTES = 2
_LITERAL = re.compile(r"\[[A-Za-z0-9.:-]{2,64}\]")  # RFC 5321 4.1.3
_HOST_NAME = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def identity(address: str) -> str:
    """Return the one spelling under which a recipient is known. Raises AddressInvalid when there is
    no local part or no domain.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain):
        raise AddressInvalid("an address needs a local part and a domain")
    if local.startswith('"'):
        local = _least_quoted(local)
        address = f"{local}@{domain}"
    if address.isascii():
        return address.lower()
    return f"{_nfc(_nfc(local).casefold())}@{ascii_domain(domain)}"


def _least_quoted(local: str) -> str:
    """Return a quoted local part as RFC 5321 4.1.2 wants it: without quotes and escapes that it
    does not need.
    """
    if len(local) < _QUOTES or not local.endswith('"'):
        return local
    plain = _ESCAPE.sub(r"\1", local[1:-1])
    return plain if _DOT_STRING.fullmatch(plain) else '"' + _TO_ESCAPE.sub(r"\\\g<0>", plain) + '"'


def ascii_domain(domain: str) -> str:
    """Return a domain in lower-case A-label form; an address literal stays as it is. Raises
    AddressInvalid for what is no domain.
    """
    if domain.startswith("[") and domain.endswith("]"):
        return domain.lower()
    try:
        encoded = (
            domain.lower()
            if domain.isascii()
            else _a_labels(idna.uts46_remap(_nfc(domain), std3_rules=False))
        )
    except idna.IDNAError as exc:
        raise AddressInvalid(
            "the domain of the address is not a valid internationalised name"
        ) from exc
    if len(encoded) > 253 or not _HOST_NAME.fullmatch(encoded):  # noqa: PLR2004 - RFC 1035 2.3.4
        raise AddressInvalid("the domain of the address is not a host name")
    return encoded


def checked(text: str) -> str:
    """Return an address that somebody typed or put into a list, without the space around it.

    Raises AddressInvalid unless it is one address as it stands in an envelope: no display name, no
    angle brackets, no comment, nothing that would break a line (RFC 5321 4.1.2, RFC 6531 3.3;
    catalogue L2).
    """
    address = text.strip()
    local, at, domain = address.rpartition("@")
    if not at:
        raise AddressInvalid("an address has an @")
    if len(address.encode("utf-8", "surrogatepass")) > MAX_ADDRESS_OCTETS:
        raise AddressInvalid(f"the address is longer than {MAX_ADDRESS_OCTETS} octets")
    if (
        not _LOCAL_PART.fullmatch(local)
        or not local.isprintable()
        or len(local.encode()) > MAX_LOCAL_OCTETS
    ):
        raise AddressInvalid("the part before the @ is not one of an address")
    if domain.startswith("[") and not _LITERAL.fullmatch(domain):
        raise AddressInvalid("the domain of the address is not an address literal")
    ascii_domain(domain)
    return address


def digest(address: str, *, pepper: bytes) -> RecipientDigest:
    """Return the keyed digest of a recipient (DIGEST_BYTES bytes): what the store knows instead of
    the address.
    """
    return RecipientDigest(hmac.digest(pepper, identity(address).encode(), "sha256")[:DIGEST_BYTES])


def masked(address: str) -> str:
    """Return the address as a page may show it to whoever holds the link, such as
    `b•••@example.com`; empty stays empty.
    """
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}" if at else ""


def _a_labels(domain: str) -> str:
    """Return a domain in A-label form. A label that is ASCII is one as it stands, as in a domain
    that is ASCII in all its labels.
    """
    return ".".join(
        label if label.isascii() else idna.alabel(label).decode("ascii")
        for label in domain.split(".")
    )


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
