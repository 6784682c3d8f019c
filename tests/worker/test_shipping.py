"""Statements on their way home: real store, real worker, real HTTP."""

from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import GroupKey, Purpose, Statement
from app.core.shipment import PATH, SEAL_FIELD, home, home_key, unpack
from app.core.token import TokenCodec
from app.core.webhook import Endpoint, Reach
from app.observe import metrics
from app.store.deliveries import RedisDeliveries
from app.store.redis import RedisStore
from app.usecases.webhooks import Webhooks
from app.worker.breaker import Breaker
from tests.support.receiver import Receiver, Told, receiving
from tests.worker.running import (
    KEYRING,
    endpoint_of,
    eventually,
    now_ms,
    settled,
    statement_of,
    working,
)

HOME = 2
AT_HOME = TokenCodec(keyring=KEYRING, data_centre=HOME)


def home_at(receiver: Receiver) -> Endpoint:
    return home(HOME, receiver.url.removesuffix("/hooks"), Reach.LOOPBACK)


def shipped(told: Told) -> Statement:
    fields = {name.lower(): value for name, value in told.headers.items()}
    shipment = unpack(KEYRING, told.body, fields[SEAL_FIELD])
    assert (1, HOME) == (shipment.sender, shipment.home)
    return shipment.statement


async def test_a_statement_is_shipped_home_and_told_to_no_brand_from_here(
    url: str, store: RedisStore
) -> None:
    """The event's sequence counts at home, so the home tells it."""
    click = statement_of("ann@example.net", home=HOME)
    async with (
        receiving() as brand,
        receiving() as centre,
        working(url, [endpoint_of(brand.url), home_at(centre)]),
    ):
        await store.apply(click)
        await eventually(lambda: centre.book)
        await eventually(lambda: settled(store))

    (told,) = centre.book
    assert click._replace(home=0) == shipped(told)
    assert [] == brand.book


async def test_a_statement_that_changed_nothing_here_is_shipped_too(
    url: str, store: RedisStore
) -> None:
    async with receiving() as centre, working(url, [home_at(centre)]):
        for _ in range(2):
            await store.apply(statement_of("ann@example.net", home=HOME))
        await centre.until(lambda centre: len(centre.book) == 2)

    assert 2 == len({shipped(told).id for told in centre.book})


async def test_the_request_is_one_of_the_callback_api_with_a_token_for_the_same_recipient(
    url: str, store: RedisStore
) -> None:
    click = statement_of("ann@example.net", home=HOME, groups=(GroupKey(5),))
    async with receiving() as centre, working(url, [home_at(centre)]):
        await store.apply(click)
        await eventually(lambda: centre.book)

    (told,) = centre.book
    path, _, token = told.target.partition("?qmoe=")
    claims = AT_HOME.open(token, purpose=Purpose.CALLBACK)
    assert PATH == path
    assert (HOME, click.brand, click.digest, click.groups, "") == (
        claims.data_centre,
        claims.brand,
        claims.digest,
        claims.groups,
        claims.address,
    )


async def test_no_token_goes_beside_what_a_token_cannot_say(url: str, store: RedisStore) -> None:
    """A token alone unsubscribes, so it never travels with a return; and one of many groups fits
    into no URL.
    """
    back = statement_of("ann@example.net", home=HOME, subscribed=True)
    many = statement_of(
        "bob@example.net", home=HOME, groups=tuple(GroupKey(number) for number in range(1, 51))
    )
    async with receiving() as centre, working(url, [home_at(centre)]):
        for statement in (back, many):
            await store.apply(statement)
        await centre.until(lambda centre: len(centre.book) == 2)

    assert {PATH} == {told.target for told in centre.book}
    assert {back._replace(home=0), many._replace(home=0)} == {shipped(told) for told in centre.book}


async def test_nothing_that_a_home_answers_makes_us_give_up(url: str, store: RedisStore) -> None:
    """More failures than the schedule of webhooks has tries, 410 among them: then it answers, and
    has it.
    """
    statuses = [500, 410, 400, 404, 302, 429] * 4
    failed = metrics.SHIPMENTS.labels("failed")
    before = failed._value.get()
    async with (
        receiving(statuses=list(statuses)) as centre,
        working(url, [home_at(centre)], breaker=lambda: Breaker(failures=1000)) as own,
    ):
        await store.apply(statement_of("ann@example.net", home=HOME))
        await centre.until(lambda centre: len(centre.book) == len(statuses) + 1)
        await eventually(lambda: settled(store))

        assert frozenset() == await RedisDeliveries(own.connection).switched_off()
        assert 0 == await RedisDeliveries(own.connection).dead_count(range(256))

    assert 1 == len({shipped(told).id for told in centre.book})
    assert len(statuses) == failed._value.get() - before


async def test_what_a_home_did_not_take_is_shipped_by_the_next_worker(
    url: str, store: RedisStore
) -> None:
    """Catalogue Q2."""
    async with receiving(statuses=[503] * 1000) as centre:
        async with working(url, [home_at(centre)]):
            await store.apply(statement_of("ann@example.net", home=HOME))
            await centre.until(lambda centre: len(centre.book) >= 2)
        centre.statuses.clear()
        async with working(url, [home_at(centre)], name="next"):
            await eventually(lambda: settled(store))

    assert 1 == len({shipped(told).id for told in centre.book})


async def test_a_data_centre_that_the_settings_no_longer_list_leaves_a_dead_letter_that_can_be_sent_again(
    url: str, store: RedisStore
) -> None:
    deliveries = RedisDeliveries(store.connection)
    desk = Webhooks(deliveries=deliveries, endpoints=(), clock=now_ms)
    async with working(url, []):
        await store.apply(statement_of("ann@example.net", home=HOME))
        await eventually(lambda: desk.dead_letters(None))
    (letter,) = await desk.dead_letters(None)

    async with receiving() as centre, working(url, [home_at(centre)], name="next"):
        await desk.resend(None)
        await eventually(lambda: centre.book)

    assert (home_key(HOME), "data_centres no longer lists data centre 2") == (
        letter.delivery.endpoint,
        letter.delivery.reason,
    )
    assert letter.delivery.statement._replace(home=0) == shipped(centre.book[0])


async def test_without_a_key_that_mints_a_statement_waits(url: str, store: RedisStore) -> None:
    later = Keyring(
        keys=[MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY, not_before_ms=2**47)],
        pepper=b"p" * 32,
    )
    async with receiving() as centre:
        async with working(url, [home_at(centre)], keyring=later):
            await store.apply(statement_of("ann@example.net", home=HOME))
            await eventually(lambda: _failed(store))
        assert [] == centre.book
        # and due at once: the first worker may have put it off once more
        assert await _failed(store)
        async with working(url, [home_at(centre)], name="next"):
            await eventually(lambda: centre.book)


async def _failed(store: RedisStore) -> bool:
    taken = await RedisDeliveries(store.connection).take(
        range(256), now_ms=2**47, until_ms=0, limit=10
    )
    return any(
        delivery.reason == "the keyring has no primary key that may mint yet" for delivery in taken
    )
