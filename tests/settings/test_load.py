"""Settings: where they come from, and every problem at once."""

from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.core.model import Management
from app.settings.load import load
from app.settings.model import Settings


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own and no setting in the environment."""
    import os

    for name in [name for name in os.environ if name.startswith("SIGNOFF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def production(folder: Path, text: str = "") -> Path:
    key = folder / "s1.pem"
    key.write_text("a key")
    path = folder / "signoff.toml"
    path.write_text(
        'public_url = "https://unsubscribe.example.com"\n'
        + text
        + '\n[brands.shop]\nsender_domains = ["shop.example"]\n[[brands.shop.dkim]]\ndomain ='
        ' "shop.example"\nselector = "s1"\n' + f'key_file = "{key}"\n'
    )
    return path


def problems() -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        load()
    return caught.value.problems


def test_without_any_configuration_there_is_a_development_brand_with_keys() -> None:
    settings = load()

    assert settings.development
    assert settings.public_url == "https://127.0.0.1:8443"
    assert settings.brands["acme"].sender_domains == ("acme.example",)
    assert all(
        path.exists()
        for path in (
            settings.keyring_file,
            settings.brands["acme"].dkim[0].key_file,
            Path("var/tls/cert.pem"),
        )
    )


def test_a_second_start_keeps_the_keys_of_the_first() -> None:
    first = load().keyring_file.read_bytes()

    assert load().keyring_file.read_bytes() == first


def test_secret_files_are_readable_by_their_owner_alone() -> None:
    load()

    assert {path.stat().st_mode & 0o077 for path in Path("var/keys").iterdir()} == {0}


def test_a_file_makes_production_and_nothing_is_made(empty_machine: Path) -> None:
    production(empty_machine)

    settings = load()

    assert not settings.development
    assert settings.spool_dir is None
    assert settings.brands["shop"].one_click is Management.MANAGED
    assert not Path("var").exists()


def test_the_environment_overrides_the_file(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(empty_machine, "data_centre = 2\n[relay]\nmax_recipients = 7\n")
    monkeypatch.setenv("SIGNOFF_RELAY__DOWNSTREAM", "smtp://mta.example.com:25")
    monkeypatch.setenv("SIGNOFF_RELAY__TRUSTED_NETWORKS", "10.0.0.0/8, 192.0.2.1")
    monkeypatch.setenv("SIGNOFF_BRANDS__SHOP__ON_SUPPRESSED", "reject")

    settings = load()

    assert settings.relay.downstream == "smtp://mta.example.com:25"
    assert settings.relay.max_recipients == 7
    assert settings.relay.trusted_networks == ("10.0.0.0/8", "192.0.2.1/32")
    assert settings.brands["shop"].on_suppressed == "reject"
    assert settings.data_centre == 2


def test_a_file_named_in_the_environment_is_read(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = production(empty_machine, "data_centre = 3\n").rename(empty_machine / "elsewhere.toml")
    monkeypatch.setenv("SIGNOFF_CONFIG", str(path))

    assert load().data_centre == 3


def test_a_secret_comes_from_a_file_or_a_directory(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(empty_machine)
    (empty_machine / "url").write_text("redis://:secret@store.example:6379/0\n")
    (empty_machine / "secrets").mkdir()
    (empty_machine / "secrets/SIGNOFF_RELAY__DOWNSTREAM_PASSWORD").write_text("hush\n")
    monkeypatch.setenv("SIGNOFF_STORE__URL_FILE", str(empty_machine / "url"))
    monkeypatch.setenv("SIGNOFF_SECRETS_DIR", str(empty_machine / "secrets"))

    settings = load()

    assert settings.store.url == "redis://:secret@store.example:6379/0"
    assert settings.relay.downstream_password == "hush"


def test_secrets_that_cannot_be_read_are_problems_too(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNOFF_RELAY__DOWNSTREAM_PASSWORD_FILE", "/nowhere/password")
    monkeypatch.setenv("SIGNOFF_SECRETS_DIR", "/nowhere/secrets")
    monkeypatch.setenv("SIGNOFF_DATA_CENTRE", "0")

    found = {problem.partition(":")[0] for problem in problems()}

    assert {
        "SIGNOFF_RELAY__DOWNSTREAM_PASSWORD_FILE",
        "SIGNOFF_SECRETS_DIR",
        "data_centre",
    } <= found


def test_a_part_of_the_development_brand_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNOFF_BRANDS__ACME__ON_SUPPRESSED", "reject")

    acme = load().brands["acme"]

    assert acme.on_suppressed == "reject"
    assert acme.sender_domains == ("acme.example",)
    assert acme.dkim[0].selector == "s1"


def test_brands_can_stand_in_the_environment_as_json(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_machine / "shop.pem").write_text("a key")
    monkeypatch.setenv(
        "SIGNOFF_BRANDS__SHOP",
        '{"sender_domains": ["shop.example"], "smtp_users": {"ann@shop.example": "scrypt$"}}',
    )
    monkeypatch.setenv("SIGNOFF_BRANDS__NEWS__SENDER_DOMAINS", "news.example")
    monkeypatch.setenv(
        "SIGNOFF_BRANDS__NEWS__DKIM",
        '[{"domain": "news.example", "selector": "s1", "key_file": "shop.pem"}]',
    )

    brands = load().brands

    assert set(brands) == {"shop", "news"}
    assert brands["shop"].smtp_users == {"ann@shop.example": "scrypt$"}
    assert brands["news"].dkim[0].key_file == Path("shop.pem")


@pytest.mark.parametrize(
    "url", ["smtp://mail.example.com", "smtps://mail.example.com:465", "lmtp://mail.example.com:24"]
)
def test_a_downstream_may_speak_smtp_or_lmtp(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNOFF_RELAY__DOWNSTREAM", url)

    assert load().relay.downstream == url


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://mail.example.com:99999",
        "smtp://:25",
        "smtp://mail.example.com:0",
        "ftp://mail.example.com",
    ],
)
def test_a_downstream_that_names_no_server_is_refused_with_all_the_rest(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNOFF_RELAY__DOWNSTREAM", url)
    monkeypatch.setenv("SIGNOFF_RELAY__DOWNSTREAM_CA_FILE", "nowhere.pem")
    monkeypatch.setenv("SIGNOFF_RELAY__LISTEN", "nonsense")

    assert {problem.partition(": ")[0] for problem in problems()} == {
        "relay.downstream",
        "relay.downstream_ca_file",
        "relay.listen",
    }


def test_every_problem_is_reported_at_once_by_its_key(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue H8."""
    (empty_machine / "signoff.toml").write_text(
        'public_url = "http://localhost"\ndata_centre = 1000\nbogus = 1\n[store]\nurl ='
        ' "mysql://x"\n[web]\nlisten = "nonsense"\n[brands.shop]\nsender_domains ='
        ' ["shop.example"]\none_click = "never"\n[[brands.shop.dkim]]\ndomain ='
        ' "shop.example"\nselector = "-"\nkey_file = "nowhere.pem"\n'
    )
    monkeypatch.setenv("SIGNOFF_RELAY__MAX_RECIPIENTS", "0")
    monkeypatch.setenv("SIGNOFF_TYPO", "1")

    found = {problem.partition(":")[0] for problem in problems()}

    assert found == {
        "public_url", "data_centre", "bogus", "store.url", "web.listen", "brands.shop.one_click",
        "brands.shop.dkim.0.selector", "brands.shop.dkim.0.key_file", "relay.max_recipients",
        "SIGNOFF_TYPO",
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://unsubscribe.example.com",
        "https://localhost",
        "https://10.0.0.1",
        "https://[::1]",
        "https://intranet",
        "/relative",
        "https://",
        "https://example.com/?q=1",
        "https://example.com/a,b",
        "https://user@example.com",
        "https://" + "a" * 60 + "." + "b" * 63 + ".example.com/path",
    ],
)
def test_a_public_url_that_mailbox_providers_cannot_reach_is_refused(
    url: str, empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue H6, H7, H8."""
    production(empty_machine)
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", url)

    assert [problem for problem in problems() if problem.startswith("public_url: ")]


def test_an_international_host_name_becomes_its_a_label(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue H7."""
    production(empty_machine)
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", "https://Bücher.example/abmelden/")

    assert load().public_url == "https://xn--bcher-kva.example/abmelden"


def test_development_may_use_a_private_address(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue H8: the override for tests."""
    production(empty_machine, "development = true\n")
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", "https://localhost:9443")

    assert load().public_url == "https://localhost:9443"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[brands.other]\nsender_domains = ["shop.example"]', "sender domain of both"),
        (
            (
                "[brands.other]\nnumber = 1\nsender_domains = ['o.example']\n[brands.third]\nnumber"
                " = 1\nsender_domains = ['t.example']"
            ),
            "same number",
        ),
        ('[brands.Other]\nsender_domains = ["o.example"]', "no brand id"),
        (
            (
                '[brands.other]\nsender_domains = ["o.example"]\n[brands.other.smtp_users]\nann ='
                ' "plain"'
            ),
            "must be a hash",
        ),
        (
            '[brands.other]\nsender_domains = ["o.example"]\none_click = "self_managed"',
            "needs one_click_url",
        ),
    ],
)
def test_brands_that_cannot_stand_beside_each_other_are_refused(
    text: str, expected: str, empty_machine: Path
) -> None:
    production(empty_machine, text + "\n")

    assert any(expected in problem for problem in problems())


def test_a_key_that_can_never_be_aligned_is_refused(empty_machine: Path) -> None:
    """Catalogue D6."""
    path = production(empty_machine)
    path.write_text(path.read_text().replace('domain = "shop.example"', 'domain = "other.example"'))

    assert any("aligned" in problem for problem in problems())


def test_a_file_that_is_no_toml_is_one_clear_problem(empty_machine: Path) -> None:
    (empty_machine / "signoff.toml").write_text("this is = not [ toml")

    assert any(problem.startswith("SIGNOFF_CONFIG: signoff.toml") for problem in problems())


def test_settings_are_read_only() -> None:
    settings: Settings = load()

    with pytest.raises(ValueError, match="frozen"):
        settings.data_centre = 2
