"""The keyring's file."""

from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.core.keyring import KeyStatus, MasterKey
from app.settings.keyring_file import dump, new_key, new_pepper, read, write_secret

KEYS = (
    new_key(1, not_before_ms=1_700_000_000_000),
    MasterKey(id=2, secret=b"s" * 32, status=KeyStatus.REVOKED, not_before_ms=0),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    pepper = new_pepper()
    write_secret(tmp_path / "deep/keyring.toml", dump(KEYS, pepper))

    assert read(tmp_path / "deep/keyring.toml") == (KEYS, pepper)
    assert (tmp_path / "deep/keyring.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda text: text.replace("pepper", "peper"), "pepper"),
        (lambda text: text.replace("primary", "first"), "status"),
        (lambda text: text.replace("id = 2", "id = 1"), "same id"),
        (lambda text: text.replace("id = 2", "id = 256"), "keys.1.id"),
        (lambda text: text.replace('secret = "', 'secret = "!'), "Base64"),
        (lambda text: text.replace('secret = "', 'secret = "AAAA'), "32 bytes"),
        (lambda text: "]" + text, "keyring_file"),
    ],
)
def test_a_keyring_that_cannot_be_used_is_refused_without_showing_a_secret(
    harm: object, expected: str, tmp_path: Path
) -> None:
    assert callable(harm)
    path = tmp_path / "keyring.toml"
    path.write_text(harm(dump(KEYS, b"p" * 32).decode()))

    with pytest.raises(Misconfigured) as caught:
        read(path)

    assert any(expected in problem for problem in caught.value.problems)
    assert "c3Nz" not in str(caught.value)


def test_a_missing_keyring_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="signoff keys init"):
        read(tmp_path / "none.toml")
