"""The preference centre while the store is away: nothing is guessed, nothing lost, and what is said
is true.
"""

from pathlib import Path

import pytest

from app.core.errors import StoreUnavailable
from app.store.spool import SqliteSpool
from tests.web.choosing import Form, key, link, off, opened, pressed, with_groups
from tests.web.running import Site, running

PATH = "/preferences"


async def test_preferences_that_cannot_be_read_are_not_guessed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CleverTap's documents say. Catalogue E8."""

    async def unread(*_: object) -> None:
        raise StoreUnavailable("unplugged")

    target = link(site, PATH)
    monkeypatch.setattr(site.store, "preferences", unread)

    reply = await site.ask("GET", target, fields={"Accept-Language": "es"})

    assert 503 == reply.status
    assert reply["retry-after"].isdigit()
    assert "No hemos podido abrir sus preferencias" in reply.text
    (again,) = Form(reply.text).links
    assert target == again


async def test_what_could_not_be_saved_is_told_with_the_hints_and_kept_in_the_form(
    site: Site,
) -> None:
    """As CleverTap's documents say. Catalogue E8."""
    await with_groups(site, "News")
    target = link(site, PATH)
    page = await opened(site, target)
    site.store.down = True
    failed = await pressed(site, target, page.body(off=["news"]))
    site.store.down = False

    again = await pressed(site, target, Form(failed.text).body())

    assert 503 == failed.status
    assert "Failed to save your preferences" in failed.text
    assert "internet connection" in failed.text
    assert "ad blockers" in failed.text
    assert 200 == again.status
    assert {key("news")} == await off(site)


async def test_with_the_store_away_the_spool_keeps_what_was_switched_off(tmp_path: Path) -> None:
    """Catalogue E8."""
    spool = SqliteSpool(tmp_path / "spool")
    async with running(spool=spool) as site:
        await with_groups(site, "News", "Offers")
        await site.click(f"/u?qmoe={site.token(groups=('offers',))}")
        target = link(site, PATH)
        page = await opened(site, target)
        site.store.down = True
        only_off = await pressed(site, target, page.body(off=["news"]))
        both = await pressed(site, target, page.body(off=["news"], on=["offers"]))
        rows = await spool.unconfirmed(after=0, limit=10)

    await spool.close()
    assert 200 == only_off.status
    assert 503 == both.status
    assert "What you switched off is saved" in both.text
    assert 2 == len(rows)
    assert all(not statement.subscribed for _, statement in rows)
