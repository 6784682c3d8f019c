"""Groups, events, webhooks and the audit over the API."""

import pytest

from app.core.model import Statement
from app.core.webhook import Delivery, WebhookFormat, endpoint_key
from tests.admin.api.running import ACME, HOOK, Api

GROUPS = "/v1/brands/acme/groups"
EVENTS = "/v1/brands/acme/events"
HOOKS = "/v1/brands/acme/webhooks"


async def leave(api: Api, address: str) -> None:
    assert 200 == (await api.post(f"/v1/brands/acme/recipients/{address}/unsubscribe")).status


async def test_a_group_is_created_edited_archived_and_restored(api: Api) -> None:
    made = await api.post(GROUPS, {"name": "Product News", "description": "Once a month"})
    taken = await api.post(GROUPS, {"name": "product news"})
    edited = await api.ask("PATCH", f"{GROUPS}/product-news", json_body={"name": "News"})
    archived = await api.ask("DELETE", f"{GROUPS}/product-news")
    restored = await api.post(f"{GROUPS}/product-news/restore")
    again = await api.post(f"{GROUPS}/product-news/archive")
    missing = await api.post(f"{GROUPS}/nothing/archive")
    shown = [await api.get(made.fields["location"]), await api.get(f"{GROUPS}/NEWS")]

    assert (201, "product-news", f"{GROUPS}/product-news") == (
        made.status,
        made.json["id"],
        made.fields["location"],
    )
    assert (409, "conflict") == (taken.status, taken.json["code"])
    assert ("News", "Once a month") == (edited.json["name"], edited.json["description"])
    assert [True, False, True] == [
        archived.json["archived"],
        restored.json["archived"],
        again.json["archived"],
    ]
    assert 404 == missing.status
    assert [again.json, again.json] == [one.json for one in shown]
    assert [("product-news", True)] == [
        (group["id"], group["archived"]) for group in (await api.get(GROUPS)).json["groups"]
    ]


@pytest.mark.parametrize(
    "group",
    [{"name": "All"}, {"name": "ａｌｌ"}, {"name": "x", "id": "all"}, {"name": "x", "id": "ALL"}],
)
async def test_no_group_is_called_like_all_mail(api: Api, group: dict[str, str]) -> None:
    """A group of the id `all` could never be named: wherever groups are, the word means all
    mail.
    """
    refused = await api.post(GROUPS, group)
    beside = await api.post(GROUPS, {"name": "all!"})

    assert (422, "all-2") == (refused.status, beside.json["id"])


async def test_a_brand_is_shown_as_the_settings_have_it(api: Api) -> None:
    listed, _ = (await api.get("/v1/brands")).json["brands"]

    assert listed == (await api.get("/v1/brands/acme")).json


async def test_the_audit_tells_who_did_what_and_when(api: Api) -> None:
    """Catalogue Q8."""
    key = await api.new_key()
    await api.post(GROUPS, {"name": "News"}, key=key)
    api.now_ms += 1000
    await leave(api, "bob@x.com")

    first = (await api.get("/v1/brands/acme/audit?limit=1")).json
    rest = (await api.get(f"/v1/brands/acme/audit?cursor={first['next']}")).json

    (made,), (left,) = first["audit"], rest["audit"]
    assert ("group_created", "news", key.split("_")[1], "2026-09-21T14:13:20.000Z") == (
        made["action"],
        made["target"],
        made["actor"],
        made["at"],
    )
    assert ("recipient_unsubscribed", "file", "2026-09-21T14:13:21.000Z") == (
        left["action"],
        left["actor"],
        left["at"],
    )
    assert "bob" not in str(rest)


async def test_a_reader_of_events_misses_nothing_and_reads_nothing_twice(api: Api) -> None:
    """Catalogue Q6, Q8: also a click that comes late with the time of long ago."""
    cursor = (await api.get(EVENTS)).json["next"]
    for number in range(5):
        await leave(api, f"p{number}@x.com")
    seen, sizes = [], []
    for _ in range(3):
        page = (await api.get(f"{EVENTS}?limit=2&cursor={cursor}")).json
        sizes.append(len(page["events"]))
        seen += [event["email"] for event in page["events"]]
        cursor = page["next"]
    api.now_ms -= 5_000_000
    await leave(api, "late@x.com")

    after = (await api.get(f"{EVENTS}?cursor={cursor}")).json

    assert ([2, 2, 1], {f"p{number}@x.com" for number in range(5)}) == (sizes, set(seen))
    assert ["late@x.com"] == [event["email"] for event in after["events"]]
    assert [] == (await api.get(f"{EVENTS}?cursor={after['next']}")).json["events"]
    assert 422 == (await api.get(f"{EVENTS}?since=2026-01-01T00:00:00Z&cursor={cursor}")).status
    assert 422 == (await api.get(f"{EVENTS}?cursor={cursor[:-2]}AA")).status
    assert [] == (await api.get(f"{EVENTS}?since=2126-01-01T00:00:00Z")).json["events"]


async def test_webhooks_show_endpoints_without_secrets_and_what_waits(api: Api) -> None:
    delivery = await given_up(api)

    shown = await api.get(HOOKS)
    dead = (await api.get(f"{HOOKS}/dead-letters")).json["dead_letters"]
    resent = await api.post(f"{HOOKS}/resend", {"cursors": [dead[0]["cursor"]]})
    waiting = (await api.get(HOOKS)).json["waiting"]
    deliveries = (await api.get(f"{HOOKS}/deliveries?limit=7")).json["deliveries"]

    assert [
        {
            "url": "https://hooks.acme.example/unsub",
            "format": "standard",
            "scopes": ["all", "groups"],
            "switched_off": False,
        }
    ] == shown.json["endpoints"]
    assert b"secret" not in shown.body
    assert [("Email Unsubscribed", "no answer", 3)] == [
        (one["event"], one["reason"], one["attempts"]) for one in dead
    ]
    assert ({"resent": 1}, [delivery.statement.id.hex()]) == (
        resent.json,
        [one["id"] for one in waiting],
    )
    assert waiting == deliveries
    assert [] == (await api.get(f"{HOOKS}/dead-letters")).json["dead_letters"]
    assert {"resent": 0} == (await api.post(f"{HOOKS}/resend")).json


async def given_up(api: Api) -> Delivery:
    """A delivery that is a dead letter."""
    await leave(api, "bob@x.com")
    statement: Statement = next(iter(api.store.work.values())).statement
    key = endpoint_key(ACME, HOOK, WebhookFormat.STANDARD)
    delivery = Delivery(
        endpoint=key,
        statement=statement,
        changed=(),
        sequence=1,
        queued_ms=1,
        attempts=3,
        reason="no answer",
    )
    api.deliveries.add(delivery, due_ms=1)
    await api.deliveries.bury([delivery], at_ms=2)
    return delivery


async def test_an_erased_recipient_leaves_no_address_in_dead_letters(api: Api) -> None:
    """Catalogue Q12."""
    await given_up(api)

    await api.ask("DELETE", "/v1/brands/acme/recipients/bob@x.com")

    (letter,) = await api.services.webhooks.dead_letters(ACME)
    assert b"" == letter.delivery.statement.sealed_address


@pytest.mark.parametrize(
    "since",
    [
        "2026-09-21T14:13:20Z",
        "2026-09-21T16:13:20+02:00",
        "2026-09-21t14:13:20.000",
        "2026-09-21 14:13",
        "1790000000",
        "1790000000000",
    ],
)
async def test_a_time_may_be_written_in_every_usual_way(api: Api, since: str) -> None:
    """Also with a plus sign that nobody escaped, which is a blank in a query, and without a zone,
    which is UTC.
    """
    await leave(api, "bob@x.com")

    left = "/v1/brands/acme/suppressions?since"
    found = await api.get(f"{left}={since.replace(' ', '%20')}")
    none = await api.get(f"{left}=2026-09-22&until={since.replace(' ', '%20')}")

    assert (200, 1) == (found.status, len(found.json["suppressions"]))
    assert (200, 0) == (none.status, len(none.json["suppressions"]))
