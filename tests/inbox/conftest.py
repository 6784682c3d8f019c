"""The inbox that most tests write to, in front of a real Valkey."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.store.redis import RedisStore
from tests.store.conftest import valkey, valkey_url
from tests.support.inbox import Inbox, receiving

__all__ = ["valkey", "valkey_url"]


@pytest.fixture
async def inbox(valkey: RedisStore, tmp_path: Path) -> AsyncIterator[Inbox]:
    """Return a running inbox."""
    async with receiving(valkey, maildir=tmp_path / "people") as running:
        yield running
