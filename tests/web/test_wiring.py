"""How the web process is put together out of its settings."""

import functools
import itertools
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from app import wiring
from app.core.errors import StoreUnavailable
from app.observe import log
from app.settings.load import load
from app.store.embedded import EmbeddedStore
from tests.support.ports import free_port


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


def test_a_spool_that_cannot_be_opened_leaves_the_clicks_to_the_store(tmp_path: Path) -> None:
    """Catalogue E8: either one durable is enough, and readiness tells which is not."""
    (tmp_path / "not-a-folder").write_text("")
    listen, health, tls = (f"127.0.0.1:{free_port()}" for _ in range(3))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(wiring.__file__).parents[2]),
        "SIGNOFF_SPOOL_DIR": str(tmp_path / "not-a-folder"),
        "SIGNOFF_WEB__LISTEN": listen,
        "SIGNOFF_WEB__HEALTH_LISTEN": health,
        "SIGNOFF_WEB__TLS_LISTEN": tls,
    }
    mint = [sys.executable, "-m", "app", "token", "mint", "ann@example.net", "--json"]
    token = json.loads(
        subprocess.run(
            mint, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60
        ).stdout
    )[0]["token"]
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "web"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        log_lines = list(
            itertools.takewhile(lambda line: "process_started" not in line, process.stderr)
        )

        with urllib.request.urlopen(
            f"http://{listen}/u?qmoe={token}", data=b"List-Unsubscribe=One-Click", timeout=20
        ) as clicked:
            status = clicked.status
        with urllib.request.urlopen(f"http://{health}/readyz", timeout=20) as ready:
            checks = json.load(ready)["checks"]
    finally:
        process.terminate()
        process.communicate(timeout=60)

    assert 200 == status
    assert {"store": "ok", "spool": "spool_unavailable"} == checks
    assert any("spool_failed" in line for line in log_lines)


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

    written = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stderr

    assert "ValueError: invalid literal" in written
    assert "a-secret" not in written
