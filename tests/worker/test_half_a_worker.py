"""A worker one of whose parts has ended is no worker: the process ends, and whoever watches it
starts another.
"""

from pathlib import Path

import pytest

from app.settings.load import load
from app.wiring import worker
from app.worker.history import Trimmer


async def test_a_part_that_ends_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue Q2."""

    async def broken(_: Trimmer) -> None:
        raise RuntimeError("broken")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_WORKER__HEALTH_LISTEN", "127.0.0.1:0")
    monkeypatch.setattr(Trimmer, "run", broken)

    with pytest.raises(RuntimeError, match="broken"):
        await worker._serve_worker(load())
