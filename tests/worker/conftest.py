"""A store of each test alone: work that one test leaves must not be another's."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    embedded = EmbeddedStore(tmp_path / "store")
    embedded.ensure()
    yield embedded.url
    embedded.release()


@pytest.fixture
async def store(url: str) -> AsyncIterator[RedisStore]:
    """The store as the web process sees it."""
    opened = RedisStore(url, timeout=10)
    await opened.start(development=True)
    yield opened
    await opened.close()
