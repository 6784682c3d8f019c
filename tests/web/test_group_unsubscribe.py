"""The group unsubscribe page: looking changes nothing, its button leaves what it names, and who has
just left may come back.
"""

from app.core.page_token import LIFETIME_MS
from tests.web.choosing import Form, key, link, off, opened, pressed, with_groups
from tests.web.running import BRAND, Site

PATH = "/unsubscribe"


async def test_a_campaign_with_groups_names_them_and_leaves_only_them(site: Site) -> None:
    """As CleverTap's documents say. Catalogue E4, E17."""
    await with_groups(site, "News", "Offers", "Events")
    target = link(site, PATH, groups=("news", "offers"))

    page = await opened(site, target)
    before = await off(site)
    reply = await pressed(site, target, page.body())

    assert set() == before
    assert "News" in page.text
    assert "Offers" in page.text
    assert "Events" not in page.text
    assert "b•••@example.com" in page.text
    assert 1 == len(page.all("button"))
    assert 200 == reply.status
    assert "You are unsubscribed" in reply.text
    assert {key("news"), key("offers")} == await off(site)
    state = await site.state()
    assert {"group_page"} == {one.source.label for one in state.groups.values() if one.source}


async def test_no_number_of_looks_changes_anything(site: Site) -> None:
    """Catalogue E4."""
    await with_groups(site, "News")
    targets = [link(site, path, groups=("news",)) for path in (PATH, "/preferences")]

    for target in targets:
        for method in ("GET", "HEAD", "GET"):
            assert 200 == (await site.ask(method, target)).status
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            assert 405 == (await site.ask(method, target)).status

    assert 0 == (await site.state()).sequence


async def test_the_preference_link_is_there_while_there_is_something_to_choose(site: Site) -> None:
    """As CleverTap's documents say."""
    target = link(site, PATH)
    without = await opened(site, target)
    await with_groups(site, "News")

    with_link = await opened(site, target)

    assert [] == without.links
    (address,) = with_link.links
    assert 200 == (await site.ask("GET", address)).status
    assert address.startswith("/preferences?e=")


async def test_a_campaign_without_groups_leaves_all_mail(site: Site) -> None:
    """As CleverTap's documents say."""
    await with_groups(site, "News")
    target = link(site, PATH)
    page = await opened(site, target)

    reply = await pressed(site, target, page.body())

    assert "all promotional email" in page.text
    assert {"all"} == await off(site)
    assert 1 == len(Form(reply.text).links)


async def test_an_account_without_groups_offers_to_resubscribe_after_leaving(site: Site) -> None:
    """As CleverTap's documents say. Catalogue Q13."""
    target = link(site, PATH)
    page = await opened(site, target)
    left = Form((await pressed(site, target, page.body())).text)
    was_off = await off(site)

    reply = await pressed(site, target, left.body())

    assert "Resubscribe" in left.text
    assert {"all"} == was_off
    assert 200 == reply.status
    assert "You are subscribed again" in reply.text
    assert set() == await off(site)
    history = await site.store.history(
        BRAND.number, site.codec.digest("bob@example.com", brand=BRAND.number)
    )
    assert [(False, "group_page"), (True, "group_page")] == [
        (entry.statement.subscribed, entry.statement.source.label) for entry in history
    ]


async def test_taking_back_undoes_only_what_this_page_did(site: Site) -> None:
    """Catalogue Q6, Q13."""
    await with_groups(site, "News", "Offers")
    first = link(site, PATH, groups=("news",))
    await pressed(site, first, (await opened(site, first)).body())
    both = link(site, PATH, groups=("news", "offers"))
    left = Form((await pressed(site, both, (await opened(site, both)).body())).text)

    reply = await pressed(site, both, left.body())

    assert {key("news")} == await off(site)
    assert "Offers" in reply.text
    assert "News" not in Form(reply.text).text.replace("About News", "")


async def test_who_left_by_another_way_cannot_come_back_by_this_page(site: Site) -> None:
    """Catalogue Q6, T4."""
    await with_groups(site, "News")
    await site.click(f"/u?qmoe={site.token()}")

    everything = await opened(site, link(site, PATH))
    group = await opened(site, link(site, PATH, groups=("news",)))

    for page in (everything, group):
        assert "You have already unsubscribed" in page.text
        assert [] == page.all("form")
        assert 1 == len(page.links)


async def test_a_stale_resubscribe_is_refused_and_shows_how_things_stand(site: Site) -> None:
    """Catalogue Q6."""
    await with_groups(site, "News")
    target = link(site, PATH, groups=("news",))
    left = Form((await pressed(site, target, (await opened(site, target)).body())).text)
    await site.click(f"/u?qmoe={site.token()}")

    reply = await pressed(site, target, left.body())

    assert 409 == reply.status
    assert "changed since this page was opened" in reply.text
    assert {"all", key("news")} == await off(site)


async def test_pressing_twice_does_what_pressing_once_does(site: Site) -> None:
    target = link(site, PATH)
    page = await opened(site, target)

    replies = [await pressed(site, target, page.body()) for _ in range(2)]
    undo = [await pressed(site, target, Form(replies[0].text).body()) for _ in range(2)]

    assert [200, 200] == [reply.status for reply in replies]
    assert [200, 200] == [reply.status for reply in undo]
    assert set() == await off(site)
    assert 2 == (await site.state()).sequence


async def test_an_old_page_asks_again_and_changes_nothing(site: Site) -> None:
    target = link(site, PATH)
    page = await opened(site, target)
    site.now_ms += LIFETIME_MS

    late = await pressed(site, target, page.body())
    unchanged = await off(site)
    again = await pressed(site, target, Form(late.text).body())

    assert 409 == late.status
    assert "press the button again" in late.text
    assert set() == unchanged
    assert 200 == again.status
    assert {"all"} == await off(site)


async def test_a_resubscribe_a_day_later_is_not_taken(site: Site) -> None:
    """Catalogue Q13."""
    target = link(site, PATH)
    left = Form((await pressed(site, target, (await opened(site, target)).body())).text)
    site.now_ms += LIFETIME_MS

    late = await pressed(site, target, left.body())

    assert 409 == late.status
    assert {"all"} == await off(site)


async def test_a_test_link_shows_every_group_says_so_and_saves_nothing(site: Site) -> None:
    """As CleverTap's documents say. Catalogue H12."""
    await with_groups(site, "News", "Offers")
    target = link(site, PATH, groups=("news",), test=True)
    page = await opened(site, target)

    reply = await pressed(site, target, page.body())

    assert "News" in page.text
    assert "Offers" in page.text
    assert "nothing is saved" in page.text
    assert "nothing is saved" in reply.text
    assert [] == Form(reply.text).all("form")
    assert 0 == (await site.state()).sequence


async def test_groups_that_the_brand_never_created_can_be_left(site: Site) -> None:
    target = link(site, PATH, groups=("unheard-of",))

    page = await opened(site, target)
    reply = await pressed(site, target, page.body())

    assert "this kind of email" in page.text
    assert 200 == reply.status
    assert {key("unheard-of")} == await off(site)
