"""The site that most tests of the web side ask."""

from collections.abc import AsyncIterator

import pytest

from tests.web.running import Site, running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Return a running web process."""
    async with running() as started:
        yield started
