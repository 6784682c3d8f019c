"""What the preference centre is made of: small, accessible, with no script but ours."""

import pytest

from app.core.groups import MOST_ACTIVE
from app.web.languages import LANGUAGES
from tests.web.choosing import Form, key, link, off, opened, pressed, with_groups
from tests.web.running import Site

PATH = "/preferences"


async def test_fifty_groups_fit_into_a_form(site: Site) -> None:
    """CleverTap's documents: 50 active groups. Catalogue L10."""
    await with_groups(site, *(f"Group {number}" for number in range(50)))
    target = link(site, PATH)
    page = await opened(site, target)

    reply = await pressed(site, target, page.body(off=["group-7"]))

    assert 51 == len(page.toggles)
    assert 200 == reply.status
    assert {key("group-7")} == await off(site)


@pytest.mark.parametrize("tag", LANGUAGES)
async def test_a_page_with_as_many_groups_as_there_may_be_is_small_with_all_that_it_loads(
    site: Site, tag: str
) -> None:
    """Catalogue E17: a reader on a phone with a bad line gets the page."""
    await with_groups(site, *(f"Group number {number}" for number in range(MOST_ACTIVE)))
    reply = await site.ask("GET", link(site, PATH), fields={"Accept-Language": tag})
    page = Form(reply.text)
    loaded = [given[name] for _, given in page.tags for name in ("src",) if name in given] + [
        "/static/icon.svg"
    ]

    size = len(reply.body) + sum([len((await site.ask("GET", address)).body) for address in loaded])

    assert ["/static/page.js", "/static/icon.svg"] == loaded
    assert size < 30_000


async def test_only_our_own_script_may_run(site: Site) -> None:
    """Catalogue E16."""
    await with_groups(site, "News")
    reply = await site.ask("GET", link(site, PATH))
    other = await site.ask("GET", link(site, "/unsubscribe"))

    assert "script-src 'self';" in reply["content-security-policy"]
    assert "unsafe" not in reply["content-security-policy"]
    assert "script-src" not in other["content-security-policy"]
    assert [{"src": "/static/page.js", "defer": ""}] == Form(reply.text).all("script")
    assert [] == [
        name for _, given in Form(reply.text).tags for name in given if name.startswith("on")
    ]


async def test_every_toggle_has_a_name_and_a_description(site: Site) -> None:
    """WCAG 2.2 4.1.2, 1.3.1."""
    await with_groups(site, "News")
    page = await opened(site, link(site, PATH))
    ids = {given["id"] for _, given in page.tags if "id" in given}

    for toggle in page.all("input"):
        if toggle["type"] == "checkbox":
            assert toggle["id"] in {given["for"] for given in page.all("label")}
            assert toggle["aria-describedby"] in ids
            assert "switch" == toggle["role"]
