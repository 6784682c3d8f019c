"""The one-click URL of every managed mail: POST unsubscribes (RFC 8058 3.1), GET shows a page with
one button and changes nothing.

The POST's right is its token alone. The body is read, so that the connection can be used again, and
not trusted: any body will do (catalogue E3), no parser sees it, and of a long one the rest is
dropped (E11). Bare ASGI, because Starlette's request and response objects cost a tenth of this
path.
"""

from starlette.types import Receive, Scope, Send

from app.core.errors import Unavailable
from app.core.model import Claims, Purpose, Source
from app.http.answers import Answer, text
from app.http.errors import RETRY_AFTER_SECONDS
from app.http.requests import accept_language, read_body
from app.observe.metrics import SCANNER_GETS_IGNORED
from app.usecases.token_links import TokenLinks
from app.web.pages import Pages, Trouble
from app.web.token_requests import RefusedToken, TokenRequests

_FORM = (("List-Unsubscribe", "One-Click"), ("via", "page"))
# the page's own form says so; nothing hangs on it but the look of the answer and the source
_PAGE_MARK = b"via=page"
_AGAIN = {"Retry_After": str(RETRY_AFTER_SECONDS)}
_IN_A_MINUTE = {"Retry_After": "60"}
_DONE = text(200, "You are unsubscribed.")
_UNKNOWN = text(404, "This link is not valid.")  # one answer for every kind of bad token (E9)
_TOO_MANY = text(429, "Too many invalid links from your network.", **_IN_A_MINUTE)
_NOT_SAVED = text(503, "This could not be saved now. Please try again.", **_AGAIN)


class OneClickEndpoint:
    """Answers GET, HEAD and POST on `/u`."""

    def __init__(self, *, tokens: TokenRequests, links: TokenLinks, pages: Pages) -> None:
        self._tokens = tokens
        self._links = links
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, never with a redirect or a cookie."""
        if scope["method"] == "POST":
            body = await read_body(receive)
            if body is None:
                return  # the client went away before its request was complete
            answer = await self._post(scope, from_page=_PAGE_MARK in body.split(b"&"))
        else:
            answer = self._get(scope)
        await answer(scope, receive, send)

    async def _post(self, scope: Scope, *, from_page: bool) -> Answer:
        opened = self._tokens.open(scope, purpose=Purpose.ONE_CLICK)
        if isinstance(opened, RefusedToken):
            return _TOO_MANY if opened.throttled else _UNKNOWN
        if from_page:
            return await self._leave_by_page(opened, accept_language(scope))
        try:
            await self._links.leave(opened, source=Source.LIST_UNSUBSCRIBE)
        except Unavailable:
            return _NOT_SAVED
        return _DONE

    async def _leave_by_page(self, claims: Claims, languages: str) -> Answer:
        try:
            await self._links.leave(claims, source=Source.LANDING_PAGE)
        except Unavailable:
            return self._pages.trouble(
                503, Trouble.UNAVAILABLE, languages, again=_FORM, fields=_AGAIN
            )
        return self._pages.done(claims, languages)

    def _get(self, scope: Scope) -> Answer:
        SCANNER_GETS_IGNORED.inc()
        opened = self._tokens.open(scope, purpose=Purpose.ONE_CLICK)
        languages = accept_language(scope)
        if isinstance(opened, RefusedToken):
            if opened.throttled:
                return self._pages.trouble(429, Trouble.TOO_MANY, languages, fields=_IN_A_MINUTE)
            return self._pages.trouble(404, Trouble.NOT_FOUND, languages)
        return self._pages.confirm(opened, languages)
