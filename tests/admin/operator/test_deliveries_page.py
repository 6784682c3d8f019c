"""Deliveries on the operator's page: endpoints, what waits, what was given up, and sending it
again.
"""

import re
from collections.abc import Sequence

from app.core.api_key import KeyScope
from app.core.audit import AuditAction
from app.core.model import BrandId
from app.core.webhook import DeadLetter, Delivery, WebhookFormat, endpoint_key
from tests.admin.api.running import ACME, BRANDS, HOOK, Api
from tests.admin.operator.running import ACME_PAGE, HOME, Site

DELIVERIES = f"{ACME_PAGE}/deliveries"
KEY = endpoint_key(ACME, HOOK, WebhookFormat.STANDARD)


async def delivery(api: Api, address: str) -> Delivery:
    brand = BRANDS.by_id(BrandId("acme"))
    statement, _ = await api.services.recipients.unsubscribe(brand, address, actor="test")
    return Delivery(
        endpoint=KEY,
        statement=statement,
        changed=(),
        sequence=1,
        queued_ms=1,
        attempts=10,
        reason="answered <500>",
    )


async def bury(api: Api, *addresses: str) -> Sequence[DeadLetter]:
    for address in addresses:
        given_up = await delivery(api, address)
        api.deliveries.add(given_up, due_ms=0)
        await api.deliveries.bury([given_up], at_ms=api.now_ms)
    return await api.services.webhooks.dead_letters(ACME)


async def left(site: Site) -> int:
    return len(await site.api.services.webhooks.dead_letters(ACME))


async def test_an_endpoint_is_shown_with_its_state_and_without_its_secrets(site: Site) -> None:
    """Catalogue L9."""
    await site.sign_in()
    on = await site.get(DELIVERIES)
    await site.api.deliveries.switch_off(KEY, at_ms=1)

    off = await site.get(DELIVERIES)

    assert "https://hooks.acme.example/unsub standard on" in on.text
    assert "switched off: it answered 410" in off.text
    assert "secret" not in on.html
    assert "Nothing was given up." in on.text and "Nothing waits." in on.text


async def test_what_waits_and_what_was_given_up_are_shown_with_their_reasons(site: Site) -> None:
    await site.sign_in()
    (letter,) = await bury(site.api, "ann@example.com")
    waiting = await delivery(site.api, "bob@example.com")
    site.api.deliveries.add(waiting, due_ms=site.api.now_ms + 60_000)

    page, overview = await site.get(DELIVERIES), await site.get(ACME_PAGE)

    digest = letter.delivery.statement.digest.hex()
    assert (
        f"Email Unsubscribed {digest} https://hooks.acme.example/unsub 10 answered <500> 2026-09-21"
        " 14:13:20 Send again" in page.text
    )
    assert (
        f"{waiting.statement.digest.hex()} https://hooks.acme.example/unsub 10 answered <500>"
        " 2026-09-21 14:14:20" in page.text
    )
    assert "ann@" not in page.html
    assert "Deliveries given up 1 Send again" in overview.text


async def test_one_letter_is_sent_again_and_then_all_the_others(site: Site) -> None:
    """Catalogue Q7, Q8."""
    await site.sign_in()
    first, *_ = await bury(site.api, "ann@example.com", "bob@example.com", "cid@example.com")
    before = len(await site.api.audit.entries(ACME, after="", limit=10))

    one = await site.submit(DELIVERIES, letter=first.cursor)
    after_one = await left(site)
    rest = await site.submit(DELIVERIES, all="yes")
    told = await site.get(rest.fields["location"])

    assert (303, f"{DELIVERIES}?resent=1") == (one.status, one.fields["location"])
    assert [2, 0] == [after_one, await left(site)]
    assert "2 will be delivered again." in told.text
    assert 3 == len(await site.api.services.webhooks.waiting(ACME))
    assert [AuditAction.WEBHOOK_RESENT] * 2 == [
        entry.action for entry in await site.api.audit.entries(ACME, after=f"{before}-0", limit=10)
    ]


async def test_a_form_that_chooses_nothing_or_what_is_no_letter_sends_nothing(site: Site) -> None:
    await site.sign_in()
    await bury(site.api, "ann@example.com")

    replies = [
        await site.submit(DELIVERIES),
        await site.submit(DELIVERIES, letter="x"),
        await site.get(f"{DELIVERIES}?after=x"),
    ]

    assert [400, 422, 422] == [reply.status for reply in replies]
    assert 1 == await left(site)


async def test_a_key_that_may_only_read_sends_nothing(site: Site) -> None:
    """Catalogue L8."""
    await bury(site.api, "ann@example.com")
    await site.sign_in(await site.api.new_key(KeyScope.READ))

    shown, refused = await site.get(DELIVERIES), await site.submit(DELIVERIES, all="yes")

    assert "Send again" not in shown.text and "Given up" in shown.text
    assert (403, 1) == (refused.status, await left(site))


async def test_letters_come_page_by_page(site: Site) -> None:
    await site.sign_in()
    letters = await bury(site.api, *(f"r{number}@example.com" for number in range(51)))

    first = await site.get(DELIVERIES)
    following = re.search(r'href="([^"]+after=[^"]+)"', first.html)
    assert following
    second = await site.get(following[1])

    shown = [page.html.count('name="letter"') for page in (first, second)]
    assert (51, [50, 1]) == (len(letters), shown)


async def test_another_brands_letters_are_neither_seen_nor_sent(site: Site) -> None:
    """Catalogue L8."""
    (letter,) = await bury(site.api, "ann@example.com")
    await site.sign_in()
    token = (await site.get(f"{HOME}/brands/other/recipient")).form_token

    shown = await site.get(f"{HOME}/brands/other/deliveries")
    sent = await site.post(
        f"{HOME}/brands/other/deliveries", {"form": token, "letter": letter.cursor}
    )

    assert "Nothing was given up." in shown.text
    assert ("resent=0", 1) == (sent.fields["location"].partition("?")[2], await left(site))
