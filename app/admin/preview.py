"""The operator's preview of every page, in every language and for every brand, with sample groups.
It needs no link and saves nothing.

`/preview/PAGE?lang=fr&groups=3&brand=acme` on the admin listener. Its forms lead to the page that
would follow. What the pages load comes from `/preview/static` and `/preview/brand`, since the admin
listener serves nothing of the public one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from app.core.brands import Brands
from app.core.errors import NotFound
from app.core.groups import MOST_ACTIVE
from app.core.model import (
    DIGEST_BYTES,
    Brand,
    BrandId,
    BrandNumber,
    CampaignId,
    Claims,
    Purpose,
    RecipientDigest,
)
from app.http.answers import Answer, document
from app.http.requests import accept_language, read_body
from app.web.endpoints.site import BrandLogo, Static
from app.web.languages import LANGUAGES, Languages
from app.web.pages import Pages, Trouble
from app.web.pages.preference_pages import Centre, GroupLine, PreferencePages, Scope, Visit
from app.web.pages.render import PageRenderer

BASE = "/preview"

_SAMPLES = (
    ("Product news", "What is new, about once a month"),
    ("Offers", "Discounts and sales"),
    ("Events", ""),
)
_NEXT: Mapping[str, str] = MappingProxyType(
    {"unsubscribe": "unsubscribed", "unsubscribed": "resubscribed", "preferences": "saved"}
)
_Render = Callable[[Visit, int], Answer]


def preview_routes(brands: Brands) -> list[Route]:
    """Return the routes of the preview, for the admin listener."""
    preview = Preview(brands)
    return [
        Route(BASE, PreviewIndex(preview), methods=["GET"]),
        Route(f"{BASE}/static/{{name}}", Static(), methods=["GET"]),
        Route(f"{BASE}/brand/{{brand}}/logo", BrandLogo(brands), methods=["GET"]),
        Route(f"{BASE}/{{page}}", preview, methods=["GET", "POST"]),
    ]


class PreviewIndex:
    """Answers `/preview` with the names of the pages and languages."""

    def __init__(self, preview: "Preview") -> None:
        self._pages = preview.pages

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer with the list."""
        content = {
            "pages": [f"{BASE}/{page}" for page in self._pages],
            "lang": list(LANGUAGES),
            "groups": f"0..{MOST_ACTIVE}",
        }
        await document(200, content)(scope, receive, send)


class Preview:
    """Answers `/preview/PAGE`."""

    def __init__(self, brands: Brands) -> None:
        renderer = PageRenderer(brands=brands, languages=Languages(), base=BASE)
        self._brands = brands
        self._plain = Pages(renderer)
        self._choosing = PreferencePages(renderer)
        self._renderers: Mapping[str, _Render] = {
            "preferences": self._preferences,
            "saved": self._saved,
            "unsubscribe": self._unsubscribe,
            "unsubscribed": self._unsubscribed,
            "resubscribed": self._resubscribed,
            "already": self._already,
            "confirm": self._confirm,
            "done": self._done,
        }
        self.pages = (*self._renderers, *(trouble.value for trouble in Trouble))

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer with the page, or after its form with the next one. Raises HTTPException 404 for a
        page or brand that is not there.
        """
        page = scope["path_params"]["page"]
        if scope["method"] == "POST":
            await read_body(receive)
            page = _NEXT.get(page, page)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        languages = (query.get("lang") or [accept_language(scope)])[0]
        brand = self._brand((query.get("brand") or [""])[0])
        claims = _CLAIMS._replace(brand=brand.number) if brand else _CLAIMS
        visit = Visit(claims=claims, brand=brand, accept_language=languages, preview=True)
        await self._render(page, visit, _count((query.get("groups") or ["3"])[0]))(
            scope, receive, send
        )

    def _render(self, page: str, visit: Visit, count: int) -> Answer:
        if page in self._renderers:
            return self._renderers[page](visit, count)
        if page in set(Trouble):
            return self._trouble(Trouble(page), visit)
        raise HTTPException(404)

    def _trouble(self, trouble: Trouble, visit: Visit) -> Answer:
        again = (("page", ""),) if trouble in {Trouble.UNAVAILABLE, Trouble.UNSAVED} else ()
        link = f"{BASE}/preferences" if trouble in {Trouble.UNREAD, Trouble.PARTLY} else ""
        return self._plain.trouble(200, trouble, visit.accept_language, again=again, link=link)

    def _brand(self, named: str) -> Brand | None:
        try:
            return self._brands.by_id(BrandId(named)) if named else next(iter(self._brands), None)
        except NotFound as exc:
            raise HTTPException(404) from exc

    def _preferences(self, visit: Visit, count: int) -> Answer:
        return self._choosing.centre(visit, _centre(count), page_token="")

    def _saved(self, visit: Visit, count: int) -> Answer:
        return self._choosing.saved(visit, _centre(count), link=f"{BASE}/preferences")

    def _unsubscribe(self, visit: Visit, count: int) -> Answer:
        return self._choosing.leave(
            visit, _scope(count), page_token="", manage=f"{BASE}/preferences"
        )

    def _unsubscribed(self, visit: Visit, count: int) -> Answer:
        return self._choosing.left(
            visit,
            _scope(count),
            page_token="none",  # noqa: S106 - nothing secret: a preview saves nothing
            manage=f"{BASE}/preferences",
        )

    def _resubscribed(self, visit: Visit, count: int) -> Answer:
        return self._choosing.back(
            visit, _scope(count), leave=f"{BASE}/unsubscribe", manage=f"{BASE}/preferences"
        )

    def _already(self, visit: Visit, count: int) -> Answer:
        return self._choosing.already(visit, _scope(count), manage=f"{BASE}/preferences")

    def _confirm(self, visit: Visit, _: int) -> Answer:
        return self._plain.confirm(visit.claims, visit.accept_language)

    def _done(self, visit: Visit, _: int) -> Answer:
        return self._plain.done(visit.claims, visit.accept_language)


_CLAIMS = Claims(
    brand=BrandNumber(0),  # of no brand
    key_id=0,
    data_centre=0,
    purpose=Purpose.PREFERENCES,
    campaign=CampaignId("preview"),
    groups=(),
    issued_day=0,
    test=False,
    address="robin@example.com",
    digest=RecipientDigest(bytes(DIGEST_BYTES)),
)


def _count(text: str) -> int:
    return min(int(text), MOST_ACTIVE) if text.isascii() and text.isdecimal() else len(_SAMPLES)


def _lines(count: int) -> list[GroupLine]:
    named = [
        *_SAMPLES[:count],
        *((f"Group {number}", "") for number in range(len(_SAMPLES) + 1, count + 1)),
    ]
    return [
        GroupLine(name=name, description=description, value=f"{at:08x}", on=at != 1)
        for at, (name, description) in enumerate(named)
    ]


def _centre(count: int) -> Centre:
    return Centre(everything=True, groups=_lines(count))


def _scope(count: int) -> Scope:
    return Scope(everything=not count, groups=_lines(count))
