"""Commands and processes judge a configuration by one validation."""

import os
from pathlib import Path

import pytest

import app.cli.services as app_commands
import smtp_proxy.cli.services as smtp_commands
from app.cli.config import show_config
from app.core.errors import Misconfigured
from app.settings.keyring_file import dump, new_key, new_pepper, write_secret
from tests.support.dkim_keys import RSA_PEM

GOOD = """
public_url = "https://unsubscribe.example.com"
keyring_file = "keyring.toml"
[inbox]
domain = "in.example.com"
[brands.shop]
sender_domains = ["shop.example"]
[[brands.shop.dkim]]
domain = "shop.example"
selector = "s1"
key_file = "s1.pem"
"""
EVERYBODY = (
    show_config,
    app_commands.web,
    app_commands.worker,
    smtp_commands.relay,
    smtp_commands.inbox,
    smtp_commands.mailbox,
)
BAD = {
    "no TOML": ("= [", "SIGNOFF_CONFIG: signoff.toml: not TOML"),
    "an unknown key": (GOOD.replace("[inbox]", "bogus = 1\n[inbox]"), "bogus: no such setting"),
    "a wrong type": (GOOD.replace("[inbox]", "relay = 7\n[inbox]"), "relay: "),
    "a DKIM key that is none": (
        GOOD.replace("s1.pem", "junk.pem"),
        "brands.shop.dkim.0.key_file: junk.pem: DKIM key: not a readable",
    ),
    "two keys of one selector": (
        GOOD
        + '[[brands.shop.dkim]]\ndomain = "shop.example"\nselector = "s1"\nkey_file = "s1.pem"\n',
        "brands.shop.dkim: DKIM keys of shop.example: two have the selector s1",
    ),
    "a keyring that is none": (GOOD.replace("keyring.toml", "junk.pem"), "keyring_file: junk.pem"),
    "a certificate that is none": (
        GOOD + '[relay]\ntls_cert_file = "junk.pem"\ntls_key_file = "junk.pem"\n',
        "relay.tls_cert_file: junk.pem, junk.pem: cannot be used as a certificate",
    ),
    "a password without TLS": (
        GOOD + '[relay]\ndownstream = "smtp://mail.example.com?tls=none"\ndownstream_user ='
        ' "a"\ndownstream_password = "b"\n',
        "relay.downstream: credentials are never sent without TLS",
    ),
    "the relay as its own downstream": (
        GOOD + '[relay]\ndownstream = "smtp://127.0.0.1:2525"\n',
        "is the relay itself",
    ),
    "a store URL that leads nowhere": (
        GOOD + '[store]\nurl = "redis://host:port/0"\n',
        "store.url: ",
    ),
    "a file in the place of the Maildir": (
        GOOD.replace("[inbox]", '[inbox]\nmaildir = "s1.pem/box"'),
        "inbox.maildir: s1.pem/box",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_process_and_command_refuses_a_bad_file_with_the_same_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue N13."""
    text, expected = BAD[name]
    write_secret(tmp_path / "keyring.toml", dump((new_key(1, not_before_ms=0),), new_pepper()))
    (tmp_path / "s1.pem").write_bytes(RSA_PEM)
    (tmp_path / "junk.pem").write_text("junk")
    (tmp_path / "signoff.toml").write_text(text)
    for key in [key for key in os.environ if key.startswith("SIGNOFF_")]:
        monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)

    verdicts = set()
    for begin in EVERYBODY:
        with pytest.raises(Misconfigured) as refused:
            begin()
        verdicts.add(refused.value.problems)

    assert len(verdicts) == 1
    assert expected in "\n".join(verdicts.pop())
