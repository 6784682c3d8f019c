"""Pages that were written for CleverTap's Web SDK, with the SDK from npm, in a real browser: the
account line alone is ours.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from playwright.async_api import Browser, Page

from app.core.model import Purpose
from tests.interop.browser import DESKTOP, SMALLEST, Tab, chromium, violations
from tests.interop.npm import NpmPackage
from tests.interop.web_sdk_pages import (
    account_line,
    groups_page,
    hosted,
    plain_page,
    said,
    serve_sdk,
)
from tests.web.choosing import key, off, with_groups
from tests.web.running import WITH_OWN_PAGE, Site, running

pytestmark = pytest.mark.interop

NEWEST = NpmPackage(
    name="clevertap-web-sdk",
    version="2.5.2",
    sha256="1a40b3e9d58c78754ac0edc2a607fb7513b85fe1858f18383f9407e0fd206c75",
)
OLD = NpmPackage(
    name="clevertap-web-sdk",
    version="1.6.8",
    sha256="d0b7774223ea57c2f8bfb3494d4186f1e13e5004dc032c3b6d1bf6c00605f429",
)
TEMPLATE = Path(__file__).resolve().parents[2] / "docs/custom-page/preferences.html"


@dataclass
class Brand:
    """A brand's web server, a browser tab, and the site behind the SDK's host."""

    site: Site
    folder: Path
    address: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.site.addresses["public_tls"]

    def mail_link(
        self, *, groups: tuple[str, ...] = (), test: bool = False, rest: str = "&wzrk_ex=0"
    ) -> str:
        """Return the address of the page as it stands in a mail."""
        token = self.site.token(purpose=Purpose.PREFERENCES, groups=groups, test=test)
        return f"{self.address}/preferences.html?e={token}{rest}"

    async def opened(self, html: str, link: str = "") -> Page:
        """Put a page on the brand's server and open it."""
        (self.folder / "preferences.html").write_text(html)
        await self.page.goto(link or self.mail_link())
        return self.page

    async def press(self, selector: str) -> None:
        self.site.now_ms += 1000
        await self.page.click(selector)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with (
        trustme.CA()
        .issue_cert("127.0.0.1")
        .private_key_and_cert_chain_pem.tempfile(str(tmp_path_factory.mktemp("tls"))) as path
    ):
        yield Path(path)


@pytest.fixture(params=[NEWEST, OLD], ids=lambda package: package.version)
async def brand(
    request: pytest.FixtureRequest, browser: Browser, certificate: Path, tmp_path: Path
) -> AsyncIterator[Brand]:
    async with visited(browser, certificate, tmp_path, request.param) as opened:
        yield opened
        assert [] == opened.complaints


@asynccontextmanager
async def visited(
    browser: Browser, certificate: Path, folder: Path, sdk: NpmPackage
) -> AsyncIterator[Brand]:
    script = sdk.file("clevertap.min.js")
    (folder / "clevertap.min.js").write_text(script)
    async with running(certificate_file=certificate, brand=WITH_OWN_PAGE) as site:
        await with_groups(site, "News", "Offers", "Events")
        context = await browser.new_context(ignore_https_errors=True, viewport=SMALLEST)
        await serve_sdk(context, script)
        with hosted(folder) as address:
            opened = Brand(site, folder, address, await context.new_page())
            opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            try:
                yield opened
            finally:
                await context.close()


async def test_the_plain_page_shows_its_reader_unsubscribes_and_resubscribes(brand: Brand) -> None:
    """As CleverTap's documents say. Catalogue E20."""
    page = await brand.opened(plain_page(account_line(brand.host)))
    await page.wait_for_function("document.getElementById('email').value")
    looked = (await brand.site.state()).sequence
    await brand.press("#off")
    await said(page, "[off]")
    left = await off(brand.site)
    await brand.press("#on")
    await said(page, "[off][on]")

    assert "bob@example.com" == await page.input_value("#email")
    assert 0 == looked
    assert {"all"} == left
    assert set() == await off(brand.site)


async def test_the_plain_page_opened_anew_does_not_resubscribe(brand: Brand) -> None:
    """As CleverTap's documents say. Catalogue T4."""
    page = await brand.opened(plain_page(account_line(brand.host)))
    await brand.press("#off")
    await said(page, "[off]")
    await page.reload()
    await page.wait_for_function("document.getElementById('email').value")
    await brand.press("#on")
    await said(page, "[failed]")

    assert {"all"} == await off(brand.site)


async def test_the_page_with_groups_shows_and_saves_them(brand: Brand) -> None:
    """As CleverTap's documents say. Catalogue E20."""
    await brand.site.click(f"/u?qmoe={brand.site.token(groups=('offers',))}")
    page = await brand.opened(groups_page(account_line(brand.host)))
    await page.wait_for_selector("#Offers")
    shown = [await page.is_checked(f"#{name}") for name in ("News", "Offers", "Events")]
    await page.check("#News")
    await brand.press("#save")
    await said(page, "[off]")
    first = await off(brand.site)
    await page.uncheck("#Offers")
    await brand.press("#save")
    await said(page, "[off][on]")

    assert [False, True, False] == shown
    assert {key("news"), key("offers")} == first
    assert {key("news")} == await off(brand.site)


async def test_the_page_of_a_group_link_shows_the_campaigns_groups(brand: Brand) -> None:
    """As CleverTap's documents say."""
    link = brand.mail_link(groups=("news", "events"), rest="&wzrk_ex=0&page_type=group")
    page = await brand.opened(groups_page(account_line(brand.host)), link)
    await page.wait_for_selector("#Events")

    assert "NewsEvents" == await page.inner_text("#groups")


async def test_a_page_without_wzrk_ex_is_given_a_device_first_and_works_then(brand: Brand) -> None:
    """CleverTap's documents: the SDK calls `/a`, and asks for the reader once that is answered."""
    page = await brand.opened(plain_page(account_line(brand.host)), brand.mail_link(rest=""))
    await page.wait_for_function("document.getElementById('email').value")
    await brand.press("#off")
    await said(page, "[off]")

    assert {"all"} == await off(brand.site)
    assert 32 == len(
        await page.evaluate("JSON.parse(decodeURIComponent(localStorage.getItem('WZRK_G')))")
    )


async def test_a_page_whose_server_encodes_its_address_once_more_works(brand: Brand) -> None:
    """CleverTap's documents: `isReEncode`."""
    token = "".join(f"%25{ord(char):02X}" for char in brand.site.token(purpose=Purpose.PREFERENCES))
    page = await brand.opened(
        plain_page(account_line(brand.host), encoded=True),
        f"{brand.address}/preferences.html?e={token}&wzrk_ex=0",
    )
    await brand.press("#off")
    await said(page, "[off]")

    assert {"all"} == await off(brand.site)


async def test_a_page_of_another_account_and_a_one_click_token_save_nothing(brand: Brand) -> None:
    """Catalogue T4."""
    page = await brand.opened(plain_page(account_line(brand.host).replace("acme", "other")))
    await brand.press("#off")
    await said(page, "[failed]")
    token = brand.site.token(purpose=Purpose.ONE_CLICK)
    await brand.opened(
        plain_page(account_line(brand.host)),
        f"{brand.address}/preferences.html?e={token}&wzrk_ex=0",
    )
    await brand.press("#off")
    await said(page, "[failed]")

    assert 0 == (await brand.site.state()).sequence


async def test_a_test_link_works_and_saves_nothing(brand: Brand) -> None:
    """As CleverTap's documents say. Catalogue H12."""
    page = await brand.opened(plain_page(account_line(brand.host)), brand.mail_link(test=True))
    await brand.press("#off")
    await said(page, "[off]")

    assert 0 == (await brand.site.state()).sequence


async def test_the_encrypted_form_falls_back_to_the_script_tag(
    browser: Browser, certificate: Path, tmp_path: Path
) -> None:
    """The newest SDK alone has it."""
    async with visited(browser, certificate, tmp_path, NEWEST) as brand:
        settings = "clevertap.enableEncryptionInTransit = true;"
        page = await brand.opened(plain_page(account_line(brand.host), settings=settings))
        await page.wait_for_function("document.getElementById('email').value")
        await brand.press("#off")
        await said(page, "[off]")

        assert {"all"} == await off(brand.site)


def template(host: str) -> str:
    """Return our template with the lines that are the brand's."""
    html = TEMPLATE.read_text()
    assert "unsubscribe.example.com" in html
    return html.replace('HOST = "unsubscribe.example.com"', f'HOST = "{host}"')


async def news(page: Page, words: str) -> None:
    await page.wait_for_function(
        "words => document.getElementById('news').textContent === words", arg=words
    )


async def test_our_template_chooses_leaves_and_comes_back(brand: Brand) -> None:
    page = await brand.opened(template(brand.host))
    await page.uncheck("input[name=Offers]")
    await brand.press("#groups button")
    await news(page, "Your preferences are saved.")
    saved = await off(brand.site)
    await page.wait_for_selector("#leave:enabled")
    await brand.press("#leave")
    await news(page, "You are unsubscribed.")
    left = await off(brand.site)
    await page.wait_for_selector("#back:enabled")
    await brand.press("#back")
    await news(page, "You are subscribed again.")
    await page.wait_for_selector("#leave:enabled")

    assert {key("offers")} == saved
    assert {"all", key("offers")} == left
    assert {key("offers")} == await off(brand.site)
    assert [True, False, True] == [
        await box.is_checked() for box in await page.locator("#list input").all()
    ]


async def test_our_template_for_a_group_link_leaves_the_campaigns_groups(brand: Brand) -> None:
    page = await brand.opened(
        template(brand.host), brand.mail_link(groups=("news",), rest="&wzrk_ex=0&page_type=group")
    )
    await page.wait_for_selector("#leave:enabled")
    scope = await page.inner_text("#scope")
    await brand.press("#leave")
    await news(page, "You are unsubscribed.")
    left = await off(brand.site)
    await page.wait_for_selector("#back:enabled")
    await page.click("#all")
    await page.wait_for_selector("input[name=News]")

    assert "These emails of Acme: News" == scope
    assert {key("news")} == left
    assert not await page.is_checked("input[name=News]")


async def test_our_template_says_so_when_something_goes_wrong(brand: Brand) -> None:
    page = await brand.opened(template("127.0.0.1:1"))
    await news(
        page,
        "We could not be reached. Please check your internet connection, switch off ad blockers,"
        " and try again.",
    )
    await brand.opened(template(brand.host), f"{brand.address}/preferences.html?e=bad&wzrk_ex=0")
    await news(
        page, "We could not retrieve your email address. Please open the link in your mail again."
    )
    await page.goto(f"{brand.address}/preferences.html")
    await news(page, "This page is opened by the link in a mail.")


async def test_our_template_is_accessible_and_fits_a_small_screen(
    browser: Browser, certificate: Path, tmp_path: Path
) -> None:
    """WCAG 2.2 AA by axe-core; 1.4.10: no scrolling sideways at 320 pixels."""
    async with visited(browser, certificate, tmp_path, NEWEST) as brand:
        for scheme in ("light", "dark"):
            await brand.page.emulate_media(color_scheme=scheme)
            page = await brand.opened(template(brand.host), brand.mail_link())
            await page.wait_for_selector("#leave:enabled")
            found = await violations(page)
            wide = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )

            assert [] == found
            assert wide <= 0
            await Tab(page).shot(f"custom-page-{scheme}")
        await page.set_viewport_size(DESKTOP)
        assert [] == await violations(page)
