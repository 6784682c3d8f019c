"""A brand's colour and logo on our pages: readable whatever the colour, and only a picture whatever
the file.
"""

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.model import Logo
from app.web.colours import READABLE, accents, contrast
from tests.web.choosing import link
from tests.web.running import BRAND, Site, running

LIGHT, DARK = ("#ffffff", "#f3f4f7"), ("#1b1e27", "#12141a")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def test_the_grounds_are_those_of_the_style(site: Site) -> None:
    from importlib import resources

    style = resources.files("app.web.static").joinpath("page.css").read_text()

    grounds = re.findall(r"--(?:card|ground): (#\w+);", style)
    assert {*LIGHT, *DARK} == set(grounds)


@given(st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}"))
def test_every_colour_becomes_readable_on_both_schemes(colour: str) -> None:
    """WCAG 2.2 1.4.3."""
    for accent, grounds in zip(accents(colour), (LIGHT, DARK), strict=True):
        assert all(contrast(accent.act, ground) >= READABLE for ground in (*grounds, accent.badge))
        assert contrast(accent.act, accent.on_act) >= READABLE
        assert contrast(accent.hover, accent.on_act) >= READABLE


def test_a_colour_that_is_readable_stays_as_it_is() -> None:
    light, _ = accents("#1f4fd1")

    assert "#1f4fd1" == light.act


def test_the_contrast_of_black_and_white_is_that_of_the_standard() -> None:
    assert 21 == round(contrast("#000000", "#ffffff"), 5)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


async def test_the_policy_names_the_brands_own_style() -> None:
    """Catalogue E16."""
    async with running(brand=replace(BRAND, colour="#00aa55")) as site:
        reply = await site.ask("GET", link(site, "/unsubscribe"))

    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert accents("#00aa55")[0].act in style
    assert f"style-src 'sha256-{digest}'" in reply["content-security-policy"]


@pytest.mark.parametrize("media_type", ["image/png", "image/svg+xml", "image/webp"])
async def test_a_logo_is_served_from_our_own_address_as_nothing_but_a_picture(
    media_type: str,
) -> None:
    async with running(brand=replace(BRAND, logo=Logo(media_type=media_type, content=SVG))) as site:
        page = await site.ask("GET", link(site, "/unsubscribe"))
        logo = await site.ask("GET", "/brand/acme/logo")
        missing = await site.ask("GET", "/brand/other/logo")

    assert '<img src="/brand/acme/logo" alt="Acme &amp; Söhne">' in page.text
    assert "img-src 'self'" in page["content-security-policy"]
    assert (200, media_type, SVG) == (logo.status, logo["content-type"], logo.body)
    assert "default-src 'none'" in logo["content-security-policy"]
    assert "sandbox" in logo["content-security-policy"]
    assert "nosniff" == logo["x-content-type-options"]
    assert 404 == missing.status
