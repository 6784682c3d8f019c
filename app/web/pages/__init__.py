"""The pages a reader sees: finished HTML in the reader's language, without a script, without a request to anywhere else.

Texts come only from `locales`, the style is inlined and named in the Content-Security-Policy by its hash, so a page is complete in one
answer. A page shows the brand and a masked address: whoever holds the link may not learn the address from it (catalogue H19).
"""

import base64
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.core.address import masked
from app.core.brands import Brands
from app.core.errors import NotFound
from app.core.model import Claims
from app.web.answers import Answer, answer
from app.web.languages import Language, Languages

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class Trouble(StrEnum):
    """Why a reader cannot have the page; the value is the stem of its messages."""

    NOT_FOUND = "not_found"  # a link that does not open
    MISSING = "missing"  # an address where nothing is
    UNAVAILABLE = "unavailable"
    TOO_MANY = "too_many"
    FAILED = "failed"


class Pages:
    """Renders every page in every language."""

    def __init__(self, *, brands: Brands, languages: Languages) -> None:
        self._brands = brands
        self._languages = languages
        style = resources.files("app.web.static").joinpath("page.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
        self._csp = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        self._templates = Environment(
            loader=PackageLoader("app.web", "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals["style"] = Markup(style)  # noqa: S704 - our own file

    def confirm(self, claims: Claims, accept_language: str) -> Answer:
        """Return the page with the one button."""
        return self._of_claims("confirm", claims, accept_language)

    def done(self, claims: Claims, accept_language: str) -> Answer:
        """Return what a reader sees after the button, once the statement is durable."""
        return self._of_claims("done", claims, accept_language)

    def trouble(
        self, status: int, trouble: Trouble, accept_language: str, *, retry: bool = False, fields: Mapping[str, str] = _NO_FIELDS
    ) -> Answer:
        """Return the page that says why not; with `retry`, a button that sends the form to the same URL again."""
        language = self._languages.for_reader(accept_language)
        return self._page("trouble", language, status=status, fields=fields, trouble=trouble.value, retry=retry)

    def _of_claims(self, name: str, claims: Claims, accept_language: str) -> Answer:
        language = self._languages.for_reader(accept_language)
        brand = self._brand_name(claims)
        return self._page(
            name,
            language,
            brand=brand,
            plain_sender=brand or language.text("sender.unknown"),
            sender=_isolated(brand) if brand else language.text("sender.unknown"),
            address=_isolated(masked(claims.address)) if claims.address else language.text("address.unknown"),
            scope_key=f"{name}.groups" if claims.groups else f"{name}.all",
            test=claims.test,
        )

    def _page(
        self, name: str, language: Language, *, status: int = 200, fields: Mapping[str, str] = _NO_FIELDS, **values: object
    ) -> Answer:
        html = self._templates.get_template(f"{name}.html").render(language=language, text=language.text, **values)
        about = {"Content_Language": language.tag, "Vary": "Accept-Language", **fields}
        return answer(status, "text/html; charset=utf-8", html.encode(), csp=self._csp, **about)

    def _brand_name(self, claims: Claims) -> str:
        try:
            return self._brands.by_number(claims.brand).name
        except NotFound:  # a brand that has left; its recipients may leave all the same (catalogue E9)
            return ""


def _isolated(text: str) -> Markup:
    """Return the text as HTML that keeps its own direction, whatever the sentence around it has."""
    return Markup("<strong><bdi>{}</bdi></strong>").format(text)
