"""One recipient on the operator's page: looked for, unsubscribed, erased; and who may do so."""

import re

import pytest

from app.core.api_key import KeyScope
from app.core.audit import AuditAction
from app.core.model import BrandId
from app.store.spool import SqliteSpool
from tests.admin.api.running import ACME
from tests.admin.operator.running import ACME_PAGE, Page, Site, running

RECIPIENT = f"{ACME_PAGE}/recipient"
ANN = "ann@example.com"


async def look(site: Site, address: str = ANN) -> Page:
    return await site.submit(RECIPIENT, address=address, do="look")


async def unsubscribe(site: Site, scope: str = "all", address: str = ANN) -> Page:
    return await site.submit(RECIPIENT, address=address, do="unsubscribe", scope=scope)


async def audited(site: Site) -> list[tuple[str, str, str]]:
    return [
        (entry.actor, entry.action, entry.target)
        for entry in await site.api.audit.entries(ACME, after="", limit=10)
    ]


async def test_a_stranger_is_subscribed_to_everything_and_looking_changes_nothing(
    site: Site,
) -> None:
    await site.sign_in()

    page = await look(site)

    digest = site.api.codec.digest(ANN, brand=ACME).hex()
    assert f"Known as {digest} , after 0 changes" in page.text
    assert "All mail subscribed – – –" in page.text
    assert "Nothing has happened" in page.text
    assert [] == await audited(site)


async def test_an_operator_unsubscribes_from_all_mail_and_it_is_seen_and_audited(
    site: Site,
) -> None:
    """Catalogue Q8."""
    await site.sign_in()

    page = await unsubscribe(site)

    digest = site.api.codec.digest(ANN, brand=ACME).hex()
    assert "Unsubscribed. This is durable in one place" in page.text
    assert "All mail unsubscribed API 2026-09-21 14:13:20 2026-09-21 14:13:20" in page.text
    assert "2026-09-21 14:13:20 Email Unsubscribed API all mail – 1" in page.text
    assert not (await site.api.state(ANN)).everything.subscribed
    assert [("file", AuditAction.RECIPIENT_UNSUBSCRIBED, digest)] == await audited(site)


async def test_an_operator_unsubscribes_from_one_group(site: Site) -> None:
    await site.sign_in()
    await site.api.services.groups.create(ACME, name="Product news")

    offered = await look(site)
    page = await unsubscribe(site, "product-news")

    assert '<option value="product-news">Product news</option>' in offered.html
    assert "product-news unsubscribed API" in page.text
    assert "Channel Unsubscribed API Product news – 1" in page.text
    assert (await site.api.state(ANN)).everything.subscribed


async def test_a_group_that_is_none_is_refused(site: Site) -> None:
    await site.sign_in()

    page = await unsubscribe(site, "nothing")

    assert 422 == page.status
    assert (await site.api.state(ANN)).sequence == 0


async def test_a_second_time_changes_nothing(site: Site) -> None:
    """A browser asks before it sends a form again; whoever agrees does no harm."""
    await site.sign_in()

    await unsubscribe(site)
    page = await unsubscribe(site)

    assert "after 1 change." in page.text


async def test_erasing_asks_whether_one_is_sure(site: Site) -> None:
    """Catalogue Q12."""
    await site.sign_in()
    await unsubscribe(site)

    unsure = await site.submit(RECIPIENT, address=ANN, do="erase")
    sure = await site.submit(RECIPIENT, address=ANN, do="erase", sure="yes")
    again = await site.submit(RECIPIENT, address=ANN, do="erase", sure="yes")

    assert "tick the box" in unsure.text and "Email Unsubscribed" in unsure.text
    assert (
        "Erased. What this recipient had left stays suppressed" in sure.text
        and "Nothing has happened" in sure.text
    )
    assert "All mail unsubscribed" in sure.text
    assert 200 == again.status
    assert 2 == [action for _, action, _ in await audited(site)].count(AuditAction.RECIPIENT_ERASED)


@pytest.mark.parametrize("address", ["", "ann", "ann@", "<script>@x", "a@b\r\nc"])
async def test_what_is_no_address_is_said_beside_the_form(site: Site, address: str) -> None:
    """Catalogue L2."""
    await site.sign_in()

    page = await look(site, address)

    assert 422 == page.status
    assert "note warn" in page.html and "<script" not in page.html


async def test_no_address_ever_stands_in_an_address_of_a_page(site: Site) -> None:
    await site.sign_in()

    page = await look(site)

    assert "location" not in page.fields
    assert not [
        target for target in re.findall(r'(?:href|action)="([^"]*)"', page.html) if "ann" in target
    ]
    assert all('method="post"' in form for form in re.findall(r"<form[^>]*>", page.html))


async def test_a_key_that_may_only_read_sees_no_button_and_has_none(site: Site) -> None:
    """Catalogue L8."""
    await site.sign_in(await site.api.new_key(KeyScope.READ))

    shown = await look(site)
    refused = [
        await unsubscribe(site),
        await site.submit(RECIPIENT, address=ANN, do="erase", sure="yes"),
    ]

    assert 200 == shown.status and "Erase" not in shown.text
    assert [403, 403] == [page.status for page in refused]
    assert (await site.api.state(ANN)).sequence == 0


async def test_who_did_it_is_the_key_that_signed_in(site: Site) -> None:
    """Catalogue Q8."""
    text = await site.api.new_key(brand="acme")
    await site.sign_in(text)

    await unsubscribe(site)

    assert [text.split("_")[1]] == [actor for actor, _, _ in await audited(site)]
    assert await site.api.services.api_keys.list(BrandId("acme"))


async def test_with_the_store_away_the_spool_still_takes_an_unsubscribe(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Catalogue Q3: and the page says that it could not look."""
    spool = SqliteSpool(tmp_path_factory.mktemp("spool"))
    async with running(spool=spool) as site:
        await site.sign_in()
        token = (await site.get(RECIPIENT)).form_token
        site.api.store.down = True
        saved = await site.post(
            RECIPIENT, {"form": token, "address": ANN, "do": "unsubscribe", "scope": "all"}
        )
        looked = await site.post(RECIPIENT, {"form": token, "address": ANN, "do": "look"})
        rows = await spool.unconfirmed(after=0, limit=10)
    await spool.close()

    assert (200, 503) == (saved.status, looked.status)
    assert "Unsubscribed." in saved.text and "The state cannot be read just now." in saved.text
    assert [site.api.codec.digest(ANN, brand=ACME)] == [statement.digest for _, statement in rows]
