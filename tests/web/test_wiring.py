"""How the web process is put together out of its settings."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from app import wiring
from app.core.errors import StoreUnavailable
from app.observe import log
from app.settings.load import load
from app.store.embedded import EmbeddedStore


async def test_an_embedded_store_that_hangs_keeps_no_process_from_starting_nor_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue E8: the spool takes the clicks meanwhile."""
    hanging = functools.partial(EmbeddedStore, binary=Path("/bin/true"), patience=0.1)
    monkeypatch.setattr(wiring, "EmbeddedStore", hanging)
    monkeypatch.setenv("SIGNOFF_STATE_DIR", str(tmp_path))

    async with wiring.opened_store(load(), log.logger("test")) as store:
        with pytest.raises(StoreUnavailable):
            await store.ping()


@pytest.mark.parametrize("readable", ["True", "False"])
def test_a_traceback_shows_no_values(readable: str) -> None:
    """Catalogue E16: among the values of a failed request's variables is its token."""
    program = (
        "from app.observe import log\n"
        f"log.configure(readable={readable})\n"
        "def fail(qmoe):\n"
        "    int('x')\n"
        "try:\n"
        "    fail('-'.join(('a', 'secret')))\n"
        "except ValueError as exc:\n"
        "    log.logger('test').error(log.LogEvent.UNEXPECTED_ERROR, exc_info=exc)\n"
    )

    written = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stderr

    assert "ValueError: invalid literal" in written
    assert "a-secret" not in written
