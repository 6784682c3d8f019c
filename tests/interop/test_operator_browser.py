"""The operator's page in a real browser without scripts: signing in, looking, acting; judged by
axe-core at every size and in both schemes.

Pictures of every page are kept under var/screenshots for people to look at.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, ViewportSize

from app.core.api_key import KeyScope
from app.core.model import BrandId, BrandNumber, CampaignId, Source
from app.core.tally import DAY_MS, TallyKind, Tick, copy_tick, day_of
from app.core.webhook import Delivery, WebhookFormat, endpoint_key
from app.usecases.backlog import Measure
from tests.admin.api.running import ACME, BRANDS, FILE_KEY, HOOK
from tests.admin.operator.running import ACME_PAGE, HOME, Site, running
from tests.interop.browser import DESKTOP, PHONE, SMALLEST, Tab, chromium, tab, violations

pytestmark = pytest.mark.interop

RECIPIENT = f"{ACME_PAGE}/recipient"
ROOMS = (
    HOME,
    ACME_PAGE,
    f"{ACME_PAGE}/deliveries",
    RECIPIENT,
    f"{ACME_PAGE}/fields",
    f"{ACME_PAGE}/pages",
    f"{HOME}/brands/nowhere",
)
ANN = "ann@example.com"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running() as started:
        await busy(started)
        yield started


async def busy(site: Site) -> None:
    """Fill the page as a month of mail does."""
    today = day_of(site.api.now_ms)
    for number in range(30):
        scale = 3 + (number * 7) % 11
        counts = {
            Source.LIST_UNSUBSCRIBE: 20 * scale,
            Source.MAILTO: 3 * scale,
            Source.GROUP_PAGE: 5 + scale,
            Source.COMPLAINT: 2,
        }
        day = today - number
        await site.tallies.add(
            {
                Tick(ACME, day, TallyKind.LEFT, source.label): count
                for source, count in counts.items()
            }
        )
    await site.tallies.add(
        {
            Tick(ACME, today, TallyKind.LEFT, "import"): 12_000,
            Tick(ACME, today, TallyKind.BACK, "api"): 14,
        }
    )
    await site.tallies.add({Tick(ACME, today - 40, TallyKind.LEFT, "mailto"): 5_811})
    for name, left, copies in (
        ("spring-24", 412, 98_000),
        ("a-campaign-with-a-rather-long-name-2026-09-autumn-sale-newcomers", 77, 41_300),
    ):
        await site.tallies.add({Tick(ACME, today, TallyKind.CAMPAIGN, name): left})
        await site.tallies.add({copy_tick(ACME, CampaignId(name), now_ms=site.api.now_ms): copies})
    await site.tallies.add({Tick(BrandNumber(2), today, TallyKind.LEFT, "mailto"): 3})
    site.measure = Measure(
        pending_ms=5_100_000,
        undelivered_ms=0,
        by_brand={"acme": 5_100_000, "other": 0},
        lag=0,
        dead=2,
        unknown=0,
        unreturned_ms={"acme": 9 * DAY_MS},
    )
    await site.api.services.groups.create(ACME, name="Product news")
    for address in ("bob@example.com", "cid@example.com"):
        statement, _ = await site.api.services.recipients.unsubscribe(
            BRANDS.by_id(BrandId("acme")), address, actor="test"
        )
        key = endpoint_key(ACME, HOOK, WebhookFormat.STANDARD)
        letter = Delivery(
            endpoint=key,
            statement=statement,
            changed=(),
            sequence=1,
            queued_ms=1,
            attempts=10,
            reason="answered 503",
        )
        site.api.deliveries.add(letter, due_ms=0)
        await site.api.deliveries.bury([letter], at_ms=site.api.now_ms)
        waiting = replace(
            letter, statement=statement._replace(id=bytes(reversed(statement.id))), attempts=2
        )
        site.api.deliveries.add(waiting, due_ms=site.api.now_ms + 300_000)


async def enter(opened: Tab, site: Site, key: str = FILE_KEY) -> Page:
    page = opened.page
    await page.goto(site.base + "/")
    await page.fill("#key", key)
    await press(page, "Sign in")
    return page


async def press(page: Page, name: str) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button", name=name, exact=True).first.click()


async def look_up(page: Page, site: Site, address: str = ANN) -> None:
    await page.goto(site.base + RECIPIENT)
    await page.fill("#address", address)
    await press(page, "Look up")


async def text(page: Page) -> str:
    return " ".join((await page.locator("main").inner_text()).split())


async def test_an_operator_signs_in_looks_acts_and_signs_out_without_a_script(
    browser: Browser, site: Site
) -> None:
    """Catalogue L7, L8, L9."""
    async with tab(browser, script=False, viewport=DESKTOP) as opened:
        page = await enter(opened, site)
        await page.click("text=Acme")
        overview = await text(page)
        await page.click("text=Deliveries")
        await press(page, "Send all again")
        resent = await text(page)
        await look_up(page, site)
        before = await text(page)
        await page.select_option("#scope", "product-news")
        await press(page, "Unsubscribe")
        left = await text(page)
        await page.click("summary")
        await page.check("input[name=sure]")
        await press(page, "Erase")
        erased = await text(page)
        await press(page, "Sign out")
        await page.goto(site.base + ACME_PAGE)

        assert "1 h 25 min" in overview and "spring-24 412 98,000 0.42 %" in overview
        assert "2 will be delivered again." in resent and "Nothing was given up." in resent
        assert "after 0 changes" in before
        assert "product-news unsubscribed API" in left
        assert "Erased." in erased
        assert page.url.endswith("/operator/sign-in")
        assert [] == [url for url in opened.requests if not url.startswith(site.base)]
        assert not [url for url in opened.requests if "ann" in url]
        assert [] == opened.complaints


async def test_a_wrong_key_is_told_beside_the_form(browser: Browser, site: Site) -> None:
    async with tab(browser, script=False) as opened:
        page = await enter(opened, site, "wrong")

        assert "This is no valid API key." in await text(page)
        assert await page.locator("#key").is_visible()


async def test_the_browser_keeps_the_cookie_from_scripts(browser: Browser, site: Site) -> None:
    """Catalogue L8."""
    async with tab(browser) as opened:
        page = await enter(opened, site)

        (cookie,) = await page.context.cookies(site.base + HOME)
        assert "" == await page.evaluate("document.cookie")
        assert (True, "Strict", HOME) == (cookie["httpOnly"], cookie["sameSite"], cookie["path"])


async def test_another_sites_form_reaches_nothing(browser: Browser, site: Site) -> None:
    """Catalogue L7: the cookie does not even travel."""
    async with tab(browser) as opened:
        page = await enter(opened, site)
        await look_up(page, site)
        token = await page.locator("input[name=form]").first.get_attribute("value")
        await page.goto("data:text/html,<title>another site</title>")
        fields = {"form": token, "address": ANN, "do": "unsubscribe", "scope": "all"}
        inputs = "".join(f"<input name='{name}' value='{value}'>" for name, value in fields.items())
        await page.set_content(
            "<form method='post'"
            f" action='{site.base}{RECIPIENT}'>{inputs}<button>Win</button></form>"
        )
        await press(page, "Win")

        assert (await site.api.state(ANN)).sequence == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_small_screen(
    browser: Browser, site: Site, dark: bool
) -> None:
    """WCAG 2.2 AA by axe-core; 1.4.10: no scrolling sideways at 320 pixels."""
    async with tab(browser, viewport=SMALLEST, dark=dark) as opened:
        await opened.page.goto(f"{site.base}{HOME}/sign-in")
        found = {"sign-in": await violations(opened.page)}
        page = await enter(opened, site)
        wide = {}
        for path in (*ROOMS, "found"):
            if path == "found":
                await look_up(page, site, "bob@example.com")
                await page.click("summary")
            else:
                await page.goto(site.base + path)
            wide[path] = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            found[path] = await violations(page)

        assert {} == {path: one for path, one in found.items() if one}
        assert {} == {path: pixels for path, pixels in wide.items() if pixels > 0}


async def test_everything_can_be_reached_with_the_keyboard_and_the_focus_is_seen(
    browser: Browser, site: Site
) -> None:
    """WCAG 2.2 2.1.1, 2.4.1, 2.4.7."""
    async with tab(browser) as opened:
        page = await enter(opened, site, await site.api.new_key(KeyScope.READ))
        seen = []
        for _ in range(12):
            await page.keyboard.press("Tab")
            seen.append(
                await page.evaluate(
                    "document.activeElement.innerText || document.activeElement.tagName"
                )
            )
            assert await page.evaluate(
                "parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2"
            )

        assert "Skip to the content" == seen[0]
        assert {"Overview", "Deliveries", "Recipient", "Fields", "Pages"} <= set(seen)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["390", "1280"])
async def test_every_page_has_its_picture_taken(
    browser: Browser, site: Site, viewport: ViewportSize, dark: bool
) -> None:
    """The pictures are for people; what can fail here is that a page loads something from
    elsewhere, or complains.
    """
    suffix = f"{viewport['width']}-{'dark' if dark else 'light'}"
    async with tab(browser, viewport=viewport, dark=dark) as opened:
        await opened.page.goto(f"{site.base}{HOME}/sign-in")
        await opened.shot(f"operator-sign-in-{suffix}")
        page = await enter(opened, site)
        for name, path in zip(
            ("brands", "overview", "deliveries", "recipient", "fields", "pages", "trouble"),
            ROOMS,
            strict=True,
        ):
            await page.goto(site.base + path)
            await opened.shot(f"operator-{name}-{suffix}")
        await look_up(page, site, "bob@example.com")
        await page.click("summary")
        await opened.shot(f"operator-found-{suffix}")

        assert [] == [url for url in opened.requests if not url.startswith(site.base)]
        assert [] == [said for said in opened.complaints if "404" not in said]
