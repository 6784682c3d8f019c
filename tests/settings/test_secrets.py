"""A setting that is a secret is printed by nothing."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from app.cli.config import show_config
from app.settings.load import load
from app.settings.secret import Secret, SecretUrl, StoreUrl
from tests.support.dkim_keys import RSA_PEM

HIDDEN = "hush-hush"
HASH = f"scrypt$16384$8$1${HIDDEN}$x"


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation in which every setting that can hold a secret holds one."""
    import os

    from app.settings.keyring_file import dump, new_key, new_pepper, write_secret

    for name in [name for name in os.environ if name.startswith("SIGNOFF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    write_secret(tmp_path / "keyring.toml", dump((new_key(1, not_before_ms=0),), new_pepper()))
    (tmp_path / "s1.pem").write_bytes(RSA_PEM)
    (tmp_path / "signoff.toml").write_text(f"""
public_url = "https://unsubscribe.example.com"
keyring_file = "keyring.toml"
[store]
url = "redis://me:{HIDDEN}@store.example:6379/0?password={HIDDEN}"
[relay]
downstream = "smtp://mail.example.com:587?tls=require"
downstream_user = "relay"
downstream_password = "{HIDDEN}"
[brands.shop]
sender_domains = ["shop.example"]
smtp_users = {{ ann = "{HASH}" }}
[[brands.shop.dkim]]
domain = "shop.example"
selector = "s1"
key_file = "s1.pem"
[[brands.shop.webhooks]]
url = "https://hooks.example.com/{HIDDEN}/in?key={HIDDEN}"
format = "streams"
headers = {{ Authorization = "Bearer {HIDDEN}", X-Api-Key = "{HIDDEN}" }}
""")
    return tmp_path


@pytest.mark.parametrize("as_json", [False, True])
def test_the_configuration_is_shown_without_any_secret(
    as_json: bool, installation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catalogue N19."""
    show_config(as_json=as_json)

    printed = capsys.readouterr().out
    assert HIDDEN not in printed
    assert "store.example:6379" in printed
    assert "https://hooks.example.com/(hidden)" in printed
    assert "None" not in printed
    if as_json:
        assert json.loads(printed)["relay"]["downstream_password"] == "(set)"


def test_no_dump_and_no_traceback_of_the_settings_shows_a_secret(installation: Path) -> None:
    """Catalogue N19."""
    settings = load()

    shown = (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(settings.model_dump()),
        repr(settings.endpoints()),
    )

    assert [HIDDEN in text for text in shown] == [False] * len(shown)
    assert settings.relay.downstream_password.reveal() == HIDDEN


@pytest.mark.parametrize("kind", [Secret, SecretUrl, StoreUrl])
def test_a_secret_of_any_kind_shows_nothing_of_itself(kind: type[Secret]) -> None:
    class Holder(BaseModel):
        secret: kind  # type: ignore[valid-type] # the parameter is the type

    held = Holder.model_validate({"secret": HIDDEN})

    assert HIDDEN not in f"{held!r} {held} {held.model_dump_json()}"


@pytest.mark.parametrize("value", [1, ["x"], {"a": "b"}, True])
def test_a_secret_of_the_wrong_type_is_refused_without_showing_it(value: object) -> None:
    with pytest.raises(ValueError, match="valid string"):
        Holder.model_validate({"secret": value})


class Holder(BaseModel):
    """One secret."""

    secret: Secret
