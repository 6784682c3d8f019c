"""The group unsubscribe page when things are not as usual: outages, brands that have left, forms of
other pages, what is logged.
"""

import json
from dataclasses import replace

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, PreferenceCentre, Purpose
from tests.web.choosing import Form, key, link, off, opened, pressed, with_groups
from tests.web.running import BRAND, Site, running

PATH = "/unsubscribe"


async def test_leaving_works_while_states_and_names_cannot_be_read(site: Site) -> None:
    """Catalogue E8."""
    await with_groups(site, "News")
    target = link(site, PATH, groups=("news",))

    async def unread(*_: object) -> None:
        raise StoreUnavailable("unplugged")

    site.store.preferences = site.book.groups = unread  # type: ignore[method-assign, assignment]  # the plug
    page = await opened(site, target)
    reply = await pressed(site, target, page.body())
    del site.store.preferences, site.book.groups

    assert 200 == reply.status
    assert {key("news")} == await off(site)


async def test_a_leave_that_nobody_could_keep_says_so_and_offers_another_try(site: Site) -> None:
    """Catalogue E8, E17."""
    target = link(site, PATH)
    page = await opened(site, target)
    site.store.down = True
    failed = await pressed(site, target, page.body())
    site.store.down = False

    again = await pressed(site, target, Form(failed.text).body())

    assert 503 == failed.status
    assert failed["retry-after"].isdigit()
    assert "You are not unsubscribed yet" in failed.text
    assert 200 == again.status
    assert {"all"} == await off(site)


async def test_the_page_works_for_a_brand_that_has_left(site: Site) -> None:
    """Catalogue E9."""
    token = site.token(purpose=Purpose.PREFERENCES, brand=BrandNumber(999))
    target = f"{PATH}?e={token}"

    page = await opened(site, target)
    reply = await pressed(site, target, page.body())

    assert 200 == reply.status
    assert "this sender" in page.text


@pytest.mark.parametrize("mode", PreferenceCentre)
async def test_leaving_works_whatever_the_brands_preference_centre_is(
    mode: PreferenceCentre,
) -> None:
    """As CleverTap's documents say."""
    brand = replace(
        BRAND, preference_centre=mode, custom_page_url="https://www.acme.example/p.html"
    )
    async with running(brand=brand) as site:
        await with_groups(site, "News")
        target = link(site, PATH)
        page = await opened(site, target)
        reply = await pressed(site, target, page.body())

        assert 200 == reply.status
        assert {"all"} == await off(site)
        assert (0 if mode is PreferenceCentre.NONE else 1) == len(page.links)


async def test_the_metric_counts_what_was_left_by_the_page(site: Site) -> None:
    target = link(site, PATH)
    await pressed(site, target, (await opened(site, target)).body())

    metrics = await site.ask("GET", "/metrics", listener="admin")

    assert 'signoff_unsubscribes_total{result="saved",source="group_page"}' in metrics.text


async def test_no_page_sets_a_cookie_or_redirects(site: Site) -> None:
    """Catalogue L3, E6, E18."""
    target = link(site, PATH) + "&next=//evil.example&return_to=https://evil.example"
    page = await site.ask("GET", target, fields={"Host": "evil.example"})
    reply = await pressed(site, target, Form(page.text).body())

    for answer in (page, reply):
        assert 200 == answer.status
        assert "evil.example" not in answer.text
        assert [] == answer.all("location") + answer.all("set-cookie")


async def test_a_wrong_form_of_a_genuine_page_is_refused(site: Site) -> None:
    await with_groups(site, "News")
    centre = await opened(site, link(site, "/preferences"))
    leave = await opened(site, link(site, PATH))

    wrong = [
        await pressed(site, link(site, PATH), centre.body()),
        await pressed(site, link(site, "/preferences"), leave.body()),
        await pressed(site, link(site, PATH, "eve@example.com"), leave.body()),
    ]

    assert [400, 400, 403] == [reply.status for reply in wrong]
    assert 0 == (await site.state()).sequence
    assert set() == await off(site, "eve@example.com")


async def test_no_log_line_of_a_page_holds_a_token_or_an_address(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue E16, L9."""
    target = link(site, PATH)
    page = await opened(site, target)
    await pressed(site, target, page.body())
    await site.ask("GET", f"{PATH}?e={target[-40:]}%0d%0a%1b[31m")

    captured = "".join(capfd.readouterr())
    assert target.partition("e=")[2] not in captured
    assert target[-40:] not in captured
    assert dict(page.fields)["page"] not in captured
    assert "bob@example.com" not in captured
    assert "\x1b" not in captured
    assert json.dumps("token_refused").strip('"') in captured
