"""The fields that a mail of a brand would carry, and the pages behind them."""

import re
from dataclasses import replace
from html import unescape

from app.core.brands import Brands
from app.core.model import Brand, BrandId, Management, Purpose
from tests.admin.api.running import BRANDS
from tests.admin.operator.running import ACME_PAGE, Page, Site, running

ACME = BRANDS.by_id(BrandId("acme"))
FIELDS = f"{ACME_PAGE}/fields"


def fields_of(page: Page) -> str:
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page.html, re.S)
    assert found
    return unescape(found[1])


async def shown(brand: Brand) -> Page:
    async with running(brands=Brands([brand])) as site:
        await site.sign_in()
        return await site.get(FIELDS)


async def test_the_pair_of_fields_is_shown_with_a_link_that_saves_nothing(site: Site) -> None:
    """Catalogue H1, H2."""
    await site.sign_in()

    fields = fields_of(await site.get(FIELDS))

    found = re.fullmatch(
        r"List-Unsubscribe: <https://unsubscribe\.example\.com/u\?qmoe=([\w-]+)>,\n"
        r" <mailto:u-[^>]+>\n"
        r"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        fields,
    )
    assert found, fields
    assert site.api.codec.open(found[1], purpose=Purpose.ONE_CLICK).test


async def test_the_fields_of_a_list_are_shown_where_the_brand_has_them() -> None:
    """Catalogue H14, H17."""
    fields = fields_of(await shown(replace(ACME, list_id="news.acme.example", feedback_id="acme1")))

    assert "List-Id: <news.acme.example>" in fields
    assert "Feedback-ID: sample:acme:promotional:acme1" in fields


async def test_a_self_managed_brand_shows_its_own_addresses() -> None:
    brand = replace(
        ACME,
        management=Management.SELF_MANAGED,
        one_click_url=(
            "https://www.acme.example/unsubscribe?user={{UserAttribute['ID']|default('nobody')}}"
        ),
        one_click_email="leave@acme.example",
    )

    page = await shown(brand)

    assert "<https://www.acme.example/unsubscribe?user=nobody&qmoe=" in fields_of(page)
    assert "<mailto:leave@acme.example?subject=" in fields_of(page)
    assert "Self-managed" in page.text


async def test_a_brand_without_links_says_so() -> None:
    page = await shown(replace(ACME, management=Management.NONE))

    assert "carries no link of ours" in page.text and "<pre" not in page.html


async def test_a_brand_whose_mail_could_not_be_stamped_says_why() -> None:
    long = "x" * 300

    page = await shown(
        replace(
            ACME,
            management=Management.SELF_MANAGED,
            one_click_url=f"https://www.acme.example/{long}",
        )
    )

    assert "No mail of this brand could be stamped: too long" in page.text


async def test_every_page_can_be_looked_at_in_every_language(site: Site) -> None:
    """As CleverTap's documents say. Catalogue E24."""
    await site.sign_in()

    page = await site.get(f"{ACME_PAGE}/pages")

    links = [unescape(link) for link in re.findall(r'href="(/preview/[^"]+lang[^"]+)"', page.html)]
    assert len(links) == 40
    for link in links:
        assert 200 == (await site.get(link)).status, link
