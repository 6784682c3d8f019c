"""What a brand's own page does through CleverTap's Web SDK: it looks, leaves, comes back and
chooses groups.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.groups import EVERYTHING, group_key
from app.core.model import GroupId, Purpose, Source
from app.core.page_token import LIFETIME_MS
from app.store.spool import SqliteSpool
from app.usecases.groups import Groups
from tests.web.choosing import key, off, with_groups
from tests.web.running import ACME, WITH_OWN_PAGE, Site, running
from tests.web.sdk_page import SdkPage


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Return the web process of a brand with a page of its own."""
    async with running(brand=WITH_OWN_PAGE) as started:
        yield started


def page(
    site: Site, *, groups: tuple[str, ...] = (), page_type: str = "", test: bool = False
) -> SdkPage:
    return SdkPage(
        site, site.token(purpose=Purpose.PREFERENCES, groups=groups, test=test), page_type
    )


async def test_a_page_is_told_its_reader_and_every_active_group(site: Site) -> None:
    """As CleverTap's documents say. Catalogue E20."""
    await with_groups(site, "News", "Offers", "Gone")
    await Groups(site.book, lambda: 1).archive(ACME, GroupId("gone"))
    await site.click(f"/u?qmoe={site.token(groups=('offers',))}")

    address, profile = await page(site).look(with_groups=True)
    bare_address, bare = await page(site).look()

    assert "bob@example.com" == address == bare_address
    assert [
        {"name": "News", "description": "About News", "isUnsubscribed": False},
        {"name": "Offers", "description": "About Offers", "isUnsubscribed": True},
    ] == profile["groups"]
    assert {
        "campaignId": "spring",
        "identity": "bob@example.com",
        "groups": [],
        "cUsY": bare["cUsY"],
    } == bare
    assert bare["cUsY"]


async def test_to_look_changes_nothing(site: Site) -> None:
    """Catalogue E4."""
    await with_groups(site, "News")
    opened = page(site)

    await opened.look(with_groups=True)
    await opened.look()

    assert 0 == (await site.state()).sequence


async def test_who_leaves_leaves_all_mail_and_may_take_it_back_while_still_on_the_page(
    site: Site,
) -> None:
    """CleverTap's documents: without groups no page sends back what it was told, so the answer
    itself makes the SDK do that.
    """
    opened = page(site)
    await opened.look()

    left = await opened.act("0")
    was_off = await off(site)
    source = (await site.state()).everything.source
    await opened.look()
    back = await opened.act("1")
    again = await opened.act("1")

    assert ("0", "1", "1") == (left, back, again)
    assert {"all"} == was_off
    assert Source.LANDING_PAGE is source
    assert set() == await off(site)


async def test_a_page_that_was_opened_anew_takes_nothing_back(site: Site) -> None:
    """CleverTap's documents: only valid on the page on which the reader unsubscribed. Catalogue
    T4.
    """
    first = page(site)
    await first.act("0")
    second = page(site)
    await second.look()

    answer = await second.act("1")

    assert "wzrk_email_subscription_failed" == answer
    assert {"all"} == await off(site)


async def test_who_leaves_a_second_time_on_a_page_opened_anew_may_take_that_back(
    site: Site,
) -> None:
    await page(site).act("0")
    second = page(site)
    await second.look()

    left, back = await second.act("0"), await second.act("1")

    assert ("0", "1") == (left, back)
    assert set() == await off(site)


async def test_a_page_takes_nothing_back_that_was_left_by_another_way(site: Site) -> None:
    """Catalogue Q6."""
    await site.click(f"/u?qmoe={site.token()}")
    opened = page(site)
    await opened.look()

    left, back = await opened.act("0"), await opened.act("1")

    assert ("0", "wzrk_email_subscription_failed") == (left, back)
    assert {"all"} == await off(site)


async def test_a_one_click_after_the_page_is_not_taken_back_by_it(site: Site) -> None:
    """Catalogue Q6: the sequence has not moved, and yet the reader has said it again."""
    opened = page(site)
    await opened.act("0")
    site.now_ms += 1000
    await site.click(f"/u?qmoe={site.token()}")

    back = await opened.act("1")

    assert "wzrk_email_subscription_failed" == back
    assert {"all"} == await off(site)


async def test_nothing_is_taken_back_once_the_state_has_moved_on(site: Site) -> None:
    """Catalogue Q6."""
    await with_groups(site, "News")
    opened = page(site)
    await opened.act("0")
    site.now_ms += 1000
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")

    back = await opened.act("1")

    assert "wzrk_email_subscription_failed" == back
    assert {"all", key("news")} == await off(site)


async def test_the_right_to_come_back_ends_with_its_day_and_serves_no_other_link(
    site: Site,
) -> None:
    """Catalogue Q13, T4."""
    opened, other = (
        page(site),
        SdkPage(site, site.token("eve@example.com", purpose=Purpose.PREFERENCES)),
    )
    await opened.act("0")
    await other.act("0")
    other.remembered = opened.remembered

    stolen = await other.act("1")
    site.now_ms += LIFETIME_MS
    late = await opened.act("1")

    assert "wzrk_email_subscription_failed" == stolen == late
    assert {"all"} == await off(site)
    assert {"all"} == await off(site, "eve@example.com")


async def test_a_group_page_shows_leaves_and_takes_back_the_campaigns_groups_alone(
    site: Site,
) -> None:
    """As CleverTap's documents say."""
    await with_groups(site, "News", "Offers", "Events")
    await site.click(f"/u?qmoe={site.token(groups=('offers',))}")
    opened = page(site, groups=("news", "offers"), page_type="group")

    _, profile = await opened.look(with_groups=True)
    left = await opened.act("0")
    was_off = await off(site)
    back = await opened.act("1")

    assert [("News", False), ("Offers", True)] == [
        (one["name"], one["isUnsubscribed"])
        for one in profile["groups"]  # type: ignore[attr-defined]
    ]
    assert ("0", "1") == (left, back)
    assert {key("news"), key("offers")} == was_off
    # left by another way before: not this page's to take back
    assert {key("offers")} == await off(site)


async def test_a_group_page_of_a_campaign_without_groups_leaves_all_mail(site: Site) -> None:
    """As CleverTap's documents say."""
    await with_groups(site, "News")

    assert "0" == await page(site, page_type="group").act("0")
    assert {"all"} == await off(site)


async def test_chosen_groups_are_saved_and_may_be_chosen_again_on_the_same_page(site: Site) -> None:
    """CleverTap's documents, the page with groups."""
    await with_groups(site, "News", "Offers", "Events")
    await site.click(f"/u?qmoe={site.token(groups=('events',))}")
    opened = page(site)
    await opened.look(with_groups=True)

    first = await opened.choose(News=False, Offers=True, Events=True)
    after_first = await off(site)
    second = await opened.choose(News=False, Offers=False, Events=False)
    same = await opened.choose(News=False, Offers=False, Events=False)

    assert ("0", "1", "1") == (first, second, same)
    assert {key("offers"), key("events")} == after_first
    assert set() == await off(site)
    assert (
        Source.LANDING_PAGE
        is (await site.state()).groups[next(iter((await site.state()).groups))].source
    )


async def test_a_group_that_was_not_touched_overrules_no_other_page(site: Site) -> None:
    await with_groups(site, "News", "Offers")
    opened = page(site)
    await opened.look(with_groups=True)
    site.now_ms += 1000
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")

    saved = await opened.choose(News=False, Offers=True)

    assert "0" == saved
    assert {key("news"), key("offers")} == await off(site)


async def test_a_stale_page_switches_nothing_on_but_everything_off(site: Site) -> None:
    """Catalogue Q6."""
    await with_groups(site, "News", "Offers", "Events")
    await site.click(f"/u?qmoe={site.token(groups=('events',))}")
    opened = page(site)
    await opened.look(with_groups=True)
    site.now_ms += 1000
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")

    saved = await opened.choose(News=False, Offers=True, Events=False)

    assert "wzrk_email_subscription_failed" == saved
    assert {key("news"), key("offers"), key("events")} == await off(site)


async def test_a_page_that_never_looked_switches_nothing_on_but_everything_off(site: Site) -> None:
    """Catalogue Q6."""
    await with_groups(site, "News", "Offers")
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")

    refused = await page(site).choose(News=False, Offers=True)
    left = await page(site).choose(Offers=True)

    assert ("wzrk_email_subscription_failed", "0") == (refused, left)
    assert {key("news"), key("offers")} == await off(site)


async def test_a_group_switched_on_while_all_mail_is_off_brings_that_group_alone(
    site: Site,
) -> None:
    """CleverTap's documents, and the rules of `app.core.preference_form`."""
    await with_groups(site, "News", "Offers", "Events")
    opened = page(site, groups=("news", "offers"), page_type="group")
    everything = page(site)
    await everything.act("0")
    await opened.look(with_groups=True)

    saved = await opened.choose(News=False, Offers=True)

    assert "1" == saved
    assert {key("offers"), key("events")} == await off(site)


async def test_an_archived_group_on_a_page_opened_before_can_still_be_left(site: Site) -> None:
    """As CleverTap's documents say."""
    await with_groups(site, "News", "Old")
    opened = page(site)
    await opened.look(with_groups=True)
    await Groups(site.book, lambda: 1).archive(ACME, GroupId("old"))

    saved = await opened.choose(News=False, Old=True)

    assert "0" == saved
    assert {key("old")} == await off(site)


@pytest.mark.parametrize("sub", ["0", "1", "2"])
async def test_a_test_link_answers_as_ever_and_saves_nothing(site: Site, sub: str) -> None:
    """As CleverTap's documents say. Catalogue H12."""
    await with_groups(site, "News", "Offers")
    opened = page(site, groups=("news",), page_type="group", test=True)
    opened.groups = [{"name": "News", "isUnsubscribed": True}]

    _, profile = await opened.look(with_groups=True)
    answer = await opened.act(sub)

    assert ["News", "Offers"] == [one["name"] for one in profile["groups"]]  # type: ignore[attr-defined]
    assert ("1" if sub == "1" else "0") == answer
    assert 0 == (await site.state()).sequence


async def test_leaving_waits_for_no_store_and_switching_on_does(tmp_path: Path) -> None:
    """Catalogue E8."""
    spool = SqliteSpool(tmp_path / "spool")
    async with running(spool=spool, brand=WITH_OWN_PAGE) as site:
        await with_groups(site, "News", "Offers")
        await site.click(f"/u?qmoe={site.token(groups=('offers',))}")
        opened = page(site)
        await opened.look(with_groups=True)
        site.store.down = True

        left = await opened.act("0")
        partly = await opened.choose(News=True, Offers=False)
        back = await opened.act("1")

        assert ("0", "wzrk_email_subscription_failed", "wzrk_email_subscription_failed") == (
            left,
            partly,
            back,
        )
        assert [(EVERYTHING,), (group_key(GroupId("news")),)] == [
            row.groups or (EVERYTHING,) for _, row in await spool.unconfirmed(after=0, limit=9)
        ]
    await spool.close()
