"""The preference pages in a real browser: with a script and without, in every language, by
keyboard, and judged by axe-core.

Pictures of every page are kept under var/screenshots for people to look at.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page

from app.core.model import Brand, Logo
from app.web.languages import LANGUAGES
from app.web.pages import Trouble
from tests.interop.browser import DESKTOP, PHONE, SMALLEST, Tab, chromium, tab, violations
from tests.web.choosing import key, link, off, with_groups
from tests.web.running import BRAND, Site, running

pytestmark = pytest.mark.interop

PAGES = (
    "preferences",
    "saved",
    "unsubscribe",
    "unsubscribed",
    "resubscribed",
    "already",
    "confirm",
    "done",
    *Trouble,
)
SAVED = {
    "en": "Your preferences are saved",
    "fr": "Vos préférences sont enregistrées",
    "es": "Sus preferencias se han guardado",
    "hi": "आपकी प्राथमिकताएँ सहेज ली गईं",
}
LEFT = {
    "en": "You are unsubscribed",
    "fr": "Vous êtes désabonné(e)",
    "es": "Se ha dado de baja",
    "hi": "आपकी सदस्यता समाप्त हो गई है",
}
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><rect width="120" height="40"'
    b' rx="8" fill="#0a7f5a"/></svg>'
)
COLOURED = replace(BRAND, colour="#ffcc00", logo=Logo(media_type="image/svg+xml", content=SVG))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


async def at(opened: Tab, site: Site, target: str) -> Page:
    await opened.page.goto(f"http://{site.addresses['public']}{target}")
    return opened.page


async def press(site: Site, page: Page, selector: str = "main button") -> None:
    """Press a button a second later, and wait for the page that follows."""
    site.now_ms += 1000
    async with page.expect_navigation():
        await page.click(selector)


async def toggles(page: Page) -> list[bool]:
    return [await toggle.is_checked() for toggle in await page.locator("input[role=switch]").all()]


def foreign(opened: Tab, site: Site) -> Sequence[str]:
    return [
        url for url in opened.requests if not url.startswith(f"http://{site.addresses['public']}/")
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_a_reader_chooses_leaves_and_comes_back(
    browser: Browser, language: str, script: bool
) -> None:
    """As CleverTap's documents say. Catalogue E17, E24, Q13."""
    async with running() as site, tab(browser, language=language, script=script) as opened:
        await with_groups(site, "News", "Offers", "Events")
        page = await at(opened, site, link(site, "/preferences", groups=("news", "offers")))
        await page.click("#g2")
        await press(site, page)
        heading = await page.locator("h1").inner_text()
        saved = await off(site)
        await page.click("main a")
        shown = await toggles(page)

        await at(opened, site, link(site, "/unsubscribe", groups=("news", "offers")))
        await press(site, page)
        left_heading = await page.locator("h1").inner_text()
        left = await off(site)
        await press(site, page)
        back = await off(site)

        assert language == await page.locator("html").get_attribute("lang")
        assert (SAVED[language], LEFT[language]) == (heading, left_heading)
        assert [True, True, False, True] == shown
        assert {key("offers")} == saved == back
        assert {key("news"), key("offers")} == left
        assert [] == foreign(opened, site)
        assert [] == opened.complaints


async def test_no_script_of_ours_and_no_time_makes_the_change(browser: Browser) -> None:
    """Catalogue E4: a link scanner that runs scripts and waits changes nothing."""
    async with running() as site, tab(browser) as opened:
        await with_groups(site, "News")
        for path in ("/preferences", "/unsubscribe"):
            await opened.page.clock.install()
            page = await at(opened, site, link(site, path, groups=("news",)))
            await page.clock.run_for(24 * 60 * 60 * 1000)
            await page.mouse.move(200, 400)
            await page.evaluate(
                "window.dispatchEvent(new Event('blur')); document.dispatchEvent(new"
                " Event('visibilitychange'))"
            )
            await page.reload()

        assert 0 == (await site.state()).sequence
        assert all("POST" not in line for line in opened.requests)


async def test_all_communication_moves_the_others_along(browser: Browser) -> None:
    """As CleverTap's documents say."""
    async with running() as site, tab(browser) as opened:
        await with_groups(site, "News", "Offers")
        await site.click(f"/u?qmoe={site.token(groups=('offers',))}")
        page = await at(opened, site, link(site, "/preferences"))
        note = page.locator(".all-off")

        steps = [(await toggles(page), await note.is_visible())]
        for pressed in ("#all", "#all", "#all", "#g2"):
            await page.click(pressed)
            steps.append((await toggles(page), await note.is_visible()))
        await press(site, page)

        assert [
            ([True, True, False], False),
            ([False, False, False], True),
            ([True, True, False], False),  # a slip is undone: the choices from before
            ([False, False, False], True),
            ([True, False, True], False),  # a group brings all communication back with it
        ] == steps
        assert {key("news")} == await off(site)


async def test_without_a_script_the_server_switches_all_off_and_says_so(browser: Browser) -> None:
    """As CleverTap's documents say."""
    async with running() as site, tab(browser, script=False) as opened:
        await with_groups(site, "News", "Offers")
        page = await at(opened, site, link(site, "/preferences"))
        await page.click("#all")
        told = await page.locator(".all-off").is_visible()
        await press(site, page)

        assert told
        assert "will send no more promotional email" in await page.locator("main").inner_text()
        assert {"all", key("news"), key("offers")} == await off(site)


async def test_everything_can_be_done_with_the_keyboard_alone_and_the_focus_is_seen(
    browser: Browser,
) -> None:
    """WCAG 2.2 2.1.1, 2.4.3, 2.4.7, 2.4.11."""
    async with running() as site, tab(browser) as opened:
        await with_groups(site, "News")
        page = await at(opened, site, link(site, "/preferences"))
        order = []
        for _ in range(3):
            await page.keyboard.press("Tab")
            order.append(
                await page.evaluate("document.activeElement.id || document.activeElement.type")
            )
            assert await page.evaluate(
                "parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2"
            )
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Space")
        site.now_ms += 1000
        async with page.expect_navigation():
            await page.keyboard.press("Enter")

        assert ["all", "g1", "submit"] == order
        assert {key("news")} == await off(site)


async def test_a_tap_anywhere_on_a_row_moves_its_toggle(browser: Browser) -> None:
    """WCAG 2.2 2.5.8."""
    async with running() as site, tab(browser) as opened:
        await with_groups(site, "News")
        page = await at(opened, site, link(site, "/preferences"))

        await page.locator(".row", has_text="About News").click(position={"x": 5, "y": 5})

        assert [True, False] == await toggles(page)


@pytest.mark.parametrize(
    ("language", "brand", "dark"),
    [
        *((language, BRAND, False) for language in LANGUAGES),
        ("en", BRAND, True),
        ("en", COLOURED, False),
        ("en", COLOURED, True),
    ],
    ids=[*LANGUAGES, "dark", "coloured", "coloured-dark"],
)
async def test_every_page_is_accessible_and_fits_a_small_screen(
    browser: Browser, language: str, brand: Brand, dark: bool
) -> None:
    """WCAG 2.2 AA by axe-core; 1.4.10: no scrolling sideways at 320 pixels, which is 400 % of
    1280.
    """
    async with (
        running(brand=brand) as site,
        tab(browser, language=language, viewport=SMALLEST, dark=dark) as opened,
    ):
        for name in PAGES:
            await opened.page.goto(f"http://{site.addresses['admin']}/preview/{name}?groups=3")
            wide = await opened.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            found = await violations(opened.page)

            assert [] == found, name
            assert wide <= 0, name
        assert [] == opened.complaints


async def test_the_judge_finds_what_is_wrong(browser: Browser) -> None:
    async with tab(browser) as opened:
        await opened.page.set_content(
            '<img src="x"><p style="color: #aaa; background: #fff">hard to read</p>'
        )

        found = " ".join(await violations(opened.page))

    assert "image-alt" in found
    assert "color-contrast" in found


@pytest.mark.parametrize(
    ("language", "size", "scheme"),
    [
        *((language, size, "light") for language in LANGUAGES for size in ("390", "1280")),
        ("en", "390", "dark"),
        ("en", "1280", "dark"),
    ],
)
async def test_every_page_has_its_picture_taken(
    browser: Browser, language: str, size: str, scheme: str
) -> None:
    """The pictures are for people; what can fail here is that a page loads something from
    elsewhere, or complains.
    """
    viewport = PHONE if size == "390" else DESKTOP
    async with (
        running() as site,
        tab(browser, language=language, viewport=viewport, dark=scheme == "dark") as opened,
    ):
        for name in PAGES:
            await opened.page.goto(f"http://{site.addresses['admin']}/preview/{name}?groups=3")
            await opened.shot(f"{name}-{language}-{size}-{scheme}")

        assert all(
            url.startswith(f"http://{site.addresses['admin']}/preview/") for url in opened.requests
        )
        assert [] == opened.complaints
