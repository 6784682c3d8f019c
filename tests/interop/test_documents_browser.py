"""The page of the admin API in a real browser: nothing scrolls sideways, and axe-core finds
nothing, at every size and in both schemes.
"""

import pytest
from playwright.async_api import ViewportSize

from tests.admin.api.running import running
from tests.interop.browser import DESKTOP, PHONE, SMALLEST, chromium, tab, violations

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [SMALLEST, PHONE, DESKTOP], ids=["320", "390", "1280"])
async def test_the_page_fits_and_is_open_to_everybody(viewport: ViewportSize, dark: bool) -> None:
    async with (
        running() as api,
        chromium() as browser,
        tab(browser, viewport=viewport, dark=dark) as opened,
    ):
        page = opened.page
        await page.goto(f"{api.base}/docs")

        assert viewport["width"] == await page.evaluate("document.documentElement.scrollWidth")
        assert [] == await violations(page)
