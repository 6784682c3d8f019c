"""The page that most of these tests open."""

from collections.abc import AsyncIterator

import pytest

from tests.admin.operator.running import Site, running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A running page; nobody has signed in."""
    async with running() as started:
        yield started
