"""One run of everything, for all tests that read what it left behind."""

import asyncio

import pytest

from tests.support.full_run import FullRun, full_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> FullRun:
    """What every process logged and counted while everything was done once."""
    return asyncio.run(full_run(tmp_path_factory.mktemp("full-run")))
