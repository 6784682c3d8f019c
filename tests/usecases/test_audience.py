"""The states of a message's recipients come in time or not at all."""

from collections.abc import Callable
from typing import Protocol

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, GroupId, RecipientDigest, Statement, SubscriptionGroup
from app.store.groups_memory import MemoryGroups
from app.usecases.audience import Audience
from app.usecases.ports import Store


class Switched(Store, Protocol):
    """The store of conftest.py."""

    state: str


async def test_states_come_in_the_order_of_the_recipients(store: Switched, make_statement: Callable[..., Statement]) -> None:
    left = make_statement()
    await store.apply(left)

    found = await Audience(store, MemoryGroups()).states(left.brand, [RecipientDigest(b"a stranger"), left.digest])

    assert [True, False] == [one.everything.subscribed for one in found]


@pytest.mark.parametrize("state", ["off", "hung"])
async def test_a_store_that_does_not_answer_in_time_is_unavailable(
    store: Switched, make_statement: Callable[..., Statement], state: str
) -> None:
    store.state = state

    with pytest.raises(StoreUnavailable):
        await Audience(store, MemoryGroups(), deadline=0.05).states(make_statement().brand, [RecipientDigest(b"a stranger")])


async def test_a_group_has_its_new_name_as_soon_as_the_list_is_read_anew(store: Switched) -> None:
    book, brand, said = MemoryGroups(), BrandNumber(7), [GroupId("Product News")]
    audience = Audience(store, book)
    unknown = (await audience.names(brand)).resolve(said)
    await book.add(brand, SubscriptionGroup(id=GroupId("news"), name="Product News"), most_active=50)

    assert unknown == ("Product News",)
    assert (await audience.names(brand)).resolve(said) == ("news",)
