"""Subscription groups: what they may be called, and the cache before them."""

import asyncio
from collections.abc import Sequence

import pytest

from app.core.errors import Conflict, NotFound, RuleViolation, StoreUnavailable
from app.core.group_names import NO_NAMES
from app.core.groups import MOST_ACTIVE, group_key, slug
from app.core.model import BrandNumber, GroupId, SubscriptionGroup
from app.usecases.group_cache import CachedGroups
from app.usecases.groups import Groups
from tests.support.memory_groups import MemoryGroups

BRAND = BrandNumber(7)


@pytest.fixture
def groups() -> Groups:
    return Groups(MemoryGroups(), lambda: 5000)


async def test_a_group_gets_an_id_of_its_name(groups: Groups) -> None:
    made = await groups.create(BRAND, name="  Product   News ", description=" What is new ")

    assert (
        SubscriptionGroup(
            id=GroupId("product-news"),
            name="Product News",
            description="What is new",
            created_ms=5000,
        )
        == made
    )
    assert [made] == list(await groups.list(BRAND))


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("Été à Paris", "ete-a-paris"),
        ("50% off!", "50-off"),
        ("A" * 90, "a" * 48),
        ("साप्ताहिक", "group-d05cdc35"),
    ],
)
def test_the_id_of_a_name_is_plain(name: str, id_: str) -> None:
    assert id_ == slug(name)


async def test_a_second_name_with_the_same_slug_gets_a_numbered_id(groups: Groups) -> None:
    made = [await groups.create(BRAND, name=name) for name in ("News", "News!", "(News)")]

    assert ["news", "news-2", "news-3"] == [group.id for group in made]


async def test_an_id_may_be_chosen_and_is_taken_once(groups: Groups) -> None:
    await groups.create(BRAND, name="One", id=GroupId("12345"))

    with pytest.raises(Conflict):
        await groups.create(BRAND, name="Two", id=GroupId("12345"))
    with pytest.raises(RuleViolation):
        await groups.create(BRAND, name="Two", id=GroupId("no blanks"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 101,
        "<b>",
        "a < b",
        "a > b",
        "a\u2066b",
        "a\x85b",
        "a\tb",
        "a\x00b",
        "a\nb",
        "a\u2028b",
        "\u202eevil",
        "a\x1b[31m",
    ],
)
async def test_a_name_that_a_page_could_not_print_is_refused(groups: Groups, name: str) -> None:
    """CleverTap's documents: pages of brands print names without escaping. Catalogue L9."""
    with pytest.raises(RuleViolation):
        await groups.create(BRAND, name=name)
    assert [] == list(await groups.list(BRAND))


async def test_a_name_is_compared_in_one_form(groups: Groups) -> None:
    await groups.create(BRAND, name="Cafe\u0301")

    with pytest.raises(Conflict):
        await groups.create(BRAND, name="CAF\u00c9")
    assert "Caf\u00e9" == (await groups.list(BRAND))[0].name


async def test_editing_keeps_what_was_not_said_and_the_id(groups: Groups) -> None:
    made = await groups.create(BRAND, name="News", description="Weekly")

    renamed = await groups.edit(BRAND, made.id, name="Letters")
    described = await groups.edit(BRAND, made.id, description="")

    assert ("news", "Letters", "Weekly") == (renamed.id, renamed.name, renamed.description)
    assert ("news", "Letters", "") == (described.id, described.name, described.description)
    with pytest.raises(RuleViolation):
        await groups.edit(BRAND, made.id, description="<script>")


async def test_archiving_and_restoring_may_be_repeated(groups: Groups) -> None:
    made = await groups.create(BRAND, name="News")

    archived = [await groups.archive(BRAND, made.id) for _ in range(2)]
    with pytest.raises(Conflict, match="archived group keeps its name"):
        await groups.create(BRAND, name="news", id=GroupId("other"))
    restored = [await groups.restore(BRAND, made.id) for _ in range(2)]

    assert [True, True, False, False] == [group.archived for group in archived + restored]


async def test_the_fifty_first_active_group_is_refused_until_one_is_archived(
    groups: Groups,
) -> None:
    """As CleverTap's documents say."""
    for number in range(MOST_ACTIVE):
        await groups.create(BRAND, name=f"Group {number}")

    with pytest.raises(Conflict):
        await groups.create(BRAND, name="One more")
    await groups.archive(BRAND, GroupId("group-0"))
    await groups.create(BRAND, name="One more")
    with pytest.raises(Conflict):
        await groups.restore(BRAND, GroupId("group-0"))


async def test_a_group_that_is_not_there_cannot_be_changed(groups: Groups) -> None:
    for change in (
        groups.archive(BRAND, GroupId("x")),
        groups.restore(BRAND, GroupId("x")),
        groups.edit(BRAND, GroupId("x"), name="y"),
    ):
        with pytest.raises(NotFound):
            await change


def test_the_key_of_a_group_never_changes() -> None:
    assert 0x19FBA0E9 == group_key(GroupId("news"))


class Book(MemoryGroups):
    """The twin, which counts its readers, lets them wait, and can be switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.down = False
        self.open = asyncio.Event()
        self.open.set()

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        self.reads += 1
        await self.open.wait()
        if self.down:
            raise StoreUnavailable("switched off")
        return await super().groups(brand)


async def test_the_cache_asks_once_in_five_seconds() -> None:
    book, now = Book(), [0]
    cache = CachedGroups(book, lambda: now[0])
    await cache.groups(BRAND)
    await Groups(book, lambda: 1).create(BRAND, name="News")
    reads = book.reads

    now[0] = 4_999
    before = await cache.groups(BRAND)
    now[0] = 5_000
    after = await cache.groups(BRAND)

    assert ([], ["news"]) == ([group.id for group in before], [group.id for group in after])
    assert reads + 1 == book.reads


async def test_many_who_ask_at_once_are_one_look_up_and_one_who_leaves_does_not_end_it() -> None:
    book = Book()
    cache = CachedGroups(book, lambda: 0)
    book.open.clear()
    asking = [asyncio.ensure_future(cache.groups(BRAND)) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    book.open.set()

    answers = await asyncio.gather(*asking[1:])

    assert 1 == book.reads
    assert [()] * 19 == list(answers)


async def test_while_the_store_is_away_the_last_known_groups_serve_on() -> None:
    book, now = Book(), [0]
    await Groups(book, lambda: 1).create(BRAND, name="News")
    cache = CachedGroups(book, lambda: now[0])
    known = await cache.groups(BRAND)
    book.down = True
    now[0] = 60_000

    assert known == await cache.groups(BRAND)
    with pytest.raises(StoreUnavailable):
        await cache.groups(BrandNumber(8))


@pytest.mark.parametrize(
    "name",
    [
        "Q&A",
        "What's new",
        'The "best" of',
        "R&amp;D",
        "&lt;b&gt;",
        "a\\b",
        "{name}",
        "%s",
        "=1+1",
        "100 % ?#/",
        "हिन्दी",
        "👩\u200d💻",
        "a;b,c",
        "`x`",
    ],
)
async def test_a_name_is_kept_as_it_was_entered(groups: Groups, name: str) -> None:
    """Catalogue N12: what a webhook tells is what was entered."""
    await groups.create(BRAND, name=name)

    assert name in {group.name for group in await groups.list(BRAND)}


@pytest.mark.parametrize("name", ["all", "ALL", "*", " * "])
async def test_a_word_for_all_mail_is_no_name(groups: Groups, name: str) -> None:
    """Catalogue N1: in lists `*` and `all` mean all mail, and a group could not be told apart."""
    with pytest.raises(RuleViolation, match="stands for all mail"):
        await groups.create(BRAND, name=name)


@pytest.mark.parametrize("name", ["News", "Product News", "weekly_tips", "हिन्दी", "news.2", "7"])
async def test_what_was_said_about_a_name_holds_for_the_group_that_is_made_of_it(
    groups: Groups, name: str
) -> None:
    """Catalogue Q5: mail may name a group before somebody creates it."""
    (before,) = NO_NAMES.resolve([GroupId(name)])

    created = await groups.create(BRAND, name=name)

    assert created.id == before
