"""From a change in the store to the endpoint's book: real store, real worker, real HTTP."""

import asyncio
import base64
from typing import Any

import standardwebhooks
from aiohttp import web

from app.core.events import EventName
from app.core.groups import EVERYTHING, group_key
from app.core.model import BrandNumber, GroupId, GroupKey, Source, SubscriptionGroup
from app.core.webhook import EVERY_SCOPE, SCOPES, WebhookFormat
from app.store.deliveries import RedisDeliveries
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.usecases.webhooks import Webhooks
from app.worker.breaker import Breaker
from tests.support.receiver import Told, receiving
from tests.worker.running import (
    SECRET,
    endpoint_of,
    eventually,
    now_ms,
    settled,
    statement_of,
    working,
)

BRAND = BrandNumber(7)


def data(told: Told) -> dict[str, Any]:  # Any: a JSON object
    body = told.json
    assert isinstance(body, dict)
    found = body["data"]
    assert isinstance(found, dict)
    return found


async def test_a_click_is_told_once_signed_and_with_its_address(
    url: str, store: RedisStore
) -> None:
    """Catalogue Q7."""
    async with receiving() as receiver, working(url, [endpoint_of(receiver.url)]):
        click = statement_of("Ann@Example.net")
        await store.apply(click)
        await store.apply(statement_of("ann@example.net"))  # the second click changes nothing
        await eventually(lambda: receiver.book)
        await eventually(lambda: settled(store))

    (told,) = receiver.book
    verified = standardwebhooks.Webhook(base64.b64encode(SECRET).decode()).verify(
        told.body, dict(told.headers)
    )
    assert verified == told.json
    assert ("Ann@Example.net", click.id.hex(), 1) == (
        data(told)["email"],
        data(told)["id"],
        data(told)["sequence"],
    )
    assert ("Email Unsubscribed", "List Unsubscribe", "List Unsubscribe") == (
        data(told)["event"],
        data(told)["source"],
        data(told)["Unsubscribe Source"],
    )
    assert (click.at_ms, 1, "spring-24") == (
        data(told)["time_ms"],
        data(told)["key_id"],
        data(told)["campaign_id"],
    )


async def test_three_failures_and_then_success_are_one_event_with_one_id(
    url: str, store: RedisStore
) -> None:
    """Catalogue Q7."""
    async with (
        receiving(statuses=[500, 500, 500]) as receiver,
        working(url, [endpoint_of(receiver.url)]),
    ):
        await store.apply(statement_of("ann@example.net"))
        await eventually(lambda: len(receiver.book) == 4)
        await eventually(lambda: settled(store))

    assert 1 == len({told.id for told in receiver.book})
    assert 1 == len({told.body for told in receiver.book})


async def test_the_schedule_is_kept_and_retry_after_lengthens_it(
    url: str, store: RedisStore
) -> None:
    """Catalogue Q7: pauses by a clock that the test moves."""
    now = [now_ms()]
    schedule = (5.0, 300.0)
    fields = {"Retry-After": "60"}
    async with (
        receiving(statuses=[503, 503], fields=fields) as receiver,
        working(url, [endpoint_of(receiver.url)], clock=lambda: now[0], schedule=schedule),
    ):
        await store.apply(statement_of("ann@example.net", at_ms=now[0]))
        deliveries = RedisDeliveries(store.connection)

        async def due(attempts: int) -> int:
            waiting: list[int] = []
            await eventually(lambda: _attempted(deliveries, attempts, waiting))
            return waiting[-1] - now[0]

        first = await due(1)
        now[0] += first
        second = await due(2)
        now[0] += second
        await eventually(lambda: settled(store))

    assert 60_000 == first
    assert 300_000 <= second <= 330_000
    assert 3 == len(receiver.book)


async def _attempted(deliveries: RedisDeliveries, attempts: int, due: list[int]) -> bool:
    rows = [row for row in await deliveries.pending(BRAND, limit=10) if row[0].attempts == attempts]
    due += [at for _, at in rows]
    return bool(rows)


async def test_after_the_last_attempt_it_is_a_dead_letter_that_can_be_sent_again(
    url: str, store: RedisStore
) -> None:
    """Catalogue Q7."""
    async with (
        receiving(statuses=[500] * 3) as receiver,
        working(url, [endpoint_of(receiver.url)], schedule=(0.0, 0.0)),
    ):
        await store.apply(statement_of("ann@example.net"))
        webhooks = Webhooks(
            deliveries=RedisDeliveries(store.connection), endpoints=(), clock=now_ms
        )
        await eventually(lambda: webhooks.dead_letters(BRAND))
        (letter,) = await webhooks.dead_letters(BRAND)
        resent = await webhooks.resend(BRAND)
        await eventually(lambda: len(receiver.book) == 4)
        await eventually(lambda: settled(store))
        left = await webhooks.dead_letters(BRAND)

    assert (3, "answered 500") == (letter.delivery.attempts, letter.delivery.reason)
    assert (1, [], 1) == (resent, left, len({told.id for told in receiver.book}))


async def test_410_switches_the_endpoint_off_until_its_letters_are_resent(
    url: str, store: RedisStore
) -> None:
    async with receiving(statuses=[410]) as receiver, working(url, [endpoint_of(receiver.url)]):
        webhooks = Webhooks(
            deliveries=RedisDeliveries(store.connection),
            endpoints=[endpoint_of(receiver.url)],
            clock=now_ms,
        )
        await store.apply(statement_of("ann@example.net"))
        await eventually(lambda: webhooks.dead_letters(BRAND))
        await store.apply(statement_of("bob@example.net"))
        await eventually(lambda: _count(webhooks, 2))
        asked_while_off = len(receiver.book)
        (state,) = await webhooks.endpoints(BRAND)

        await webhooks.resend(BRAND)
        await eventually(lambda: len(receiver.book) == 3)
        await eventually(lambda: settled(store))
        (again,) = await webhooks.endpoints(BRAND)

    assert (1, True, False) == (asked_while_off, state.switched_off, again.switched_off)


async def _count(webhooks: Webhooks, expected: int) -> bool:
    return len(await webhooks.dead_letters(BRAND)) == expected


async def test_a_blocked_address_is_not_tried_again(url: str, store: RedisStore) -> None:
    """Catalogue L1."""
    blocked = endpoint_of("http://169.254.169.254/latest/meta-data")
    async with working(url, [blocked]):
        webhooks = Webhooks(
            deliveries=RedisDeliveries(store.connection), endpoints=(), clock=now_ms
        )
        await store.apply(statement_of("ann@example.net"))
        await eventually(lambda: webhooks.dead_letters(BRAND))
        (letter,) = await webhooks.dead_letters(BRAND)

    assert (1, "an address of the endpoint is not public") == (
        letter.delivery.attempts,
        letter.delivery.reason,
    )


async def test_streams_are_batches_of_at_most_a_hundred(url: str, store: RedisStore) -> None:
    async with receiving() as receiver:
        clicks = [statement_of(f"r{number}@example.net") for number in range(250)]
        await asyncio.gather(*(asyncio.ensure_future(store.apply(click)) for click in clicks))
        async with working(url, [endpoint_of(receiver.url, form=WebhookFormat.STREAMS)]):
            await eventually(lambda: settled(store))

    batches = [told.json["events"] for told in receiver.book]  # type: ignore[index]  # a JSON object
    assert max(len(batch) for batch in batches) <= 100
    assert len(batches) < 50
    assert {click.id.hex() for click in clicks} == {
        event["event_uuid"].replace("-", "") for batch in batches for event in batch
    }


async def test_an_event_that_a_receiver_cannot_digest_holds_up_no_other(
    url: str, store: RedisStore
) -> None:
    """One poisonous event in a batch: the batches become smaller until it stands alone."""

    async def picky(told: Told) -> web.StreamResponse:
        return web.Response(status=400 if b"poison@" in told.body else 200)

    never = Breaker(failures=10_000)
    async with receiving(reply=picky) as receiver:
        clicks = [statement_of(f"r{number}@example.net") for number in range(60)]
        for click in (*clicks, statement_of("poison@example.net")):
            await store.apply(click)
        endpoint = endpoint_of(receiver.url, form=WebhookFormat.CLEVERTAP, secrets=())
        async with working(url, [endpoint], breaker=lambda: never):
            webhooks = Webhooks(
                deliveries=RedisDeliveries(store.connection), endpoints=(), clock=now_ms
            )
            await eventually(lambda: _count(webhooks, 1))
            await eventually(lambda: settled(store))
            (letter,) = await webhooks.dead_letters(BRAND)

    assert statement_of("poison@example.net").digest == letter.delivery.digest


async def test_groups_that_change_together_with_all_mail_are_named_beside_it(
    url: str, store: RedisStore
) -> None:
    """CleverTap's documents: all off switches each group off; one of them on again brings back all
    mail and that one.
    """
    news, offers = (
        SubscriptionGroup(id=GroupId(name), name=name.title()) for name in ("news", "offers")
    )
    for group in (news, offers):
        await RedisGroups(store.connection).add(BRAND, group, most_active=50)
    both = (group_key(news.id), group_key(offers.id))
    off = statement_of(
        "ann@example.net", source=Source.PREFERENCE_CENTRE, groups=(EVERYTHING, *both)
    )
    on = statement_of(
        "ann@example.net",
        source=Source.PREFERENCE_CENTRE,
        groups=(both[0], EVERYTHING),
        subscribed=True,
        at_ms=off.at_ms + 1,
    )
    async with receiving() as receiver, working(url, [endpoint_of(receiver.url)]):
        for said in (off, on):
            await store.apply(said)
            await eventually(lambda: settled(store))

    left, back = (
        tuple(data(told)[name] for name in ("event", "scope", "groups", "Group"))
        for told in receiver.book
    )
    of_news, of_offers = ({"id": group.id, "name": group.name} for group in (news, offers))
    assert ("Channel Unsubscribed", "all", [of_news, of_offers], "All, News, Offers") == left
    assert ("Email Resubscribed", "all", [of_news], "All, News") == back


async def test_every_way_has_its_event_and_an_endpoint_hears_only_what_it_asked_for(
    url: str, store: RedisStore
) -> None:
    news = SubscriptionGroup(id=GroupId("news"), name="Product News")
    await RedisGroups(store.connection).add(BRAND, news, most_active=50)
    async with receiving() as every, receiving() as returns:
        endpoints = [
            endpoint_of(every.url),
            endpoint_of(returns.url, events=frozenset((EventName.EMAIL_RESUBSCRIBED,))),
        ]
        async with working(url, endpoints):
            for number, source in enumerate(Source):
                if source is not Source.GROUP_PAGE:
                    await store.apply(statement_of(f"r{number}@example.net", source=source))
            await store.apply(
                statement_of(
                    "page@example.net", source=Source.GROUP_PAGE, groups=(group_key(news.id),)
                )
            )
            await store.apply(
                statement_of(
                    "page@example.net",
                    source=Source.GROUP_PAGE,
                    groups=(group_key(news.id),),
                    subscribed=True,
                    at_ms=now_ms() + 1,
                )
            )
            await eventually(lambda: settled(store))

    told = {(facts["way"], facts["event"], facts["source"]) for facts in map(data, every.book)}
    assert {
        ("list_unsubscribe", "Email Unsubscribed", "List Unsubscribe"),
        ("mailto", "Email Unsubscribed", "List Unsubscribe"),
        ("callback", "Email Unsubscribed", "List Unsubscribe"),
        ("preference_centre", "Channel Unsubscribed", "Preference Centre"),
        ("landing_page", "Channel Unsubscribed", "Landing Page"),
        ("group_page", "Channel Unsubscribed", "Group Unsubscribe"),
        ("group_page", "Email Resubscribed", "Group Unsubscribe"),
        ("api", "Email Unsubscribed", "API"),
        ("import", "Email Unsubscribed", "Import"),
        ("import_undone", "Email Unsubscribed", "Import Undone"),
        ("complaint", "Email Unsubscribed", "Spam Complaint"),
    } == told
    (channel,) = [
        facts
        for facts in map(data, every.book)
        if facts["way"] == "group_page" and not facts["subscribed"]
    ]
    assert (
        [{"id": "news", "name": "Product News"}],
        "Product News",
        "page@example.net",
        "Group",
        "Unsubscribed",
        "spring-24",
        "Email",
    ) == (
        channel["groups"],
        channel["Group"],
        channel["Identity"],
        channel["Subscription Type"],
        channel["Subscription Status"],
        channel["Campaign ID"],
        channel["Campaign Type"],
    )
    assert ["Email Resubscribed"] == [data(one)["event"] for one in returns.book]


async def test_a_click_on_one_group_says_nothing_to_a_clevertap_endpoint_unless_it_asks_for_groups(
    url: str, store: RedisStore
) -> None:
    """Catalogue N12."""
    news = SubscriptionGroup(id=GroupId("news"), name='What\'s new & "hot"')
    await RedisGroups(store.connection).add(BRAND, news, most_active=50)
    async with receiving() as default, receiving() as asking:
        quiet = endpoint_of(
            default.url, form=WebhookFormat.CLEVERTAP, scopes=SCOPES[WebhookFormat.CLEVERTAP]
        )
        eager = endpoint_of(asking.url, form=WebhookFormat.CLEVERTAP, scopes=EVERY_SCOPE)
        async with working(url, [quiet, eager]):
            await store.apply(statement_of("ann@example.net", groups=(group_key(news.id),)))
            await store.apply(statement_of("bob@example.net"))
            await eventually(lambda: settled(store))

    heard = [
        (run["event"], row["e"], row.get("groups"))
        for told in default.book
        for run in told.json  # type: ignore[attr-defined]
        for row in run["data"]
    ]
    asked = {
        (run["event"], row["e"])
        for told in asking.book
        for run in told.json  # type: ignore[attr-defined]
        for row in run["data"]
    }
    assert [("unsubscribe", "bob@example.net", None)] == heard
    assert {("group_unsubscribe", "ann@example.net"), ("unsubscribe", "bob@example.net")} == asked


async def test_a_group_of_a_moment_ago_has_id_and_name_and_an_unknown_one_its_key(
    url: str, store: RedisStore
) -> None:
    """Catalogue N12: what the worker knows of groups may be some seconds old."""
    old, new = (SubscriptionGroup(id=GroupId(name), name=name.title()) for name in ("old", "new"))
    await RedisGroups(store.connection).add(BRAND, old, most_active=50)
    async with receiving() as receiver, working(url, [endpoint_of(receiver.url)]):
        await store.apply(statement_of("a@example.net", groups=(group_key(old.id),)))
        await eventually(lambda: receiver.book)
        await RedisGroups(store.connection).add(BRAND, new, most_active=50)
        await store.apply(statement_of("b@example.net", groups=(group_key(new.id),)))
        await store.apply(statement_of("c@example.net", groups=(GroupKey(5),)))
        await eventually(lambda: settled(store))

    assert [
        [{"id": "old", "name": "Old"}],
        [{"id": "new", "name": "New"}],
        [{"id": "#00000005", "name": "#00000005"}],
    ] == [
        data(told)["groups"]
        for told in sorted(receiver.book, key=lambda told: str(data(told)["email"]))
    ]
