"""The application of the public listeners: one table of routes, and what a browser, a machine and
an API see when none fits.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Scope

from app.core.brands import Brands
from app.core.networks import Network
from app.core.page_links import PREFERENCES_PATH, UNSUBSCRIBE_PATH
from app.http.answers import Answer, text
from app.http.errors import problem_of_status
from app.http.requests import accept_language
from app.http.rim import Application, Rim
from app.http.routes import Routes
from app.http.throttle import Clients, Throttle
from app.usecases.ports import Clock
from app.usecases.shipping import TakeShipment
from app.usecases.token_links import TokenLinks
from app.web.endpoints.callback import CallbackEndpoint
from app.web.endpoints.group_unsubscribe import GroupUnsubscribeEndpoint
from app.web.endpoints.one_click import OneClickEndpoint
from app.web.endpoints.preferences import PreferencesEndpoint
from app.web.endpoints.site import Answering, BrandLogo, Robots, SecurityTxt, Static
from app.web.endpoints.web_sdk import EventEndpoint, PageEndpoint, RecorderEndpoint
from app.web.endpoints.web_sdk_acts import LandingPage
from app.web.languages import Languages
from app.web.pages import Pages, Trouble
from app.web.pages.preference_pages import PreferencePages
from app.web.pages.render import PageRenderer
from app.web.preference_request import PreferenceParts, PreferenceRequests
from app.web.token_requests import TokenRequests

BAD_TOKENS_PER_MINUTE = 600  # a token cannot be guessed; this only bounds what guessing costs us

# where browsers post to; elsewhere a POST comes from a machine
_FORMS = frozenset((PREFERENCES_PATH, UNSUBSCRIBE_PATH))
_PLAIN = {
    404: "Not found.",
    405: "Method not allowed.",
    408: "Too slow.",
    500: "Something went wrong on our side.",
}


def public(  # noqa: PLR0913 - the composition root names each part
    *,
    one_click: TokenLinks,
    preferences: PreferenceParts,
    shipments: TakeShipment,
    brands: Brands,
    clock: Clock,
    security_contact: str,
    trusted_proxies: Iterable[Network] = (),
    bad_tokens_per_minute: int = BAD_TOKENS_PER_MINUTE,
) -> Application:
    """Return the application of the public listeners. `security_contact` is a mailto: or https: URL
    (RFC 9116 2.5.3); empty: no security.txt."""
    throttle = Throttle(limit=bad_tokens_per_minute, window_ms=60_000, clock=clock)
    tokens = TokenRequests(
        one_click=one_click,
        shipments=shipments,
        throttle=throttle,
        clients=Clients(trusted_proxies),
    )
    renderer = PageRenderer(
        brands=brands, languages=Languages(), base=urlsplit(preferences.public_url).path
    )
    pages, choosing = Pages(renderer), PreferencePages(renderer)
    click = OneClickEndpoint(tokens=tokens, links=one_click, pages=pages)
    requests = PreferenceRequests(
        tokens=tokens, parts=preferences, renderer=renderer, pages=pages, clock=clock
    )
    routes = [
        Route("/", Answering(), methods=["GET", "OPTIONS"]),
        Route("/u", click, methods=["GET", "POST"]),
        Route("/u/{token:path}", click, methods=["GET", "POST"]),
        Route(
            "/v1/emailunsubscribe",
            CallbackEndpoint(tokens=tokens, links=one_click, shipments=shipments),
            methods=["GET", "POST"],
        ),
        Route(
            PREFERENCES_PATH,
            PreferencesEndpoint(requests=requests, save=preferences.save, pages=choosing),
            methods=["GET", "POST"],
        ),
        Route(
            UNSUBSCRIBE_PATH,
            GroupUnsubscribeEndpoint(requests=requests, save=preferences.save, pages=choosing),
            methods=["GET", "POST"],
        ),
        Route(
            "/e",
            PageEndpoint(
                tokens=tokens,
                page=LandingPage(parts=preferences, clock=clock),
                brands=brands,
            ),
        ),
        Route("/a", EventEndpoint(clock=clock, new_id=preferences.new_id)),
        Route("/r", RecorderEndpoint()),
        Route("/brand/{brand}/logo", BrandLogo(brands), methods=["GET"]),
        Route("/robots.txt", Robots(), methods=["GET"]),
        *_security_txt(security_contact, clock),
        Route("/static/{name}", Static(), methods=["GET"]),
    ]

    def answer(scope: Scope, status: int, fields: Mapping[str, str]) -> Answer:
        """Return a problem document for an API, a page for a browser, else one plain line."""
        if scope["path"].startswith("/v1/"):
            return problem_of_status(status, **fields)
        for_browser = scope["method"] in {"GET", "HEAD"} or scope["path"] in _FORMS
        if for_browser and "text/html" in Headers(scope=scope).get("accept", ""):
            trouble = Trouble.MISSING if status == HTTPStatus.NOT_FOUND else Trouble.FAILED
            return pages.trouble(status, trouble, accept_language(scope), fields=fields)
        return text(status, _PLAIN.get(status, "This cannot be done."), **fields)

    return Rim(Routes(routes), answer=answer)


def _security_txt(contact: str, clock: Clock) -> list[Route]:
    return (
        [
            Route(
                "/.well-known/security.txt",
                SecurityTxt(contact=contact, clock=clock),
                methods=["GET"],
            )
        ]
        if contact
        else []
    )
