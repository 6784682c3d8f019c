"""The API that most of these tests ask."""

from collections.abc import AsyncIterator

import pytest

from tests.admin.api.running import Api, running


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A running admin API, asked with the installation's key unless a test says otherwise."""
    async with running() as started:
        yield started
