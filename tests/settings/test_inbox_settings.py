"""The settings of the inbox."""

import os
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.settings.load import load


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("SIGNOFF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_development_machine_has_an_inbox_that_works_at_once() -> None:
    inbox = load().inbox

    assert (inbox.domain, inbox.maildir, inbox.complaints) == (
        "in.acme.example",
        Path("var/inbox"),
        "unsubscribe",
    )
    assert inbox.tls_cert_file
    assert inbox.tls_cert_file.exists()


def test_development_can_do_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNOFF_INBOX__DOMAIN", "")

    assert load().inbox.domain == ""


def test_production_has_none_until_it_names_a_domain(empty_machine: Path) -> None:
    text = (
        'public_url = "https://unsubscribe.example.com"\n[brands.shop]\nsender_domains ='
        ' ["shop.example"]\n'
    )
    (empty_machine / "signoff.toml").write_text(text)
    before = load().inbox
    (empty_machine / "signoff.toml").write_text(text + '[inbox]\ndomain = "In.Bücher.example"\n')

    assert (before.domain, before.maildir) == ("", None)
    assert load().inbox.domain == "in.xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DOMAIN", "not a domain"),
        ("COMPLAINTS", "maybe"),
        ("MAX_MESSAGE_BYTES", "10"),
        ("TLS_KEY_FILE", "nowhere.pem"),
    ],
)
def test_a_wrong_value_is_a_problem_by_its_key(
    key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SIGNOFF_INBOX__{key}", value)

    with pytest.raises(Misconfigured) as caught:
        load()

    assert {problem.partition(": ")[0] for problem in caught.value.problems} == {
        f"inbox.{key.lower()}"
    }


def test_a_certificate_without_its_key_is_refused(empty_machine: Path) -> None:
    (empty_machine / "cert.pem").write_text("x")
    brand = '[brands.shop]\nsender_domains = ["shop.example"]\n'
    inbox = '[inbox]\ntls_cert_file = "cert.pem"\n'
    (empty_machine / "signoff.toml").write_text(
        f'public_url = "https://unsubscribe.example.com"\n{inbox}{brand}'
    )

    with pytest.raises(Misconfigured, match="belong together"):
        load()
