"""What all pages have in common: templates, the style with the brand's colours, and the policy that
lets nothing else in.

The style is inlined and named in the Content-Security-Policy by its hash, so a page is complete in
one answer; only the preference centre loads a script, our own file. No brand brings markup: a name
is text, a colour is checked, a logo is a picture from our own address.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.core.address import masked
from app.core.brands import Brands
from app.core.errors import NotFound
from app.core.model import Brand, BrandNumber, Claims
from app.http.answers import Answer, answer
from app.web.colours import Accent, accents
from app.web.languages import Language, Languages

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How the pages of one brand look: its style and the hash by which the policy knows it."""

    style: Markup
    digest: str


class PageRenderer:
    """Renders one template in one language for one brand. `base` stands before every address of
    ours that a page names.
    """

    def __init__(self, *, brands: Brands, languages: Languages, base: str = "") -> None:
        self.languages = languages
        self._brands = brands
        self._templates = Environment(
            loader=PackageLoader("app.web", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["base"] = base
        style = resources.files("app.web.static").joinpath("page.css").read_text(encoding="utf-8")
        self._plain = _look(style)
        self._looks = {
            brand.number: _look(style + _accented(brand.colour)) for brand in brands if brand.colour
        }

    def brand(self, number: BrandNumber) -> Brand | None:
        """Return the brand of a link; None for one that has left: its recipients may leave all the
        same (catalogue E9).
        """
        try:
            return self._brands.by_number(number)
        except NotFound:
            return None

    def page(  # noqa: PLR0913 - what an answer consists of
        self,
        template: str,
        language: Language,
        values: Mapping[str, object],
        *,
        brand: Brand | None = None,
        status: int = 200,
        fields: Mapping[str, str] = _NO_FIELDS,
        script: bool = False,
    ) -> Answer:
        """Return the page that these values make of the template. With `script` it may load
        ours.
        """
        look = self._looks.get(brand.number, self._plain) if brand else self._plain
        html = self._templates.get_template(f"{template}.html").render(
            language=language,
            text=language.text,
            counted=language.counted,
            style=look.style,
            brand=brand,
            **values,
        )
        about = {"Content_Language": language.tag, "Vary": "Accept-Language", **fields}
        return answer(
            status,
            "text/html; charset=utf-8",
            html.encode(),
            csp=_policy(look.digest, script=script),
            **about,
        )

    def names(self, claims: Claims, brand: Brand | None, language: Language) -> dict[str, str]:
        """Return what sentences say of the sender and the recipient; the address masked, since a
        link may be passed on (H19).
        """
        name = brand.name if brand else ""
        return {
            "plain_sender": name or language.text("sender.unknown"),
            "sender": isolated(name) if name else language.text("sender.unknown"),
            "address": (
                isolated(masked(claims.address))
                if claims.address
                else language.text("address.unknown")
            ),
        }


def isolated(text: str) -> Markup:
    """Return the text as HTML that keeps its own direction, whatever the sentence around it has."""
    return Markup("<strong><bdi>{}</bdi></strong>").format(text)


def _look(style: str) -> _Look:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return _Look(style=Markup(style), digest=digest)  # noqa: S704 - our own file, and colours made by ourselves


def _policy(style_digest: str, *, script: bool) -> str:
    scripts = " script-src 'self';" if script else ""
    return (
        f"default-src 'none'; style-src 'sha256-{style_digest}';{scripts} img-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _accented(colour: str) -> str:
    light, dark = accents(colour)
    return (
        f":root{{{_properties(light)}}}@media"
        f" (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}"
    )


def _properties(accent: Accent) -> str:
    return f"--act:{accent.act};--act-hover:{accent.hover};--on-act:{accent.on_act};--badge:{accent.badge}"
