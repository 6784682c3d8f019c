"""The two applications of the web process, each one table of routes: what is public, and what is for the operator alone (catalogue L11).

A path is read with doubled and trailing slashes removed, so no spelling of a route needs a redirect (E5).
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.brands import Brands
from app.core.errors import SignoffError
from app.core.page_links import PREFERENCES_PATH, UNSUBSCRIBE_PATH
from app.observe.log import LogEvent, logger
from app.usecases.one_click import OneClick
from app.usecases.ports import Clock
from app.usecases.shipping import TakeShipment
from app.web.answers import Answer, text
from app.web.desk import Desk, PreferenceParts
from app.web.endpoints.callback import CallbackEndpoint
from app.web.endpoints.group_unsubscribe import GroupUnsubscribeEndpoint
from app.web.endpoints.health import Check, Live, Metrics, Ready
from app.web.endpoints.one_click import OneClickEndpoint, accept_language
from app.web.endpoints.preferences import PreferencesEndpoint
from app.web.endpoints.preview import preview_routes
from app.web.endpoints.site import Answering, BrandLogo, Robots, SecurityTxt, Static
from app.web.endpoints.web_sdk import EventEndpoint, PageEndpoint, RecorderEndpoint
from app.web.endpoints.web_sdk_acts import LandingPage
from app.web.errors import problem, problem_of_status
from app.web.gate import Gate
from app.web.languages import Languages
from app.web.pages import Pages, Trouble
from app.web.pages.frame import Frame
from app.web.pages.preference_pages import PreferencePages
from app.web.throttle import Clients, Network, Throttle

BAD_TOKENS_PER_MINUTE = 600  # a token cannot be guessed; this only bounds what guessing costs us

Application = ASGIApp

_FORMS = frozenset((PREFERENCES_PATH, UNSUBSCRIBE_PATH))  # where browsers post to; elsewhere a POST comes from a machine
_PLAIN = {404: "Not found.", 405: "Method not allowed.", 408: "Too slow.", 500: "Something went wrong on our side."}


def public(  # noqa: PLR0913 - the composition root names each part
    *,
    one_click: OneClick,
    preferences: PreferenceParts,
    shipments: TakeShipment,
    brands: Brands,
    clock: Clock,
    security_contact: str,
    trusted_proxies: Iterable[Network] = (),
    bad_tokens_per_minute: int = BAD_TOKENS_PER_MINUTE,
) -> Application:
    """Return the application of the public listeners. `security_contact` is a mailto: or https: URL (RFC 9116 2.5.3); empty: no
    security.txt."""
    throttle = Throttle(limit=bad_tokens_per_minute, window_ms=60_000, clock=clock)
    gate = Gate(one_click=one_click, save=preferences.save, shipments=shipments, throttle=throttle, clients=Clients(trusted_proxies))
    frame = Frame(brands=brands, languages=Languages(), base=urlsplit(preferences.public_url).path)
    pages, choosing = Pages(frame), PreferencePages(frame)
    click = OneClickEndpoint(gate=gate, pages=pages)
    desk = Desk(gate=gate, parts=preferences, frame=frame, pages=pages, clock=clock)
    routes = [
        Route("/", Answering(), methods=["GET", "OPTIONS"]),
        Route("/u", click, methods=["GET", "POST"]),
        Route("/u/{token:path}", click, methods=["GET", "POST"]),
        Route("/v1/emailunsubscribe", CallbackEndpoint(gate=gate), methods=["GET", "POST"]),
        Route(PREFERENCES_PATH, PreferencesEndpoint(desk=desk, gate=gate, pages=choosing), methods=["GET", "POST"]),
        Route(UNSUBSCRIBE_PATH, GroupUnsubscribeEndpoint(desk=desk, gate=gate, pages=choosing), methods=["GET", "POST"]),
        Route("/e", PageEndpoint(gate=gate, page=LandingPage(gate=gate, parts=preferences, clock=clock), brands=brands)),
        Route("/a", EventEndpoint(clock=clock, new_id=preferences.new_id)),
        Route("/r", RecorderEndpoint()),
        Route("/brand/{brand}/logo", BrandLogo(brands), methods=["GET"]),
        Route("/robots.txt", Robots(), methods=["GET"]),
        *(
            [Route("/.well-known/security.txt", SecurityTxt(contact=security_contact, clock=clock), methods=["GET"])]
            if security_contact
            else []
        ),
        Route("/static/{name}", Static(), methods=["GET"]),
    ]
    return _Rim(routes, pages)


def _security_txt(contact: str, clock: Clock) -> list[Route]:
    return [Route("/.well-known/security.txt", SecurityTxt(contact=contact, clock=clock), methods=["GET"])] if contact else []


def admin(
    *,
    checks: Mapping[str, Check],
    metrics: Collector = REGISTRY,
    brands: Brands | None = None,
    api: Sequence[Route] = (),
    operator: Sequence[Route] = (),
) -> Application:
    """Return the application of the admin listener. `checks` are the places that can make a click durable, by name.

    `metrics` are those of this process, unless a supervisor tells those of its workers. With `brands` there is a preview of their pages.
    `api` are the routes of the admin API, where there is one (`app.web.admin`), `operator` those of the operator's page.
    """
    routes = [
        Route("/livez", Live(), methods=["GET"]),
        Route("/readyz", Ready(checks), methods=["GET"]),
        Route("/metrics", Metrics(metrics), methods=["GET"]),
        *(preview_routes(brands) if brands else ()),
        *api,
        *operator,
    ]
    return _Rim(routes, None)


class Replaceable:
    """An application in whose place another can be put while it serves; requests under way end with the one that they began with."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the application of this moment."""
        await self.app(scope, receive, send)


class _Rim:
    """The outermost part of an application: paths in one spelling, and an answer for whatever an endpoint lets through.

    In the place of Starlette's application object, whose three layers of middleware cost a one-click POST a tenth of its time.
    """

    def __init__(self, routes: Sequence[Route], pages: Pages | None) -> None:
        self._router = Router(routes, redirect_slashes=False)
        self._exact = {route.path: route for route in routes if not route.param_convertors}  # found without trying patterns in turn
        self._pages = pages
        self._log = logger("web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing here needs a lifespan, and the guard lets no WebSocket through
        path: str = scope["path"]
        if "//" in path or path[-1:] == "/" or path[:1] != "/":
            scope["path"] = _canonical(path)
        scope["app"] = self  # tells the router to raise what it does not find
        try:
            route = self._exact.get(scope["path"])
            await (route.handle if route else self._router)(scope, receive, send)
        except HTTPException as exc:
            await self._of_router(scope, exc)(scope, receive, send)
        except SignoffError as exc:
            await problem(exc)(scope, receive, send)
        except Exception as exc:  # a rim: the text is generic, the log complete
            self._log.error(LogEvent.UNEXPECTED_ERROR, exc_info=exc)
            await self._answer(scope, 500, Trouble.FAILED, {})(scope, receive, send)

    def _of_router(self, scope: Scope, exc: HTTPException) -> Answer:
        allow = (exc.headers or {}).get("Allow", "")
        fields = {"Allow": ", ".join(sorted(allow.split(", ")))} if allow else {}
        trouble = Trouble.MISSING if exc.status_code == HTTPStatus.NOT_FOUND else Trouble.FAILED
        return self._answer(scope, exc.status_code, trouble, fields)

    def _answer(self, scope: Scope, status: int, trouble: Trouble, fields: Mapping[str, str]) -> Answer:
        """Return a problem document for an API, a page for a browser, else one plain line."""
        if self._pages is None or scope["path"].startswith("/v1/"):
            return problem_of_status(status, **fields)
        for_browser = scope["method"] in {"GET", "HEAD"} or scope["path"] in _FORMS
        if for_browser and "text/html" in Headers(scope=scope).get("accept", ""):
            return self._pages.trouble(status, trouble, accept_language(scope), fields=fields)
        return text(status, _PLAIN.get(status, "This cannot be done."), **fields)


def _canonical(path: str) -> str:
    if path == "*":
        return "/"  # RFC 9112 3.2.4: OPTIONS of the server as a whole
    scheme, absolute, rest = path.partition("://")
    if absolute and scheme.lower() in {"http", "https"}:  # RFC 9112 3.2.2: a server must take the absolute form
        path = rest.partition("/")[2]
    return "/" + "/".join(part for part in path.split("/") if part)
