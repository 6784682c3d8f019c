"""What other data centres ship home through the callback API: only what is sealed acts."""

import os

import pytest

from app.core.keyring import Keyring
from app.core.model import Purpose, Source, Statement
from app.core.shipment import PATH, SEAL_FIELD, pack, seal
from tests.web.running import ACME, KEYS, NOW_MS, PRIMARY, Site, running

KEYRING = Keyring(keys=(*KEYS, PRIMARY), pepper=b"p" * 32)
EARLIER_MS = NOW_MS - 86_400_000


def statement_of(site: Site, *, home: int = 1, subscribed: bool = False) -> Statement:
    return Statement(
        id=os.urandom(16),
        brand=ACME,
        digest=site.codec.digest("bob@example.com", brand=ACME),
        groups=(),
        subscribed=subscribed,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=EARLIER_MS,
        home=home,
    )


async def ship(site: Site, statement: Statement, *, query: str = "", spoil: bytes = b"") -> int:
    body = pack(statement, sender=2)
    fields = {SEAL_FIELD: seal(KEYRING, body, at_ms=NOW_MS), "Content-Type": "application/json"}
    return (await site.ask("POST", f"{PATH}{query}", fields=fields, body=body + spoil)).status


async def test_a_sealed_statement_holds_since_it_was_said(site: Site) -> None:
    statuses = [await ship(site, statement_of(site)) for _ in range(3)]

    state = await site.state()
    assert [200] * 3 == statuses
    assert (False, Source.LIST_UNSUBSCRIBE, EARLIER_MS, 1) == (
        state.everything.subscribed,
        state.everything.source,
        state.everything.since_ms,
        state.sequence,
    )


async def test_a_sealed_statement_may_say_that_somebody_came_back(site: Site) -> None:
    await ship(site, statement_of(site))

    await ship(site, statement_of(site, subscribed=True)._replace(at_ms=EARLIER_MS + 1))

    assert not await site.left()


@pytest.mark.parametrize("query", ["", "?qmoe=CALLBACK"])
async def test_a_body_that_was_touched_does_nothing_even_beside_a_genuine_token(
    site: Site, query: str
) -> None:
    token = site.token(purpose=Purpose.CALLBACK)

    status = await ship(
        site, statement_of(site), query=query.replace("CALLBACK", token), spoil=b" "
    )

    assert 400 == status
    assert not await site.left()


async def test_a_statement_of_another_home_is_refused(site: Site) -> None:
    assert 400 == await ship(site, statement_of(site, home=3))
    assert not await site.left()


async def test_a_body_without_a_seal_is_no_shipment(site: Site) -> None:
    """Catalogue T4: only the seal gives the right; a managed token beside the body still does
    nothing.
    """
    body = pack(statement_of(site), sender=2)

    bare = await site.ask("POST", PATH, body=body)
    managed = await site.ask(
        "POST", f"{PATH}?qmoe={site.token(purpose=Purpose.ONE_CLICK)}", body=body
    )

    assert [400, 403] == [bare.status, managed.status]
    assert not await site.left()


async def test_a_get_ships_nothing(site: Site) -> None:
    body = pack(statement_of(site), sender=2)

    reply = await site.ask(
        "GET", PATH, fields={SEAL_FIELD: seal(KEYRING, body, at_ms=NOW_MS)}, body=body
    )

    assert 400 == reply.status
    assert not await site.left()


async def test_what_is_not_durable_is_to_be_shipped_again(site: Site) -> None:
    """Catalogue E8."""
    site.store.down = True

    assert 503 == await ship(site, statement_of(site))


async def test_bad_seals_are_throttled_and_good_ones_are_not() -> None:
    """Catalogue E10."""
    async with running(bad_tokens_per_minute=2) as site:
        bad = [await ship(site, statement_of(site), spoil=b" ") for _ in range(3)]
        good = await ship(site, statement_of(site))

    assert [400, 400, 429] == bad
    assert 200 == good
