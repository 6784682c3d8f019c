"""Entries of the ledger that the store could not take: kept in bounds, written when it is back, and
said when they are lost.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core.errors import StoreUnavailable
from app.observe.log import logger
from app.store.ledger import RedisLedger
from app.store.ledger_memory import MemoryLedger
from app.store.redis import RedisStore
from smtp_proxy.relay.late_notes import LateNotes
from tests.support.redis_server import redis_server

DAY = 86_400


class Switched(MemoryLedger):
    """A ledger that takes nothing while it is away."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 1000)
        self.away = True

    async def note(
        self, message: bytes, entries: Mapping[bytes, bytes], *, keep_seconds: int
    ) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await super().note(message, entries, keep_seconds=keep_seconds)


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("signoff_ledger_notes_total", {"result": result}) or 0.0


async def failing(notes: LateNotes, message: bytes, **entries: bytes) -> None:
    with pytest.raises(StoreUnavailable):
        await notes.note(
            message, {name.encode(): entry for name, entry in entries.items()}, keep_seconds=DAY
        )


async def test_what_failed_is_written_when_the_store_is_back() -> None:
    """Catalogue N27."""
    store, failed, late = Switched(), counted("failed"), counted("late")
    notes = LateNotes(store, log=logger("test"))
    await failing(notes, b"1", ann=b"delivered")
    await failing(notes, b"2", bob=b"delivered")
    store.away = False

    await notes.write()

    assert {b"ann": b"delivered"} == store.known(b"1")
    assert {b"bob": b"delivered"} == store.known(b"2")
    assert (2, 2, 0) == (counted("failed") - failed, counted("late") - late, notes.waiting)


async def test_a_later_word_about_a_copy_is_never_overwritten_by_the_earlier_one() -> None:
    store = Switched()
    notes = LateNotes(store, log=logger("test"))
    await failing(notes, b"1", ann=b"unknown", bob=b"delivered")
    store.away = False

    await notes.note(b"1", {b"ann": b"delivered"}, keep_seconds=DAY)
    await notes.write()

    assert {b"ann": b"delivered", b"bob": b"delivered"} == store.known(b"1")


async def test_what_waits_is_bounded_the_oldest_goes_and_is_counted() -> None:
    store, lost = Switched(), counted("lost")
    notes = LateNotes(store, log=logger("test"), max_entries=2)
    with capture_logs() as lines:
        for name in (b"1", b"2", b"3"):
            await failing(notes, name, ann=b"delivered")
    store.away = False

    await notes.write()

    assert [{}, {b"ann": b"delivered"}, {b"ann": b"delivered"}] == [
        store.known(name) for name in (b"1", b"2", b"3")
    ]
    assert 1 == counted("lost") - lost
    assert [1] == [line["lost"] for line in lines if line["event"] == "ledger_failed"]


@pytest.mark.parametrize("back", [True, False])
async def test_an_orderly_stop_writes_them_or_says_how_many_are_lost(back: bool) -> None:
    """Catalogue N27."""
    store, lost = Switched(), counted("lost")
    notes = LateNotes(store, log=logger("test"))
    with capture_logs() as lines:
        async with notes.writing():
            await failing(notes, b"1", ann=b"delivered", bob=b"delivered")
            store.away = not back

    assert ({b"ann": b"delivered", b"bob": b"delivered"} if back else {}) == store.known(b"1")
    assert (0 if back else 2) == counted("lost") - lost
    assert ([] if back else [2]) == [
        line["lost"] for line in lines if line["event"] == "ledger_failed"
    ]


async def test_a_store_that_restarts_gets_them_by_itself(tmp_path: Path) -> None:
    """Catalogue N27: the real store, away while an entry is noted and back on the same port."""
    async with redis_server(tmp_path) as server:
        store = RedisStore(server.url, timeout=5)
        ledger = RedisLedger(store.connection, store.reads)
        notes = LateNotes(ledger, log=logger("test"))
        async with notes.writing():
            await server.kill()
            await failing(notes, b"0" * 16, ann=b"delivered")
            await server.start()
            async with asyncio.timeout(60):
                while notes.waiting:
                    await asyncio.sleep(0.05)
            found = await ledger.entries(b"0" * 16)
        await store.close()

    assert {b"ann": b"delivered"} == found
