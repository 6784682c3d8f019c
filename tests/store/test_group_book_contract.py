"""What every book of groups must do: run over the twin in memory, the embedded Valkey, a cluster,
and Debian's Redis (interop).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.core.errors import Conflict, StoreUnavailable
from app.core.groups import MOST_GROUPS
from app.core.model import BrandNumber, GroupId, SubscriptionGroup
from app.store import groups, keys
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.usecases.groups import Groups
from app.usecases.ports import GroupBook
from tests.support.memory_groups import MemoryGroups

_brands = itertools.count(100)


@pytest.fixture
def brand() -> BrandNumber:
    """A brand without groups, which no other test knows."""
    return BrandNumber(next(_brands))


@pytest.fixture(
    params=["memory", "valkey", "cluster", pytest.param("redis", marks=pytest.mark.interop)]
)
async def book(request: pytest.FixtureRequest) -> AsyncIterator[GroupBook]:
    if request.param == "memory":
        yield MemoryGroups()
        return
    store = RedisStore(request.getfixturevalue(f"{request.param}_url"), timeout=5)
    yield RedisGroups(store.connection)
    await store.close()


def group(
    id_: str, *, name: str = "", archived: bool = False, created_ms: int = 1000
) -> SubscriptionGroup:
    return SubscriptionGroup(
        id=GroupId(id_),
        name=name or f"Name of {id_}",
        description="दैनिक समाचार",
        archived=archived,
        created_ms=created_ms,
    )


async def test_a_brand_begins_without_groups(book: GroupBook, brand: BrandNumber) -> None:
    assert [] == list(await book.groups(brand))


async def test_groups_come_back_as_they_were_in_the_order_of_their_creation(
    book: GroupBook, brand: BrandNumber
) -> None:
    later, first = group("a", created_ms=2000), group("b", archived=True, created_ms=1000)
    for one in (later, first):
        await book.add(brand, one, most_active=50)

    assert [first, later] == list(await book.groups(brand))
    assert [] == list(await book.groups(BrandNumber(brand + 10_000)))


async def test_an_id_or_a_name_is_taken_once_whatever_its_case_and_whether_archived_or_not(
    book: GroupBook, brand: BrandNumber
) -> None:
    await book.add(brand, group("news", name="Straße", archived=True), most_active=50)

    with pytest.raises(Conflict, match="id"):
        await book.add(brand, group("news", name="Other"), most_active=50)
    with pytest.raises(Conflict, match="name"):
        await book.add(brand, group("other", name="STRASSE"), most_active=50)

    assert 1 == len(await book.groups(brand))


async def test_a_group_is_replaced_only_while_it_is_as_the_caller_read_it(
    book: GroupBook, brand: BrandNumber
) -> None:
    before = group("news")
    await book.add(brand, before, most_active=50)
    archived, renamed = replace(before, archived=True), replace(before, name="New name")

    assert await book.replace(brand, before, archived, most_active=50)
    assert not await book.replace(brand, before, renamed, most_active=50)
    assert not await book.replace(brand, group("none"), group("none", name="x"), most_active=50)

    assert [archived] == list(await book.groups(brand))


async def test_a_group_keeps_its_own_name_and_gets_no_other_groups_name(
    book: GroupBook, brand: BrandNumber
) -> None:
    one, other = group("one", name="One"), group("other", name="Other")
    await book.add(brand, one, most_active=50)
    await book.add(brand, other, most_active=50)

    assert await book.replace(brand, one, replace(one, name="ONE"), most_active=50)
    with pytest.raises(Conflict):
        await book.replace(brand, other, replace(other, name="one"), most_active=50)


async def test_only_so_many_may_be_active_and_archiving_makes_room(
    book: GroupBook, brand: BrandNumber
) -> None:
    one, two = group("one"), group("two")
    await book.add(brand, one, most_active=2)
    await book.add(brand, two, most_active=2)
    with pytest.raises(Conflict, match="active"):
        await book.add(brand, group("three"), most_active=2)
    await book.add(brand, group("kept", archived=True), most_active=2)

    gone = replace(one, archived=True)
    assert await book.replace(brand, one, gone, most_active=2)
    await book.add(brand, group("three"), most_active=2)
    with pytest.raises(Conflict, match="active"):
        await book.replace(brand, gone, one, most_active=2)
    assert await book.replace(brand, two, replace(two, name="Still editable"), most_active=1)


async def test_two_who_create_at_the_same_time_cannot_make_one_group_too_many(
    book: GroupBook, brand: BrandNumber
) -> None:
    """CleverTap's documents: 50 active groups, decided where they are written."""
    made = await asyncio.gather(
        *(book.add(brand, group(f"g{n}"), most_active=50) for n in range(80)),
        return_exceptions=True,
    )

    kept = await book.groups(brand)
    assert 50 == len(kept) == sum(result is None for result in made)
    assert 30 == sum(isinstance(result, Conflict) for result in made)


async def test_two_who_restore_or_create_one_name_at_the_same_time_do_not_both_succeed(
    book: GroupBook, brand: BrandNumber
) -> None:
    made = await asyncio.gather(
        *(book.add(brand, group(f"g{n}", name="Same"), most_active=50) for n in range(10)),
        return_exceptions=True,
    )

    assert 1 == sum(result is None for result in made)


async def test_an_edit_and_an_archive_at_the_same_time_are_both_kept(
    book: GroupBook, brand: BrandNumber
) -> None:
    use = Groups(book, lambda: 1000)
    made = await use.create(brand, name="News")

    await asyncio.gather(
        use.edit(brand, made.id, description="Weekly"),
        use.archive(brand, made.id),
        use.edit(brand, made.id, name="Letter"),
    )

    assert [replace(made, name="Letter", description="Weekly", archived=True)] == list(
        await use.list(brand)
    )


async def test_the_number_of_all_groups_of_a_brand_is_bounded() -> None:
    book, brand = MemoryGroups(), BrandNumber(1)
    for number in range(MOST_GROUPS):
        await book.add(brand, group(f"g{number}", archived=True), most_active=50)

    with pytest.raises(Conflict, match="archived ones counted"):
        await book.add(brand, group("one-more"), most_active=50)


async def test_the_bound_of_all_groups_holds_in_the_script_too(
    valkey: RedisStore, brand: BrandNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST_GROUPS", 2)
    book = RedisGroups(valkey.connection)
    for name in ("a", "b"):
        await book.add(brand, group(name, archived=True), most_active=50)

    with pytest.raises(Conflict, match="archived ones counted"):
        await book.add(brand, group("c"), most_active=50)


async def test_a_record_of_another_version_is_not_guessed_at(
    valkey: RedisStore, brand: BrandNumber
) -> None:
    for record in (b'{"v":2,"id":"x"}', b"not JSON", b'{"v":1}'):
        await valkey.connection.run([("HSET", keys.groups(brand), "00000001", record)])

        with pytest.raises(StoreUnavailable):
            await RedisGroups(valkey.connection).groups(brand)


async def test_a_store_that_does_not_answer_is_unavailable() -> None:
    away = RedisStore("redis://127.0.0.1:1", timeout=0.5)
    book = RedisGroups(away.connection)

    with pytest.raises(StoreUnavailable):
        await book.groups(BrandNumber(1))
    with pytest.raises(StoreUnavailable):
        await book.add(BrandNumber(1), group("a"), most_active=50)
    await away.close()
