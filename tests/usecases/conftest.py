"""What the use cases are tested with: the twin of the store, a store that can be switched off, a
real spool.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import (
    BrandNumber,
    Change,
    HistoryEntry,
    Preferences,
    Recency,
    RecipientDigest,
    Source,
    Statement,
)
from app.store.spool import SqliteSpool
from tests.support.memory_store import MemoryStore

_numbers = itertools.count(1)


class SwitchedStore:
    """The twin behind a switch: on, off (refuses), or hung (never answers); it notes the order of
    what it applied.
    """

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.state = "on"
        self.name = "first"
        self.applied: list[Statement] = []
        self.released = asyncio.Event()

    async def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Change:
        await self._pass()
        self.applied.append(statement)
        return await self.inner.apply(statement, recency)

    async def preferences(
        self, brand: BrandNumber, digests: Sequence[RecipientDigest]
    ) -> Sequence[Preferences]:
        await self._pass()
        return await self.inner.preferences(brand, digests)

    async def history(
        self, brand: BrandNumber, digest: RecipientDigest, *, limit: int = 100
    ) -> Sequence[HistoryEntry]:
        return await self.inner.history(brand, digest, limit=limit)

    async def ping(self) -> None:
        await self._pass()

    async def generation(self) -> str:
        await self._pass()
        return self.name

    async def close(self) -> None:
        await self.inner.close()

    async def _pass(self) -> None:
        if self.state == "hung":
            await self.released.wait()
        if self.state == "off":
            raise StoreUnavailable("switched off")


@pytest.fixture
async def store() -> SwitchedStore:
    return SwitchedStore()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[SqliteSpool]:
    opened = SqliteSpool(tmp_path / "spool")
    yield opened
    await opened.close()


@pytest.fixture
def make_statement() -> Callable[..., Statement]:
    """A maker of unsubscribes at time 1000 from one recipient each, with any part replaced."""

    def make(
        *,
        at_ms: int = 1000,
        subscribed: bool = False,
        source: Source = Source.LIST_UNSUBSCRIBE,
        expected_sequence: int | None = None,
        digest: RecipientDigest | None = None,
    ) -> Statement:
        return Statement(
            id=os.urandom(16),
            brand=BrandNumber(7),
            digest=digest or RecipientDigest(next(_numbers).to_bytes(10)),
            groups=(),
            subscribed=subscribed,
            source=source,
            at_ms=at_ms,
            expected_sequence=expected_sequence,
        )

    return make
