"""The other data centres in the settings."""

import os
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.core.shipment import home_key
from app.core.webhook import Reach
from app.settings.load import load


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("SIGNOFF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def production(folder: Path, table: str) -> None:
    (folder / "signoff.toml").write_text(
        'public_url = "https://unsubscribe.example.com"\ndata_centre ='
        f' 1\n[data_centres]\n{table}\n[brands.shop]\nsender_domains = ["shop.example"]\n'
    )


def problem() -> str:
    with pytest.raises(Misconfigured) as raised:
        load()
    (found,) = raised.value.problems
    return found


def test_every_data_centre_may_read_the_same_table_and_leaves_itself_out(tmp_path: Path) -> None:
    production(
        tmp_path, '1 = "https://api-01.example.com"\n2 = "https://api-02.example.com/signoff/"'
    )

    routing = load().routing()

    assert [
        (home_key(2), "https://api-02.example.com/signoff/v1/emailunsubscribe", Reach.PUBLIC)
    ] == [(home.key, home.url, home.reach) for home in routing]


def test_one_data_centre_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNOFF_DATA_CENTRES__2", "http://127.0.0.2:8080")

    (home,) = load().routing()

    assert ("http://127.0.0.2:8080/v1/emailunsubscribe", Reach.PRIVATE) == (home.url, home.reach)


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ('2 = "http://api-02.example.com"', "https and a public host name are needed"),
        ('2 = "https://127.0.0.2"', "https and a public host name are needed"),
        ('2 = "https://10.1.2.3"', "https and a public host name are needed"),
        ('2 = "https://api-02"', "https and a public host name are needed"),
        ('2 = "https://0x7f000001"', "an address in its plain notation"),
        ('2 = "https://api-02.example.com/?x=1"', "without query"),
        ('2 = "ftp://api-02.example.com"', "absolute URL"),
        ('0 = "https://api-02.example.com"', "greater than or equal to 1"),
        ('100 = "https://api-02.example.com"', "less than or equal to 99"),
        ('two = "https://api-02.example.com"', "valid integer"),
    ],
)
def test_an_address_that_cannot_be_a_data_centre_s_is_refused_before_the_start(
    tmp_path: Path, row: str, wrong: str
) -> None:
    """Catalogue L1."""
    production(tmp_path, row)

    found = problem()

    assert found.startswith("data_centres")
    assert wrong in found
