"""Which statements have another home, and what the home does with them."""

import itertools

import pytest
import structlog

from app.core.errors import InvalidInput, TokenTagInvalid
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, Claims, Purpose, Source
from app.core.shipment import pack, seal
from app.core.token import TokenCodec
from app.usecases.recency import AHEAD_MS
from app.usecases.record_statement import RecordStatement
from app.usecases.routing import HERE, Routing
from app.usecases.shipping import TakeShipment
from app.usecases.token_links import TokenLinks
from tests.support.memory_store import MemoryStore

NOW_MS = 1_790_000_000_000
BRAND = BrandNumber(7)
KEYRING = Keyring(
    keys=[MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY)], pepper=b"p" * 32
)
LOG = structlog.get_logger()


class Centre:
    """One data centre in memory: its codec, its store, its ways in."""

    def __init__(self, number: int, *, listed: tuple[int, ...] = (1, 2)) -> None:
        self.store = MemoryStore()
        self.codec = TokenCodec(keyring=KEYRING, data_centre=number)
        self.now_ms = NOW_MS
        unsubscribe = RecordStatement(self.store, None, lambda: self.now_ms)
        numbers = itertools.count(1)
        self.click = TokenLinks(
            codec=self.codec,
            unsubscribe=unsubscribe,
            clock=lambda: self.now_ms,
            new_id=lambda: next(numbers).to_bytes(16, "big"),
            seal=self.codec.seal_address,
            home=Routing(own=number, listed=listed, log=LOG),
        )
        self.take = TakeShipment(
            keyring=KEYRING, data_centre=number, unsubscribe=unsubscribe, log=LOG
        )

    def claims(self, *, centre: int, address: str = "bob@example.com") -> Claims:
        mint = TokenCodec(keyring=KEYRING, data_centre=centre)
        minter = mint.minter(brand=BRAND, purpose=Purpose.ONE_CLICK, at_ms=NOW_MS)
        token = minter.mint(address=address, digest=mint.digest(address, brand=BRAND))
        return self.click.look(token, purpose=Purpose.ONE_CLICK)


async def test_what_a_token_of_another_data_centre_says_holds_here_at_once_and_is_to_be_shipped_home() -> (
    None
):
    here = Centre(1)

    await here.click.leave(here.claims(centre=2), source=Source.LIST_UNSUBSCRIBE)

    (change,) = here.store.changes
    (work,) = here.store.work.values()
    assert (2, 2) == (change.statement.home, work.statement.home)


async def test_what_is_at_home_here_is_not_shipped() -> None:
    here = Centre(2)

    await here.click.leave(here.claims(centre=2), source=Source.LIST_UNSUBSCRIBE)

    assert [HERE] == [change.statement.home for change in here.store.changes]


async def test_a_token_of_a_data_centre_that_is_not_listed_is_treated_as_ours_and_noticed_once() -> (
    None
):
    here = Centre(1)
    with structlog.testing.capture_logs() as logs:
        for address in ("a@example.com", "b@example.com"):
            await here.click.leave(
                here.claims(centre=9, address=address), source=Source.LIST_UNSUBSCRIBE
            )

    assert [HERE, HERE] == [change.statement.home for change in here.store.changes]
    assert [{"event": "data_centre_unknown", "data_centre": 9, "log_level": "warning"}] == logs


async def test_the_home_applies_a_statement_at_its_own_time_and_by_its_own_way_however_often_it_comes() -> (
    None
):
    here, home = Centre(1), Centre(2)
    home.now_ms += 3_600_000
    await here.click.leave(here.claims(centre=2), source=Source.MAILTO)
    (work,) = here.store.work.values()
    body = pack(work.statement, sender=1)

    for _ in range(3):
        await home.take.take(home.take.open(body, seal(KEYRING, body, at_ms=NOW_MS)))

    (change,) = home.store.changes
    assert work.statement._replace(home=HERE) == change.statement
    assert (NOW_MS, Source.MAILTO) == (change.statement.at_ms, change.statement.source)


async def test_a_statement_that_comes_home_late_does_not_undo_what_was_said_after_it() -> None:
    """Shipping keeps the order of what the recipient said (catalogue Q6)."""
    here, home = Centre(1), Centre(2)
    await here.click.leave(here.claims(centre=2), source=Source.LIST_UNSUBSCRIBE)
    (work,) = here.store.work.values()
    digest = work.statement.digest
    await home.store.apply(
        work.statement._replace(id=b"r" * 16, subscribed=True, at_ms=NOW_MS + 1, home=HERE)
    )
    body = pack(work.statement, sender=1)

    await home.take.take(home.take.open(body, seal(KEYRING, body, at_ms=NOW_MS)))

    (state,) = await home.store.preferences(BRAND, [digest])
    assert state.everything.subscribed


async def test_a_time_that_lies_far_ahead_is_taken_as_a_little_ahead() -> None:
    home = Centre(2)
    statement = Centre(1).claims(centre=2)
    ahead = home.click._statements.of(statement, (), Source.LIST_UNSUBSCRIBE)._replace(
        at_ms=NOW_MS + 10 * AHEAD_MS, home=2
    )
    body = pack(ahead, sender=1)

    await home.take.take(home.take.open(body, seal(KEYRING, body, at_ms=NOW_MS)))

    assert [NOW_MS + AHEAD_MS] == [change.statement.at_ms for change in home.store.changes]


async def test_a_statement_of_another_home_is_refused_and_one_with_a_broken_seal_too() -> None:
    home = Centre(3)
    statement = Centre(1).claims(centre=2)
    body = pack(
        home.click._statements.of(statement, (), Source.LIST_UNSUBSCRIBE)._replace(home=2), sender=1
    )

    with pytest.raises(InvalidInput, match="data centre 2, and this is 3"):
        home.take.open(body, seal(KEYRING, body, at_ms=NOW_MS))
    with pytest.raises(TokenTagInvalid):
        home.take.open(body + b" ", seal(KEYRING, body, at_ms=NOW_MS))
    assert () == home.store.changes
