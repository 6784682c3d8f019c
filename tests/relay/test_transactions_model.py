"""Everything that can become of a message's copies over an upstream's tries, against a model:
nobody twice, nobody lost, the reply true.

The relay is whole but for its sockets: a peer takes the place of the downstream client and says of
each recipient what the script has next. Before every try the relay is made again, as after a
restart or on another machine; the ledger in the store and the states live on.
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import Management, Source, Statement
from app.core.token import TokenCodec
from app.observe.log import logger
from app.store.ledger_memory import MemoryLedger
from smtp_proxy.downstream.pool import Downstream, Veto
from smtp_proxy.downstream.transaction import Transaction
from smtp_proxy.relay.ledger import Ledger
from smtp_proxy.relay.policy import Policy, UnknownOutcome
from smtp_proxy.relay.sign import SigningThread
from smtp_proxy.replies import Deferred, Delivered, Outcome, RefusedCopy, Reply
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.submission import Client, Envelope
from tests.support.memory_groups import MemoryGroups
from tests.support.memory_store import MemoryStore
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, relay_on

# what becomes of one copy, try by try: any number of temporary ends, then a last one
Script = tuple[str, ...]

TEMPORARY, LAST = ("deferred", "unknown"), ("delivered", "refused", "suppressed")
SAID: dict[str, Outcome] = {
    "delivered": Delivered(reply=Reply(250, "2.0.0", "taken")),
    "refused": RefusedCopy(reply=Reply(550, "5.1.1", "gone")),
    "deferred": Deferred(reply=Reply(450, "4.2.1", "busy")),
    "unknown": Deferred(reply=Reply(451, "4.4.2", "lost"), unknown=True),
}
SENDER = "bounce@acme.example"
# neither links nor keys: what is proved here has no use for either
BRAND = replace(ACME, management=Management.NONE)
KEYRING = Keyring(
    keys=(MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
)
CODEC = TokenCodec(keyring=KEYRING, data_centre=1)
CLIENT = Client(address="127.0.0.1", helo="c", protocol="ESMTP", account=None)


def scripts(most_temporary: int) -> list[Script]:
    """Return every script with up to so many temporary ends."""
    temporary = itertools.chain.from_iterable(
        itertools.product(TEMPORARY, repeat=count) for count in range(most_temporary + 1)
    )
    return [(*ends, last) for ends in temporary for last in LAST]


class Peer:
    """Says what the scripts have next, and notes who was handed what. A copy that it may have taken
    it has taken.
    """

    def __init__(self, scripted: dict[str, Script], notification: Script) -> None:
        self._next = {recipient: iter(script) for recipient, script in scripted.items()} | {
            SENDER: iter(notification)
        }
        self.sent: Counter[str] = Counter()  # how often content went out for a recipient
        self.has: Counter[str] = Counter()  # copies that a recipient has, or may have
        self.ends: defaultdict[str, list[str]] = defaultdict(list)

    async def send(
        self, transaction: Transaction, *, unless: Veto | None = None, limit: float = 0
    ) -> Outcome:
        recipient = transaction.recipient
        end = next(self._next[recipient])
        self.sent[recipient] += 1
        self.ends[recipient].append(end)
        self.has[recipient] += end in {"delivered", "unknown"}
        return SAID[end]


class World:
    """An upstream with one message, and what it has behind it."""

    def __init__(
        self,
        scripted: Sequence[Script],
        *,
        notification: Script = ("delivered",),
        unknown: UnknownOutcome,
    ) -> None:
        self.scripts = {
            f"user{number}@example.net": script for number, script in enumerate(scripted)
        }
        self.peer = Peer(self.scripts, notification)
        self.store = MemoryStore()
        self.copies = MemoryLedger(clock=lambda: NOW_MS)
        self.unknown = unknown
        self.replies: list[Reply] = []

    async def try_until_answered(self, signing: SigningThread) -> None:
        """Send the message until the answer is no 4yz, with a new relay for each try."""
        envelope = Envelope(
            id="1",
            sender=SENDER,
            recipients=tuple(self.scripts),
            body_8bit=False,
            smtputf8=False,
            client=CLIENT,
        )
        while not self.replies or self.replies[-1].code // 100 == 4:
            assert len(self.replies) < 12, "an upstream that never hears an end"
            await self._leave(len(self.replies))
            local, key = MemoryLedger(clock=lambda: NOW_MS), KEYRING.ledger_key()
            relay = relay_on(
                # what of it is used, in a class that has nothing else
                cast("Downstream", self.peer),
                signing,
                BRAND,
                codec=CODEC,
                memory=MemoryBudget(10**6),
                store=self.store,
                groups=MemoryGroups(),
                keys=(),
                ledger=Ledger(
                    self.copies, local, key=key, log=logger("test"), clock=lambda: NOW_MS
                ),
                policy=Policy(hostname="relay.example", unknown=self.unknown),
            )
            answer = await relay.relay(envelope, PROMOTIONAL)
            assert isinstance(answer, Reply)
            self.replies.append(answer)

    async def _leave(self, number: int) -> None:
        """Unsubscribe those whose script ends so with this try."""
        for recipient, script in self.scripts.items():
            if script[number : number + 1] == ("suppressed",):
                digest = CODEC.digest(recipient, brand=BRAND.number)
                statement = Statement(
                    id=b"0" * 16,
                    brand=BRAND.number,
                    digest=digest,
                    groups=(),
                    subscribed=False,
                    source=Source.MAILTO,
                    at_ms=NOW_MS,
                )
                await self.store.apply(statement)

    def check(self) -> None:
        """Compare what happened with what may happen."""
        told = {recipient: self._fate(script) for recipient, script in self.scripts.items()}
        for recipient, script in self.scripts.items():
            handed = self._handed(script)
            # each end once and in order: nobody twice, nobody lost
            assert handed == self.peer.ends[recipient], (recipient, script)
        refused = [recipient for recipient, fate in told.items() if fate == "refused"]
        mixed = 0 < len(refused) < len(told)
        assert (5 if refused and not mixed else 2) == self.replies[-1].code // 100
        assert {4} >= {reply.code // 100 for reply in self.replies[:-1]}
        assert mixed == (self.peer.sent[SENDER] > 0)
        assert self.peer.ends[SENDER].count("delivered") <= 1
        assert self.peer.ends[SENDER][:-1] == ["deferred"] * (self.peer.sent[SENDER] - 1)

    def _handed(self, script: Script) -> list[str]:
        """Return the ends of the transactions that a copy's script leads to."""
        handed = [end for end in script if end != "suppressed"]
        if self.unknown is UnknownOutcome.DROP and "unknown" in handed:
            return handed[: handed.index("unknown") + 1]
        return handed

    def _fate(self, script: Script) -> str:
        """Return what the sender is told of a recipient in the end."""
        return (
            "delivered"
            if self.unknown is UnknownOutcome.DROP and "unknown" in script
            else script[-1]
        )


async def _all_hold(worlds: Iterable[World]) -> int:
    held = 0
    with closing(SigningThread()) as signing:
        for world in worlds:
            await world.try_until_answered(signing)
            world.check()
            held += 1
    return held


def _combinations(options: Sequence[Script], recipients: int) -> Iterable[tuple[Script, ...]]:
    """Return every choice for so many recipients; their order does not matter, for each is told
    apart by its script alone.
    """
    return itertools.combinations_with_replacement(options, recipients)


@pytest.mark.parametrize("unknown", list(UnknownOutcome))
@pytest.mark.parametrize(
    ("recipients", "most_temporary", "cases"),
    [(1, 3, 45), (2, 2, 231), (3, 2, 1771), (4, 1, 495), (5, 1, 1287)],
)
async def test_every_combination_of_ends_over_up_to_four_tries_leaves_nobody_twice_nobody_lost_and_a_true_reply(
    unknown: UnknownOutcome, recipients: int, most_temporary: int, cases: int
) -> None:
    """Catalogue X1, X2, X3, X7, X14, X17: 3,829 combinations by each policy, exhaustively."""
    options = scripts(most_temporary)

    held = await _all_hold(
        World(scripted, unknown=unknown) for scripted in _combinations(options, recipients)
    )

    assert cases == held == math.comb(len(options) + recipients - 1, recipients)


@pytest.mark.parametrize(
    "notification",
    [
        ("deferred", "delivered"),
        ("deferred", "deferred", "delivered"),
        ("refused",),
        ("deferred", "refused"),
    ],
)
async def test_a_notification_that_is_held_up_is_sent_once_and_no_copy_with_it(
    notification: Script,
) -> None:
    """Catalogue X3, X15: every combination of three recipients in up to two tries, 165 for each
    fate of the notification.
    """
    worlds = [
        World(scripted, notification=notification, unknown=UnknownOutcome.RESEND)
        for scripted in _combinations(scripts(1), 3)
    ]

    assert 165 == await _all_hold(worlds)


@settings(max_examples=200, deadline=None)
@given(
    scripted=st.lists(st.sampled_from(scripts(4)), min_size=1, max_size=5),
    unknown=st.sampled_from(UnknownOutcome),
    notification=st.sampled_from([("delivered",), ("deferred", "delivered"), ("refused",)]),
)
async def test_longer_and_odder_stories_end_no_worse(
    scripted: list[Script], unknown: UnknownOutcome, notification: Script
) -> None:
    """Catalogue X3, X14, X15: up to five recipients in any order, up to five tries each."""
    assert 1 == await _all_hold([World(scripted, notification=notification, unknown=unknown)])
