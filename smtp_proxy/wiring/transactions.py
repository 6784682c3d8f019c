"""How the parts that finish a message are put together: dispatch, ledger, notifications, and the LMTP side of the listener."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from app import wiring as web_side
from app.core.errors import StoreUnavailable
from app.core.tally import copy_tick
from app.core.token import TokenCodec
from app.observe.background import Part, kept_running
from app.observe.log import Logger
from app.settings import keyring_file
from app.settings.model import Settings
from app.settings.relay import RelaySettings
from app.store.clock import monotonic_ms
from app.store.counters import RedisTallies
from app.store.ledger import RedisLedger
from app.store.ledger_memory import MemoryLedger
from app.store.redis import Durability, RedisStore
from app.usecases.counting import Counting
from app.usecases.ports import CopyLedger
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.relay.dsn import Reports
from smtp_proxy.relay.finish import Conclusion, Tally
from smtp_proxy.relay.late_notes import LateNotes
from smtp_proxy.relay.ledger import Ledger, UnknownOutcome
from smtp_proxy.relay.send import Patience
from smtp_proxy.relay.tries import Tries
from smtp_proxy.session.config import SessionConfig

_START_SHARE = 0.75  # of the time for a message: what is left is for the copies that started last


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Where entries of the ledger are kept for as long as the process runs."""

    store: LateNotes
    local: CopyLedger
    tries: Tries


@asynccontextmanager
async def books(store: RedisStore, settings: Settings, log: Logger) -> AsyncIterator[Books]:
    """Keep the ledger in the store, and the process's own, for as long as the context is open; what could not be written follows."""
    shared = RedisLedger(store.wire, store.reads, replicated=Durability(settings.store.durability) is Durability.REPLICATED)
    kept = Books(store=LateNotes(shared, log=log), local=MemoryLedger(clock=monotonic_ms), tries=Tries())
    async with kept.store.writing(), kept.tries.looked_after(log):
        yield kept


def ledger(settings: Settings, books: Books, log: Logger) -> Ledger:
    """Return the ledger under this installation's key. Raises Misconfigured when the keyring cannot be read."""
    key = keyring_file.load(settings.keyring_file).ledger_key()
    return Ledger(
        books.store,
        books.local,
        key=key,
        log=log,
        clock=web_side.now_ms,
        tries=books.tries,
        unknown=UnknownOutcome(settings.relay.unknown_outcome),
    )


@asynccontextmanager
async def counting_copies(store: RedisStore, log: Logger) -> AsyncIterator[Tally]:
    """Count copies by campaign for as long as the context is open; what was counted is written every few seconds, and at the end."""
    counting = Counting(RedisTallies(store.wire))
    try:
        async with kept_running(Part.COUNTING, counting.run, log):
            yield lambda brand, campaign: counting.count(copy_tick(brand, campaign, now_ms=web_side.now_ms()))
    finally:
        with suppress(StoreUnavailable):  # an overview may miss a few
            await counting.write()


def conclusion(settings: Settings, downstream: Downstream, codec: TokenCodec, tally: Tally, log: Logger) -> Conclusion:
    """Return what ends messages."""
    reports = Reports(downstream, hostname=settings.relay.hostname, clock=web_side.now_ms, new_id=lambda: secrets.token_hex(12), log=log)
    return Conclusion(reports=reports, identify=codec.digest, tally=tally, log=log)


def patience(relay: RelaySettings) -> Patience:
    """Return the time that a message has: that of one copy is its bound too, for the upstream waits for the whole."""
    return Patience(start=relay.downstream_seconds * _START_SHARE, total=relay.downstream_seconds)


def lmtp(terms: SessionConfig) -> SessionConfig:
    """Return the same terms for the LMTP listener. It says one reply a recipient, so each message may have many."""
    return replace(terms, lmtp=True, one_recipient=False)
