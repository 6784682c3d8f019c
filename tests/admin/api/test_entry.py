"""Who comes in, how often, with what rights; and what a request may look like."""

import pytest

from app.core.api_key import KeyScope
from app.usecases.api_keys import REMEMBERED_MS
from app.usecases.call_limit import WINDOW_MS
from tests.admin.api.running import Api, running

GROUPS = "/v1/brands/acme/groups"


async def test_every_key_that_is_not_good_gets_the_same_401(api: Api) -> None:
    """Catalogue L8: nothing tells a missing key from a malformed, unknown or revoked one."""
    revoked = await api.new_key()
    await api.ask("DELETE", f"/v1/brands/acme/keys/{revoked.split('_')[1]}")
    good = await api.new_key()
    keys = ["", "x", "so_", revoked, f"so_{'0' * 16}_{'A' * 43}", f"{good[:-1]}_", good.upper()]

    replies = [await api.get(GROUPS, key=key) for key in keys]
    replies += [
        await api.get(GROUPS, key="", fields={"Authorization": field})
        for field in ("Basic eDp5", "Bearer", f"bearer  {good}x")
    ]

    assert {401} == {reply.status for reply in replies}
    assert 1 == len({(reply.body, reply.fields["www-authenticate"]) for reply in replies})
    assert 'Bearer realm="signoff"' == replies[0].fields["www-authenticate"]
    assert 200 == (await api.get(GROUPS, key=good)).status


async def test_a_key_is_good_for_its_brand_and_its_scopes_alone(api: Api) -> None:
    """Catalogue L8: scoped."""
    reader = await api.new_key(KeyScope.READ)
    writer = await api.new_key(KeyScope.READ, KeyScope.WRITE)

    statuses = [
        (await api.get(GROUPS, key=reader)).status,
        (await api.post(GROUPS, {"name": "x"}, key=reader)).status,
        (await api.post(GROUPS, {"name": "x"}, key=writer)).status,
        (await api.get("/v1/brands/acme/keys", key=writer)).status,
        (await api.get("/v1/brands/other/groups", key=writer)).status,
        (await api.get("/v1/brands/nowhere/groups", key=writer)).status,
        (await api.get("/v1/brands/nowhere/groups")).status,
    ]

    assert [200, 403, 201, 403, 403, 403, 404] == statuses
    assert ["acme"] == [
        brand["id"] for brand in (await api.get("/v1/brands", key=reader)).json["brands"]
    ]
    assert ["acme", "other"] == [
        brand["id"] for brand in (await api.get("/v1/brands")).json["brands"]
    ]


async def test_a_secret_is_stored_only_as_its_digest_and_shown_once(api: Api) -> None:
    """Catalogue L8: hashed."""
    made = (await api.post("/v1/brands/acme/keys", {"name": "CRM"})).json
    secret = made["text"].split("_", 2)[2]

    listed = await api.get("/v1/brands/acme/keys")
    (stored,) = await api.services.api_keys.list(made["key"]["brand"])

    assert [("CRM", ["read"])] == [(key["name"], key["scopes"]) for key in listed.json["keys"]]
    assert secret.encode() not in listed.body
    assert secret not in repr(stored)
    assert 32 == len(stored.secret_digest)


async def test_a_key_can_give_no_scope_that_it_has_not(api: Api) -> None:
    """Catalogue L8."""
    keeper = await api.new_key(KeyScope.KEYS, KeyScope.READ)

    more = await api.post("/v1/brands/acme/keys", {"name": "x", "scopes": ["write"]}, key=keeper)
    same = await api.post("/v1/brands/acme/keys", {"name": "x", "scopes": ["read"]}, key=keeper)
    foreign = await api.ask("DELETE", f"/v1/brands/other/keys/{keeper.split('_')[1]}")

    assert [422, 201, 404] == [more.status, same.status, foreign.status]


async def test_a_key_seen_lately_is_good_while_the_store_is_away_and_not_for_ever(api: Api) -> None:
    key = await api.new_key()
    await api.get("/v1/brands", key=key)
    api.store.down = True

    soon = await api.get("/v1/brands", key=key)
    api.now_ms += REMEMBERED_MS + 1
    late = await api.get("/v1/brands", key=key)

    assert [200, 503] == [soon.status, late.status]


async def test_each_key_has_its_own_limit_over_a_sliding_minute() -> None:
    """Catalogue Q10: the counts are the store's, so all nodes share them."""
    async with running(per_minute=3) as api:
        api.now_ms = 100 * WINDOW_MS
        one, other = await api.new_key(), await api.new_key()
        statuses = [(await api.get("/v1/brands", key=one)).status for _ in range(3)]
        refused = await api.get("/v1/brands", key=one)
        beside = await api.get("/v1/brands", key=other)
        api.now_ms += WINDOW_MS
        still = await api.get("/v1/brands", key=one)
        api.now_ms += 2 * WINDOW_MS
        again = await api.get("/v1/brands", key=one)

    assert [200, 200, 200] == statuses
    assert (429, "60") == (refused.status, refused.fields["retry-after"])
    assert [200, 429, 200] == [beside.status, still.status, again.status]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", GROUPS, "GET, HEAD, OPTIONS, POST"),
        ("PUT", f"{GROUPS}/x", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", "/v1/brands/acme/recipients/a@x.com/unsubscribe", "OPTIONS, POST"),
        ("POST", "/v1/brands/acme/recipients/a@x.com", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_gets_405_with_the_true_ones(
    api: Api, method: str, path: str, allow: str
) -> None:
    """Catalogue E13."""
    refused, asked = await api.ask(method, path), await api.ask("OPTIONS", path, key="")

    assert (405, allow) == (refused.status, refused.fields["allow"])
    assert (204, allow) == (asked.status, asked.fields["allow"])
    assert "application/problem+json" == refused.fields["content-type"]


async def test_head_is_get_without_the_body(api: Api) -> None:
    got, headed = await api.get(GROUPS), await api.ask("HEAD", GROUPS)

    assert (200, b"", got.fields["content-length"]) == (
        headed.status,
        headed.body,
        headed.fields["content-length"],
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/brands/acme/recipients/a@x.com/history/more", 404),
        ("/v1/brands/acme/nothing", 404),
        ("/v1/brands/acme/suppressions?limit=0", 422),
        ("/v1/brands/acme/suppressions?limit=1&limit=2", 422),
        ("/v1/brands/acme/suppressions?unknown=1", 422),
        ("/v1/brands/acme/suppressions?cursor=x", 422),
        ("/v1/brands/acme/suppressions?since=yesterday", 422),
        ("/v1/brands/acme/suppressions?since=2026-02-31T00:00:00Z", 422),
        ("/v1/brands/acme/suppressions?source=telepathy", 422),
        ("/v1/brands/acme/suppressions?group=nothing", 422),
        ("/v1/brands/acme/suppressions?limit=%FF", 400),
        ("/v1/brands/acme/events?cursor=anything", 422),
        ("/v1/brands/acme/audit?cursor=$", 422),
        ("/v1/brands/acme/webhooks/dead-letters?cursor=999:1-1", 422),
        ("/v1/brands/acme/groups?x=1", 422),
    ],
)
async def test_a_question_that_cannot_be_answered_is_a_problem_document(
    api: Api, path: str, status: int
) -> None:
    reply = await api.get(path)

    assert (status, "application/problem+json") == (reply.status, reply.fields["content-type"])
    assert reply.json["status"] == status and reply.json["title"]


@pytest.mark.parametrize(
    ("body", "fields", "status", "place"),
    [
        (b"{", {}, 400, None),
        (b'"x"', {}, 422, "body"),
        (b"{}", {}, 422, "body.name"),
        (b'{"name":"x","colour":"red"}', {}, 422, "body.colour"),
        (b'{"name":7}', {}, 422, "body.name"),
        (b'{"name":"x","id":"a b"}', {}, 422, "body.id"),
        (b'{"name":"all"}', {}, 422, None),
        (b'{"name":"a<b"}', {}, 422, None),
        (b'{"name":"x\\r\\nBcc: a@b"}', {}, 422, None),
        (b'{"name":"x"}', {"Content-Type": "text/plain"}, 415, None),
        (b'{"name":"x"}', {"Content-Type": ""}, 415, None),
        (b'{"name":"' + b"x" * 70_000 + b'"}', {}, 413, None),
    ],
)
async def test_a_body_that_cannot_be_taken_is_refused_by_its_place(
    api: Api, body: bytes, fields: dict[str, str], status: int, place: str | None
) -> None:
    """Catalogue L2."""
    reply = await api.ask(
        "POST", GROUPS, data=body, fields={"Content-Type": "application/json"} | fields
    )

    assert status == reply.status
    assert place in [fault["place"] for fault in reply.json.get("errors", [{"place": None}])]
    assert [] == (await api.get(GROUPS)).json["groups"]


async def test_no_answer_may_be_kept_by_a_cache(api: Api) -> None:
    """Catalogue E16."""
    replies = [
        await api.get(GROUPS),
        await api.get(GROUPS, key=""),
        await api.get("/docs"),
        await api.get("/openapi.json"),
    ]

    assert {"no-store"} == {reply.fields["cache-control"] for reply in replies}
    assert {"nosniff"} == {reply.fields["x-content-type-options"] for reply in replies}
