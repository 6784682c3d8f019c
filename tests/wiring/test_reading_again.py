"""A running process reads its keyring again when it gets SIGHUP, and keeps the one it has when the
new one cannot be used.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.errors import Misconfigured, TokenKeyUnknown
from app.core.keyring import Keyring, KeyStatus
from app.core.model import BrandNumber, Purpose
from app.observe.log import logger
from app.settings import keyring_file
from app.settings.keyring_file import dump, new_key, new_pepper, write_secret
from app.settings.model import Settings
from app.wiring import hangups, successor, token_codec
from app.wiring.reload import following

PEPPER = new_pepper()
FIRST, SECOND = new_key(1, not_before_ms=0), new_key(2, not_before_ms=0)
NOW_MS = 1_772_532_000_000


def settings_in(folder: Path) -> Settings:
    brands = {"acme": {"sender_domains": ["acme.example"]}}
    return Settings.model_validate(
        {
            "public_url": "https://unsubscribe.example.com",
            "keyring_file": folder / "keyring.toml",
            "brands": brands,
        }
    )


def write(folder: Path, *keys: object, pepper: bytes = PEPPER) -> None:
    write_secret(folder / "keyring.toml", dump(keys, pepper))  # type: ignore[arg-type] # the tests give master keys


async def test_everybody_who_holds_the_keyring_mints_with_a_new_key_and_a_revoked_one_opens_nothing(
    tmp_path: Path,
) -> None:
    """Catalogue D19, T3."""
    write(tmp_path, FIRST)
    settings = settings_in(tmp_path)
    keyring = keyring_file.load(settings.keyring_file)
    codec = token_codec(settings, keyring)
    brand = BrandNumber(7)
    digest = codec.digest("ann@example.net", brand=brand)

    def token() -> str:
        return codec.minter(brand=brand, purpose=Purpose.ONE_CLICK, at_ms=NOW_MS).mint(
            address="ann@example.net", digest=digest
        )

    old = token()

    def ignore(*_: object) -> None:
        """Take over nothing but the keys."""

    async with following(
        settings,
        keyring,
        hangups=hangups(),
        adopt=ignore,
        log=logger("test"),
        load=lambda: settings,
    ):
        write(tmp_path, replace(FIRST, status=KeyStatus.ACTIVE), SECOND)
        await hangup(lambda: keyring.minting_key(NOW_MS).id == 2)
        new, still = (
            codec.open(token(), purpose=Purpose.ONE_CLICK),
            codec.open(old, purpose=Purpose.ONE_CLICK),
        )
        write(tmp_path, replace(FIRST, status=KeyStatus.REVOKED), SECOND)
        await hangup(lambda: not opens(keyring, 1))

        with pytest.raises(TokenKeyUnknown):
            codec.open(old, purpose=Purpose.ONE_CLICK)

    assert (new.key_id, still.key_id) == (2, 1)
    assert codec.digest("ann@example.net", brand=brand) == digest


async def hangup(claim: Callable[[], bool]) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0.01)


def opens(keyring: Keyring, key_id: int) -> bool:
    try:
        keyring.opening_key(key_id)
    except TokenKeyUnknown:
        return False
    return True


@pytest.mark.parametrize("content", [b"", b"pepper = 1", None])
def test_a_file_that_is_no_keyring_is_refused(tmp_path: Path, content: bytes | None) -> None:
    write(tmp_path, FIRST)
    settings = settings_in(tmp_path)
    running = keyring_file.load(settings.keyring_file)
    if content is None:
        (tmp_path / "keyring.toml").unlink()
    else:
        (tmp_path / "keyring.toml").write_bytes(content)

    with pytest.raises(Misconfigured, match="keyring_file"):
        successor(running, settings)


def test_another_pepper_is_refused_for_nobody_would_be_found_again(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    settings = settings_in(tmp_path)
    running = keyring_file.load(settings.keyring_file)
    write(tmp_path, FIRST, SECOND, pepper=new_pepper())

    with pytest.raises(Misconfigured, match="pepper has changed"):
        successor(running, settings)
