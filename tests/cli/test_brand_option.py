"""Which brand a command is about when it names none, or one that is not there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import commands
from app.core.errors import NotFound


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def configured(*names: str) -> None:
    Path("signoff.toml").write_text(
        "".join(f'[brands.{name}]\nsender_domains = ["{name}.example"]\n' for name in names)
    )


def signoff(*arguments: str) -> Result:
    return CliRunner().invoke(commands, list(arguments))


def test_the_only_brand_need_not_be_named() -> None:
    configured("shop")
    signoff("keys", "init")

    minted = signoff("token", "mint", "ann@example.net", "--json")

    assert 0 == minted.exit_code, minted.output


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["token", "mint", "a@x.example"], "there is not exactly one brand"),
        (["groups", "list"], "there is not exactly one brand"),
        (["recipient", "show", "a@x.example"], "there is not exactly one brand"),
        (["suppressions", "list"], "there is not exactly one brand"),
        (["keys", "api", "list"], "there is not exactly one brand"),
    ],
)
def test_of_several_one_must_be_named_and_the_error_names_them(
    command: list[str], said: str
) -> None:
    configured("shop", "news")
    signoff("keys", "init")

    refused = signoff(*command)

    assert 2 == refused.exit_code
    told = " ".join(refused.output.replace("│", " ").split())
    assert said in told
    assert "shop" in told
    assert "news" in told


@pytest.mark.parametrize(
    "command",
    [
        ["token", "mint", "a@x.example"],
        ["events", "tail"],
        ["dlq", "list"],
        ["keys", "api", "list"],
    ],
)
def test_a_name_that_no_brand_has_is_told_with_those_that_there_are(command: list[str]) -> None:
    configured("shop", "news")
    signoff("keys", "init")

    refused = signoff(*command, "--brand", "ac\x1b[31mme")

    assert isinstance(refused.exception, NotFound)
    assert 'no brand is called "ac\\x1b[31mme"; brands: shop, news' == str(refused.exception)
