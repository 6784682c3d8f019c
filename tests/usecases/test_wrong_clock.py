"""A web process whose clock was a day ahead, and is right again: whoever says now that they leave
has left, whatever way they say it.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from app.core.group_words import GroupWords
from app.core.groups import EVERYTHING, group_key
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Claims,
    GroupId,
    GroupKey,
    Purpose,
    RecipientDigest,
    Source,
    Statement,
    SubscriptionGroup,
)
from app.core.preference_form import Wish
from app.core.token import TokenCodec
from app.observe.log import logger
from app.store.spool import SqliteSpool
from app.usecases.auditing import Auditing
from app.usecases.groups import Groups
from app.usecases.import_list import ImportTerms, ListImporter
from app.usecases.recipients import Recipients
from app.usecases.record_statement import RecordStatement
from app.usecases.replay import Replayer
from app.usecases.save_preferences import SavePreferences
from app.usecases.token_links import TokenLinks
from tests.support.memory_groups import MemoryGroups
from tests.support.memory_queries import MemoryAudit
from tests.support.memory_store import MemoryStore
from tests.usecases.conftest import SwitchedStore

DAY = 86_400_000
NOW = 1_790_000_000_000
BRAND = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset(("acme.example",)),
)
NEWS = GroupId("news")
KEYRING = Keyring(
    keys=[MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY)], pepper=b"p" * 32
)
CODEC = TokenCodec(keyring=KEYRING, data_centre=1)
ADDRESS = "ann@example.net"
DIGEST = RecipientDigest(CODEC.digest(ADDRESS, brand=BRAND.number))
WORDS = GroupWords([SubscriptionGroup(id=NEWS, name="News")])
BOTH = (EVERYTHING, group_key(NEWS))


class Edge:
    """One process on a store whose clock is right."""

    def __init__(self) -> None:
        self.now_ms = NOW
        self.store = MemoryStore(clock=lambda: NOW)
        self.auditing = Auditing(MemoryAudit(), self.clock, logger("test"))
        self.book = MemoryGroups()
        numbers = itertools.count(1)
        unsubscribe = RecordStatement(self.store, None, self.clock)

        def new_id() -> bytes:
            return next(numbers).to_bytes(16, "big")

        self.click = TokenLinks(
            codec=CODEC,
            unsubscribe=unsubscribe,
            clock=self.clock,
            new_id=new_id,
            seal=CODEC.seal_address,
        )
        self.save = SavePreferences(
            unsubscribe=unsubscribe, clock=self.clock, new_id=new_id, seal=CODEC.seal_address
        )
        self.recipients = Recipients(
            store=self.store,
            book=self.book,
            unsubscribe=unsubscribe,
            auditing=self.auditing,
            codec=CODEC,
            clock=self.clock,
            new_id=new_id,
        )
        self.import_list = ListImporter(
            unsubscribe=unsubscribe,
            store=self.store,
            codec=CODEC,
            clock=self.clock,
            new_id=new_id,
            auditing=self.auditing,
        )

    def clock(self) -> int:
        return self.now_ms

    def claims(self) -> Claims:
        minter = CODEC.minter(brand=BRAND.number, purpose=Purpose.ONE_CLICK, at_ms=NOW)
        return self.click.look(
            minter.mint(address=ADDRESS, digest=DIGEST), purpose=Purpose.ONE_CLICK
        )

    async def subscribed(self) -> Mapping[GroupKey, bool]:
        (found,) = await self.store.preferences(BRAND.number, [DIGEST])
        return {EVERYTHING: found.everything.subscribed} | {
            key: one.subscribed for key, one in found.groups.items()
        }


async def one_line() -> AsyncIterator[bytes]:
    yield f"{ADDRESS}\n".encode()


def save(source: Source, *groups: GroupId) -> Callable[[Edge], object]:
    wish = Wish(leave=tuple(map(group_key, groups)) or (EVERYTHING,))
    return lambda edge: edge.save(edge.claims(), wish, source=source, expected_sequence=0)


async def by_operator_from_a_group(edge: Edge) -> None:
    await Groups(edge.book, edge.clock).create(BRAND.number, name="News", id=NEWS)
    await edge.recipients.unsubscribe(BRAND, ADDRESS, [NEWS], actor="test")


WAYS: Mapping[str, Callable[[Edge], object]] = {
    "one-click": lambda edge: edge.click.leave(edge.claims(), source=Source.LIST_UNSUBSCRIBE),
    "mail": lambda edge: edge.click.leave(edge.claims(), source=Source.MAILTO),
    "callback": lambda edge: edge.click.leave(edge.claims(), source=Source.CALLBACK),
    "complaint": lambda edge: edge.click.leave(edge.claims(), source=Source.COMPLAINT),
    "preference centre": save(Source.PREFERENCE_CENTRE),
    "landing page": save(Source.LANDING_PAGE),
    "group page": save(Source.GROUP_PAGE, NEWS),
    "admin API": lambda edge: edge.recipients.unsubscribe(BRAND, ADDRESS, actor="test"),
    "admin API, a group": by_operator_from_a_group,
    "import without a time": lambda edge: edge.import_list(
        BRAND, one_line(), ImportTerms(words=WORDS), actor="test"
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_leaves_now_has_left_by_every_way(way: str) -> None:
    """Catalogue N25."""
    edge = Edge()
    edge.now_ms = NOW + DAY
    await edge.save(
        edge.claims(), Wish(join=BOTH), source=Source.PREFERENCE_CENTRE, expected_sequence=0
    )
    edge.now_ms = NOW

    await WAYS[way](edge)  # type: ignore[misc]  # each returns something of its own

    about = group_key(NEWS) if "group" in way else EVERYTHING
    assert not (await edge.subscribed())[about]


async def test_a_list_that_dates_its_lines_is_still_judged_by_its_dates() -> None:
    """Catalogue N25: an import tells what was, and overrules nobody who came back since."""
    edge = Edge()
    await edge.save(
        edge.claims(), Wish(join=BOTH), source=Source.PREFERENCE_CENTRE, expected_sequence=0
    )

    async def dated() -> AsyncIterator[bytes]:
        yield f"email,unsubscribed_at\n{ADDRESS},2020-01-01T00:00:00Z\n".encode()

    await edge.import_list(BRAND, dated(), ImportTerms(words=GroupWords([])), actor="test")

    assert (await edge.subscribed())[EVERYTHING]


def said(**parts: object) -> Statement:
    plain = Statement(
        id=b"i" * 16,
        brand=BRAND.number,
        digest=DIGEST,
        groups=(),
        subscribed=False,
        source=Source.LIST_UNSUBSCRIBE,
        at_ms=NOW,
    )
    return plain._replace(**parts)  # type: ignore[arg-type]  # the parts of the test at hand


async def test_a_click_that_only_the_spool_had_takes_effect_and_one_that_is_brought_again_changes_nothing(
    spool: SqliteSpool,
) -> None:
    """Catalogue N25, E8."""
    heard, unheard = SwitchedStore(), SwitchedStore()
    ahead = said(id=b"r" * 16, subscribed=True, at_ms=2**47)
    row = await spool.append(said())
    await unheard.apply(ahead)
    await heard.apply(said())
    await heard.apply(ahead)

    await Replayer(unheard, spool, logger("test")).look()
    spool.confirm(row)
    await Replayer(heard, spool, logger("test")).look()

    (left,), (back,) = [
        await store.preferences(BRAND.number, [DIGEST]) for store in (unheard, heard)
    ]
    assert (False, True) == (left.everything.subscribed, back.everything.subscribed)
