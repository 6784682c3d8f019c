"""The preference pages of the process as it is started by hand: real settings, real store, groups
made by the command line's use case.
"""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import wiring
from app.core.model import BrandId, Purpose
from app.observe import log
from app.settings.load import load
from app.wiring.administration import opened_services
from tests.support.ports import free_port
from tests.web.choosing import Form, key

PATH = "/preferences"


@contextmanager
def web(folder: Path) -> Iterator[None]:
    """Run `signoff web` in this folder with the settings of this process's environment."""
    environment = {**os.environ, "PYTHONPATH": str(Path(wiring.__file__).parents[2])}
    command = [sys.executable, "-m", "app", "web"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert any("process_started" in line for line in process.stderr)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def asked(url: str, body: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data=body, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


async def test_a_saved_preference_is_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CleverTap's documents say."""
    listen, health, tls = (f"127.0.0.1:{free_port()}" for _ in range(3))
    monkeypatch.chdir(tmp_path)
    for name, value in {"LISTEN": listen, "HEALTH_LISTEN": health, "TLS_LISTEN": tls}.items():
        monkeypatch.setenv(f"SIGNOFF_WEB__{name}", value)
    settings = load()
    acme = wiring.brands(settings).by_id(BrandId("acme")).number
    codec = wiring.token_codec(settings)
    digest = codec.digest("bob@example.com", brand=acme)
    token = codec.minter(brand=acme, purpose=Purpose.PREFERENCES, at_ms=wiring.now_ms()).mint(
        address="bob@example.com", digest=digest
    )

    with web(tmp_path):
        async with opened_services(settings, log.logger("test")) as services:
            await services.groups.create(acme, name="News")
            await services.groups.create(acme, name="Offers")
        page = Form(asked(f"http://{listen}{PATH}?e={token}"))
        saved = Form(asked(f"http://{listen}{PATH}?e={token}", page.body(off=["offers"])))
        left = Form(asked(f"http://{listen}/unsubscribe?e={token}"))
        asked(f"http://{listen}/unsubscribe?e={token}", left.body())
        async with wiring.opened_store(settings, log.logger("test"), patience=5) as store:
            (state,) = await store.preferences(acme, [digest])

    assert {"on": True, key("news"): True, key("offers"): True} == page.toggles
    assert "News Yes Offers No" in saved.text
    assert not state.everything.subscribed
    assert {key("offers"): False} == {
        f"{group:08x}": one.subscribed for group, one in state.groups.items()
    }
