"""The preference centre: a toggle for each group and one for all mail; what is saved is what the
form said.
"""

from dataclasses import replace

import pytest

from app.core.model import GroupId, PreferenceCentre
from app.core.page_token import LIFETIME_MS
from app.usecases.groups import Groups
from tests.web.choosing import Form, key, link, off, opened, pressed, with_groups
from tests.web.running import ACME, BRAND, Site, running

PATH = "/preferences"


async def test_every_active_group_has_a_toggle_in_the_order_of_creation(site: Site) -> None:
    """As CleverTap's documents say."""
    await with_groups(site, "Zebra", "Apple", "Gone")
    await Groups(site.book, lambda: 1).archive(ACME, GroupId("gone"))

    page = await opened(site, link(site, PATH))

    assert {"on": True, key("zebra"): True, key("apple"): True} == page.toggles
    assert ["on", key("zebra"), key("apple")] == list(page.toggles)
    assert "About Apple" in page.text
    assert "Gone" not in page.text


async def test_saving_switches_off_what_was_unticked_and_shows_the_state_read_anew(
    site: Site,
) -> None:
    """As CleverTap's documents say. Catalogue E17."""
    await with_groups(site, "News", "Offers")
    target = link(site, PATH)

    reply = await pressed(site, target, (await opened(site, target)).body(off=["offers"]))
    again = await opened(site, target)

    assert 200 == reply.status
    assert "Your preferences are saved" in reply.text
    assert "All communication Yes News Yes Offers No" in Form(reply.text).text
    (back,) = Form(reply.text).links
    assert 200 == (await site.ask("GET", back)).status
    assert {key("offers")} == await off(site)
    assert {"on": True, key("news"): True, key("offers"): False} == again.toggles
    state = await site.state()
    assert ["preference_centre"] == [
        one.source.label for one in state.groups.values() if one.source
    ]


async def test_a_group_can_be_switched_on_again_whoever_switched_it_off(site: Site) -> None:
    await with_groups(site, "News")
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")
    target = link(site, PATH)

    reply = await pressed(site, target, (await opened(site, target)).body(on=["news"]))

    assert 200 == reply.status
    assert set() == await off(site)


@pytest.mark.parametrize("script", [True, False])
async def test_all_communication_off_switches_every_group_off_with_and_without_a_script(
    site: Site, script: bool
) -> None:
    """CleverTap's documents: the server draws the conclusion that the script would have drawn."""
    await with_groups(site, "News", "Offers")
    target = link(site, PATH)
    page = await opened(site, target)

    reply = await pressed(
        site, target, page.body(all_mail=False, off=["news", "offers"] if script else [])
    )
    again = await opened(site, target)

    assert "will send no more promotional email" in reply.text
    assert "All communication No News No Offers No" in Form(reply.text).text
    assert {"all", key("news"), key("offers")} == await off(site)
    assert [False, False, False] == list(again.toggles.values())


async def test_a_group_switched_on_while_all_is_off_switches_all_on_and_says_so(site: Site) -> None:
    await with_groups(site, "News", "Offers")
    await site.click(f"/u?qmoe={site.token()}")
    target = link(site, PATH)
    page = await opened(site, target)

    reply = await pressed(site, target, page.body(on=["news"]))

    assert [False, False, False] == list(page.toggles.values())
    assert "all communication is switched on again" in reply.text
    assert "All communication Yes News Yes Offers No" in Form(reply.text).text
    assert {key("offers")} == await off(site)


async def test_an_account_without_groups_has_the_one_toggle(site: Site) -> None:
    """As CleverTap's documents say."""
    target = link(site, PATH)
    page = await opened(site, target)

    await pressed(site, target, page.body(all_mail=False))
    was_off = await off(site)
    await pressed(site, target, (await opened(site, target)).body(all_mail=True))

    assert {"on": True} == page.toggles
    assert [] == page.all("script")
    assert {"all"} == was_off
    assert set() == await off(site)


async def test_two_tabs_that_save_against_each_other_lose_nothing(site: Site) -> None:
    """Catalogue Q6."""
    await with_groups(site, "News", "Offers", "Events")
    await site.click(f"/u?qmoe={site.token(groups=('events',))}")
    target = link(site, PATH)
    one, other = await opened(site, target), await opened(site, target)

    first = await pressed(site, target, one.body(off=["news"]))
    second = await pressed(site, target, other.body(off=["offers"], on=["events"]))
    third = await pressed(site, target, Form(second.text).body(on=["events"]))

    assert (200, 409, 200) == (first.status, second.status, third.status)
    assert "changed since this page was opened" in second.text
    assert {"on": True, key("news"): False, key("offers"): False, key("events"): False} == Form(
        second.text
    ).toggles
    assert {key("news"), key("offers")} == await off(site)


async def test_a_toggle_that_was_not_touched_overrules_no_other_page(site: Site) -> None:
    await with_groups(site, "News", "Offers")
    target = link(site, PATH)
    early = await opened(site, target)
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")

    reply = await pressed(site, target, early.body(off=["offers"]))

    assert 200 == reply.status
    assert "News No Offers No" in Form(reply.text).text
    assert {key("news"), key("offers")} == await off(site)


async def test_a_group_that_the_page_did_not_show_stays_as_it_is(site: Site) -> None:
    await with_groups(site, "News", "Old")
    await site.click(f"/u?qmoe={site.token(groups=('old',))}")
    await Groups(site.book, lambda: 1).archive(ACME, GroupId("old"))
    target = link(site, PATH)
    early = await opened(site, target)
    await with_groups(site, "Later")

    await pressed(site, target, early.body(off=["news"]))

    assert {key("news"), key("old")} == await off(site)


@pytest.mark.parametrize(
    "extra", [b"&group=00000009", b"&group=", b"&group=news", b"&group=0000000A%00", b"&all=maybe"]
)
async def test_a_form_with_what_the_page_did_not_offer_is_refused_whole(
    site: Site, extra: bytes
) -> None:
    """Catalogue L10."""
    await with_groups(site, "News")
    target = link(site, PATH)
    page = await opened(site, target)
    body = (
        page.body(off=["news"])
        if extra.startswith(b"&group")
        else page.body(all_mail=False, off=["news"])
    )

    reply = await pressed(site, target, body + extra)

    assert 400 == reply.status
    assert "Nothing has been changed" in reply.text
    assert 0 == (await site.state()).sequence


async def test_an_old_page_asks_again_with_every_choice_still_made(site: Site) -> None:
    await with_groups(site, "News", "Offers")
    target = link(site, PATH)
    page = await opened(site, target)
    site.now_ms += LIFETIME_MS

    late = await pressed(site, target, page.body(off=["offers"]))
    shown = Form(late.text)
    unchanged = await off(site)
    saved = await pressed(site, target, shown.body())

    assert 409 == late.status
    assert {"on": True, key("news"): True, key("offers"): False} == shown.toggles
    assert set() == unchanged
    assert 200 == saved.status


async def test_what_an_old_page_still_asks_for_is_saved_when_it_is_confirmed(site: Site) -> None:
    await with_groups(site, "News", "Offers")
    target = link(site, PATH)
    page = await opened(site, target)
    site.now_ms += LIFETIME_MS

    late = await pressed(site, target, page.body(off=["offers"]))
    await pressed(site, target, Form(late.text).body())

    assert {key("offers")} == await off(site)


async def test_a_test_link_shows_what_would_be_saved_and_saves_nothing(site: Site) -> None:
    """As CleverTap's documents say. Catalogue H12."""
    await with_groups(site, "News", "Offers")
    target = link(site, PATH, test=True)
    page = await opened(site, target)

    reply = await pressed(site, target, page.body(off=["news"]))

    assert "nothing is saved" in page.text
    assert "nothing is saved" in reply.text
    assert "News No Offers Yes" in Form(reply.text).text
    assert 0 == (await site.state()).sequence


async def test_a_brand_without_a_preference_centre_has_no_such_page() -> None:
    """As CleverTap's documents say."""
    async with running(brand=replace(BRAND, preference_centre=PreferenceCentre.NONE)) as site:
        await with_groups(site, "News")
        shown = await site.ask("GET", link(site, PATH))

        assert 404 == shown.status
        assert "use the unsubscribe link" in shown.text


async def test_our_page_works_for_old_links_of_a_brand_that_has_its_own() -> None:
    """As CleverTap's documents say."""
    async with running(
        brand=replace(
            BRAND,
            preference_centre=PreferenceCentre.CUSTOM,
            custom_page_url="https://acme.example/p",
        )
    ) as site:
        await with_groups(site, "News")
        target = link(site, PATH)
        reply = await pressed(site, target, (await opened(site, target)).body(off=["news"]))

        assert 200 == reply.status
        assert {key("news")} == await off(site)
