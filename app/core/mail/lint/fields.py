"""The two fields of the unsubscribe link: RFC 8058 3.1, RFC 2369, catalogue H1 to H8 and T2."""

import base64
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from itertools import islice

from app.core.address_policy import is_public_host
from app.core.mail.inbound_parts import Entity
from app.core.mail.lint.rules import Finding
from app.core.mail.message import Field

ONE_CLICK = "List-Unsubscribe=One-Click"
_LIST = re.compile(r"\s*<[^<>]*>\s*(?:,\s*<[^<>]*>\s*)*")
_URI = re.compile(r"<([^<>]*)>")
_ADDRESS = re.compile(
    r"(?<![^\s<>,;:\"])[^\s<>,;:\"@]++@[^\s<>,;:\"]++"
)  # begins where no address goes on, so that no letter is tried twice
_MOST_ADDRESSES = 100  # a copy is for one; more are looked at, but not any number
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}(?=:)")
_CUTTING = frozenset(",;\"'")
_MAX_LINE, _GOOD_URI = 998, 250


def judge(mail: Entity) -> Iterator[Finding]:
    """Yield what is wrong with List-Unsubscribe and List-Unsubscribe-Post."""
    fields = [field for field in mail.fields if field.name == b"list-unsubscribe"]
    if not fields:
        yield Finding("lu-missing", "there is no List-Unsubscribe field")
    if len(fields) > 1:
        yield Finding("lu-repeated", f"List-Unsubscribe stands {len(fields)} times")
    for field in fields:
        yield from _form(field)
    uris = one_click_uris(mail)
    yield from _uris(uris, has_field=bool(fields))
    yield from _privacy(uris, mail)
    yield from _post(mail)


def one_click_uris(mail: Entity) -> Sequence[str]:
    """Return the URIs of every List-Unsubscribe field, in order, white space inside removed."""
    return [
        "".join(uri.split())
        for value in mail.values(b"list-unsubscribe")
        for uri in _URI.findall(value)
    ]


def _form(field: Field) -> Iterator[Finding]:
    raw = field.raw.decode("latin-1")
    value = raw.partition(":")[2]
    lines = value.split("\r\n")
    if "=?" in value and "?=" in value:
        yield Finding("lu-encoded", "List-Unsubscribe holds an encoded word")
    elif not _LIST.fullmatch(value.replace("\r\n", "")):
        yield Finding(
            "lu-malformed",
            "List-Unsubscribe is more or less than URIs in angle brackets, or has text behind them",
        )
    if any(re.search(r"\s", uri) for uri in _URI.findall(value)):
        yield Finding("lu-folded-inside", "there is white space inside the angle brackets")
    if not lines[0].strip():
        yield Finding("lu-first-line-empty", "the first line of List-Unsubscribe is empty")
    longest = max(map(len, raw.split("\r\n")))
    if longest > _MAX_LINE:
        yield Finding("lu-line-long", f"a line of List-Unsubscribe has {longest} octets")


def _uris(uris: Sequence[str], *, has_field: bool) -> Iterator[Finding]:
    https = [uri for uri in uris if uri.lower().startswith("https://")]
    if has_field and not https:
        yield Finding("lu-no-https", "List-Unsubscribe has no https URI")
    elif uris and https and uris[0] != https[0]:
        yield Finding("lu-https-not-first", f"the first URI is a {_scheme(uris[0])} one")
    if len(https) > 1:
        yield Finding("lu-several-https", f"{len(https)} https URIs")
    mailto = sum(uri.lower().startswith("mailto:") for uri in uris)
    if mailto > 1:
        yield Finding("lu-several-mailto", f"{mailto} mailto URIs")
    for uri in https:
        if not _CUTTING.isdisjoint(uri) or not uri.isascii():
            yield Finding(
                "lu-uri-characters",
                "the URL holds a comma, semicolon, quote, or a character outside ASCII",
            )
        if len(uri) > _GOOD_URI:
            yield Finding("lu-uri-long", f"the URL has {len(uri)} characters")
        if not _is_public(uri):
            yield Finding("lu-host-not-public", "the URL leads to no public host name")


def _scheme(uri: str) -> str:
    found = _SCHEME.match(uri)
    return found[0].lower() if found else "bare"


def _is_public(uri: str) -> bool:
    try:
        return is_public_host(urllib.parse.urlsplit(uri).hostname or "")
    except ValueError:
        return False


def _privacy(uris: Sequence[str], mail: Entity) -> Iterator[Finding]:
    found = (
        one.lower()
        for value in mail.values(b"to", b"delivered-to", b"x-original-to")
        for one in _ADDRESS.findall(value)
    )
    addresses = dict.fromkeys(islice(found, _MOST_ADDRESSES))
    urls = "\n".join(uri for uri in uris if uri.lower().startswith("https://"))
    decoded, folded = urllib.parse.unquote(urls), urllib.parse.unquote_plus(urls).lower()
    if any(_names(decoded, folded, address) for address in addresses):
        yield Finding(
            "lu-address-in-url", "the URL holds the recipient's address, in clear or encoded"
        )


def _names(decoded: str, folded: str, address: str) -> bool:
    """Say whether URLs hold an address: `decoded` as they are without percent signs, `folded` in
    lower case besides.
    """
    plain = address.encode("utf-8", "surrogateescape")
    # Base64 of an address inside longer data begins at any of three offsets, so only whole values
    # are looked for.
    encoded = {base64.b64encode(plain), base64.urlsafe_b64encode(plain)}
    return (
        address in folded
        or plain.hex() in folded
        or any(code.rstrip(b"=").decode("ascii") in decoded for code in encoded)
    )


def _post(mail: Entity) -> Iterator[Finding]:
    values = list(mail.values(b"list-unsubscribe-post"))
    if not values:
        yield Finding("lup-missing", "there is no List-Unsubscribe-Post field")
    if len(values) > 1:
        yield Finding("lup-repeated", f"List-Unsubscribe-Post stands {len(values)} times")
    if any(value.strip() != ONE_CLICK for value in values):
        yield Finding("lup-value", f"List-Unsubscribe-Post is not exactly {ONE_CLICK}")
