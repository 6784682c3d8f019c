"""The small files: robots.txt, security.txt (RFC 9116), and what the pages load, which is /static
and the brands' logos.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.core.brands import Brands
from app.http.answers import Answer, answer, text
from app.usecases.ports import Clock

_MEDIA_TYPES = {
    ".svg": "image/svg+xml",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
# Opened by itself, a picture is a document: nothing in it may run or load, though its own style may
# colour it.
_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"


class Answering:
    """Answers `/` and `OPTIONS *`, which a balancer asks to see whether the server is there: 200,
    nothing more.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that somebody answers."""
        allow = {"Allow": "GET, HEAD, OPTIONS"} if scope["method"] == "OPTIONS" else {}
        await text(200, "", **allow)(scope, receive, send)


class Robots:
    """Answers `/robots.txt`: nothing here is for a search engine."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file."""
        await text(200, "User-agent: *\nDisallow: /")(scope, receive, send)


class SecurityTxt:
    """Answers `/.well-known/security.txt` with the operator's contact, always valid for the next 90
    days.
    """

    def __init__(self, *, contact: str, clock: Clock) -> None:
        self._contact = contact
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file."""
        expires = datetime.fromtimestamp(self._clock() / 1000, UTC) + timedelta(days=90)
        body = (
            f"Contact: {self._contact}\nExpires:"
            f" {expires:%Y-%m-%dT%H:%M:%SZ}\nPreferred-Languages: en"
        )
        await text(200, body)(scope, receive, send)


class Static:
    """Answers `/static/NAME` from files read at start: there is no path to walk out of."""

    def __init__(self) -> None:
        self._answers = dict(_files())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file. Raises HTTPException 404 when there is none of this name."""
        found = self._answers.get(scope["path_params"]["name"])
        if found is None:
            raise HTTPException(404)
        await found(scope, receive, send)


class BrandLogo:
    """Answers `/brand/ID/logo` from the logos read and checked at start."""

    def __init__(self, brands: Brands) -> None:
        self._answers = {
            str(brand.id): answer(200, brand.logo.media_type, brand.logo.content, csp=_PICTURE)
            for brand in brands
            if brand.logo
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the logo. Raises HTTPException 404 for a brand without one."""
        found = self._answers.get(scope["path_params"]["brand"])
        if found is None:
            raise HTTPException(404)
        await found(scope, receive, send)


def _files() -> Mapping[str, Answer]:
    found: dict[str, Answer] = {}
    for file in resources.files("app.web.static").iterdir():
        media_type = _MEDIA_TYPES.get(file.name[file.name.rfind(".") :])
        if media_type:
            found[file.name] = answer(200, media_type, file.read_bytes())
    return found
