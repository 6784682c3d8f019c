"""One recipient over the API: looked at, unsubscribed, resubscribed with consent, erased."""

from pathlib import Path
from urllib.parse import quote

import pytest

from app.store.spool import SqliteSpool
from tests.admin.api.running import Api, running

BOB = "/v1/brands/acme/recipients/bob@example.com"


async def test_a_stranger_is_subscribed_to_everything(api: Api) -> None:
    reply = await api.get(BOB)

    assert 200 == reply.status
    assert {"subscribed": True} == reply.json["all"]
    assert ({}, 0, '"0"', "bob@example.com") == (
        reply.json["groups"],
        reply.json["sequence"],
        reply.fields["etag"],
        reply.json["address"],
    )


async def test_an_unsubscribe_is_durable_tells_its_source_and_may_be_repeated(api: Api) -> None:
    """Catalogue Q8."""
    first, again = await api.post(f"{BOB}/unsubscribe"), await api.post(f"{BOB}/unsubscribe", {})

    state = (await api.get(BOB)).json
    history = (await api.get(f"{BOB}/history")).json["events"]
    assert (200, 200, 1) == (first.status, again.status, first.json["copies"])
    assert {
        "subscribed": False,
        "source": "api",
        "since": "2026-09-21T14:13:20.000Z",
        "last": "2026-09-21T14:13:20.000Z",
    } == state["all"]
    assert [("Email Unsubscribed", "API", "bob@example.com", first.json["id"])] == [
        (event["event"], event["source"], event["email"], event["id"]) for event in history
    ]


async def test_groups_are_named_by_id_or_name_and_unknown_ones_are_refused(api: Api) -> None:
    await api.post("/v1/brands/acme/groups", {"name": "Product News", "id": "news"})

    good = await api.post(f"{BOB}/unsubscribe", {"groups": ["product news"]})
    bad = await api.post(f"{BOB}/unsubscribe", {"groups": ["nothing"]})

    state = (await api.get(BOB)).json
    assert (200, 422) == (good.status, bad.status)
    assert "no such subscription group" in bad.json["detail"]
    assert (True, False) == (state["all"]["subscribed"], state["groups"]["news"]["subscribed"])


async def test_a_resubscribe_needs_consent_and_the_state_that_was_seen(api: Api) -> None:
    """Catalogue Q6: a newer unsubscribe wins over an operator who had not seen it, and the consent
    is kept.
    """
    await api.post(f"{BOB}/unsubscribe")
    api.now_ms += 1000

    bare = await api.post(f"{BOB}/resubscribe", {"consent": "called us"})
    silent = await api.post(f"{BOB}/resubscribe", {"sequence": 1})
    odd = [
        await api.post(f"{BOB}/resubscribe", {"consent": f"called{char}us", "sequence": 1})
        for char in "\n\r\t\x00\x1b\x7f\x85\u2028"
    ]
    stale = await api.post(f"{BOB}/resubscribe", {"consent": "called us", "sequence": 0})
    good = await api.post(
        f"{BOB}/resubscribe", {"consent": "called us", "sequence": 1.0}, fields={"If-Match": '"1"'}
    )
    both = await api.post(
        f"{BOB}/resubscribe", {"consent": "x", "sequence": 7}, fields={"If-Match": '"1"'}
    )

    audit = (await api.get("/v1/brands/acme/audit")).json["audit"]
    assert [422, 422, 409, 200, 422] == [one.status for one in (bare, silent, stale, good, both)]
    assert "the sequence that was seen must be told" in bare.json["detail"]
    assert ["body.consent"] == [fault["place"] for fault in silent.json["errors"]]
    assert {422} == {one.status for one in odd}
    assert (await api.state("bob@example.com")).everything.subscribed
    assert ("recipient_resubscribed", "called us", "file") == (
        audit[-1]["action"],
        audit[-1]["detail"]["consent"],
        audit[-1]["actor"],
    )
    assert audit[-1]["target"] == good.json["recipient"]


async def test_an_erased_recipient_stays_suppressed_and_leaves_no_address(api: Api) -> None:
    """Catalogue Q12."""
    await api.post(f"{BOB}/unsubscribe")

    erased = await api.ask("DELETE", BOB)
    again = await api.post(f"{BOB}/erase")

    listed = (await api.get("/v1/brands/acme/suppressions")).json["suppressions"]
    checked = await api.post("/v1/brands/acme/check", {"addresses": ["bob@example.com"]})
    assert (204, 204, b"") == (erased.status, again.status, erased.body)
    assert [None] == [row.get("address") for row in listed]
    assert ["unsubscribed"] == [one["reason"] for one in checked.json["suppressed"]]
    assert [] == (await api.get(f"{BOB}/history")).json["events"]
    assert [b""] == [entry.statement.sealed_address for entry in api.store.work.values()]


async def test_the_store_away_answers_503_and_says_when_to_come_again(api: Api) -> None:
    key = await api.new_key()
    await api.get(BOB, key=key)
    api.store.down = True

    replies = [
        await api.get(BOB, key=key),
        await api.post(f"{BOB}/unsubscribe", key=key),
        await api.get(BOB, key=f"{key[:-1]}_"),
    ]

    assert [503, 503, 401] == [reply.status for reply in replies]
    assert "30" == replies[0].fields["retry-after"]


async def test_an_unsubscribe_from_all_mail_needs_no_store_where_there_is_a_spool(
    tmp_path: Path,
) -> None:
    """Catalogue E8."""
    spool = SqliteSpool(tmp_path / "spool")
    async with running(spool=spool) as api:
        api.store.down = True
        left = await api.post(f"{BOB}/unsubscribe")
        rows = await spool.unconfirmed(after=0, limit=10)
    await spool.close()

    assert (200, 1) == (left.status, left.json["copies"])
    assert [left.json["id"]] == [statement.id.hex() for _, statement in rows]


@pytest.mark.parametrize(
    "address",
    [
        "a/b@example.com",
        "a//b@example.com",
        "jörg@bücher.example",
        '"a b"@example.com',
        "a%2Fb@example.com",
    ],
)
async def test_any_address_can_stand_in_the_path(api: Api, address: str) -> None:
    path = f"/v1/brands/acme/recipients/{quote(address, safe='')}"

    left = await api.post(f"{path}/unsubscribe")

    shown = await api.get(path)
    assert (200, False, address) == (
        left.status,
        shown.json["all"]["subscribed"],
        shown.json["address"],
    )
    assert not (await api.state(address)).everything.subscribed


@pytest.mark.parametrize(
    "path",
    [
        "bob",
        "bob%40",
        "%FF@example.com",
        "a%20b@example.com",
        "a%0d%0aBcc:x@example.com",
        "a%00@example.com",
    ],
)
async def test_what_is_no_address_is_422_and_is_not_repeated(api: Api, path: str) -> None:
    """Catalogue L2."""
    reply = await api.get(f"/v1/brands/acme/recipients/{path}")

    assert (422, "address_invalid") == (reply.status, reply.json["code"])
    assert b"Bcc" not in reply.body
