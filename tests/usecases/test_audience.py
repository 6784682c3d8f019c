"""The states of a message's recipients come in time or not at all."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, GroupId, RecipientDigest, Statement, SubscriptionGroup
from app.usecases.audience import Audience
from app.usecases.ports import Store
from tests.support.memory_groups import MemoryGroups


class Switched(Store, Protocol):
    """The store of conftest.py."""

    state: str


async def test_states_come_in_the_order_of_the_recipients(
    store: Switched, make_statement: Callable[..., Statement]
) -> None:
    left = make_statement()
    await store.apply(left)

    found = await Audience(store, MemoryGroups()).states(
        left.brand, [RecipientDigest(b"a stranger"), left.digest]
    )

    assert [True, False] == [one.everything.subscribed for one in found]


@pytest.mark.parametrize("state", ["off", "hung"])
async def test_a_store_that_does_not_answer_in_time_is_unavailable(
    store: Switched, make_statement: Callable[..., Statement], state: str
) -> None:
    store.state = state

    with pytest.raises(StoreUnavailable):
        await Audience(store, MemoryGroups(), deadline=0.05).states(
            make_statement().brand, [RecipientDigest(b"a stranger")]
        )


async def test_a_group_has_its_new_name_as_soon_as_the_list_is_read_anew(store: Switched) -> None:
    book, brand, said = MemoryGroups(), BrandNumber(7), [GroupId("Product News")]
    audience = Audience(store, book)
    unknown = (await audience.names(brand)).resolve(said)
    await book.add(
        brand, SubscriptionGroup(id=GroupId("news"), name="Product News"), most_active=50
    )

    assert unknown == ("product-news",)
    assert (await audience.names(brand)).resolve(said) == ("news",)


class FadingBook:
    """Groups that can be read once."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs
        self._read = False

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        if not self._read:
            self._read = True
            return (SubscriptionGroup(id=GroupId("news"), name="Product News"),)
        if self._hangs:
            await asyncio.Event().wait()
        raise StoreUnavailable("away")


@pytest.mark.parametrize("hangs", [False, True])
async def test_the_last_known_groups_serve_while_they_cannot_be_read(
    store: Switched, hangs: bool
) -> None:
    """Catalogue Q5, Q11."""
    audience, brand = Audience(store, FadingBook(hangs=hangs)), BrandNumber(7)

    first, later = await audience.names(brand), await audience.names(brand)

    assert (
        ("news",)
        == first.resolve([GroupId("Product News")])
        == later.resolve([GroupId("Product News")])
    )
    assert await audience.has_groups(brand)


async def test_groups_that_were_never_read_are_none_to_choose_from_and_none_to_guess(
    store: Switched,
) -> None:
    book = FadingBook(hangs=False)
    await book.groups(BrandNumber(7))
    audience = Audience(store, book)

    with pytest.raises(StoreUnavailable):
        await audience.names(BrandNumber(7))

    assert not await audience.has_groups(BrandNumber(7))
