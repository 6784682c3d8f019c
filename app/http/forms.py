"""The answer to one of our forms: read to a cap, parsed with a bound, and only when it came from
our own page (catalogue L7, L10).

What lets a form in is the page token, which no other site can have without the link. What browsers
say of a form's origin comes before it: a form that another site sends with a link it knows is
refused for what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.types import Receive, Scope

from app.http.requests import read_body

MAX_BODY_BYTES = 8_192
# a page token, the toggle of all mail and those of 50 groups, and some that a browser's extensions
# may add
MAX_FIELDS = 80

_TYPE = b"application/x-www-form-urlencoded"
# W3C Fetch Metadata; `none`: the reader sent it again by hand
_OWN_SITES = frozenset((b"same-origin", b"none"))


class Refusal(Enum):
    """Why a form is not taken."""

    GONE = "gone"  # the client went away before its request was complete
    FOREIGN = "foreign"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of a form in the order in which they came."""

    pairs: tuple[tuple[str, str], ...]

    def one(self, name: str) -> str:
        """Return the first value of a field, empty when it is not there."""
        return next((value for field, value in self.pairs if field == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return [value for field, value in self.pairs if field == name]


async def read_form(scope: Scope, receive: Receive, *, own_origin: str) -> Fields | Refusal:
    """Return the fields of the form that a request carries; the body is read in any case, so that
    the connection can be used again.
    """
    body = await read_body(receive, keep=MAX_BODY_BYTES + 1)
    if body is None:
        return Refusal.GONE
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if _is_foreign(scope, headers, own_origin):
        return Refusal.FOREIGN
    if len(body) > MAX_BODY_BYTES:
        return Refusal.TOO_LARGE
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _TYPE:
        return Refusal.MALFORMED
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:  # not ASCII, not UTF-8 beneath the percent signs, or too many fields
        return Refusal.MALFORMED
    return Fields(pairs=tuple(pairs))


def _is_foreign(
    scope: Mapping[str, Any], headers: Mapping[bytes, bytes], own_origin: str
) -> bool:  # Any: an ASGI scope is an open dictionary
    """Tell whether a browser says that another site sent the form.

    Our pages have `Referrer-Policy: no-referrer`, for which browsers write `Origin: null` on their
    own forms too; there Sec-Fetch-Site decides, and in a browser too old to send it the page token
    alone.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in _OWN_SITES
    origin = headers.get(b"origin", b"null").decode("latin-1").lower()
    if origin == "null":
        return False
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return origin != own_origin and _host_of(origin) != host


def _host_of(origin: str) -> str | None:
    """Return host and port of an origin; None for what is no URL."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
