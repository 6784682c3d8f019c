"""`signoff groups`, as an operator runs it: over the embedded store of a folder of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import commands
from app.core.errors import NotFound, RuleViolation, SignoffError
from app.store.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that runs throughout, as beside `make run`."""
    embedded = EmbeddedStore(tmp_path_factory.mktemp("groups"))
    embedded.ensure()
    yield embedded.url
    embedded.release()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_STORE__URL", store_url)


def signoff(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["groups", *arguments])


def rows(*arguments: str) -> list[dict[str, str]]:
    result = signoff(*arguments, "--json")
    assert 0 == result.exit_code, result.output
    found: list[dict[str, str]] = json.loads(result.stdout)
    return found


def test_a_groups_life() -> None:
    """Seeds 002, 003."""
    made = rows("create", "Product news", "--description", "Once a month")
    edited = rows("edit", "product-news", "--name", "साप्ताहिक")
    archived = rows("archive", "product-news")
    restored = rows("restore", "product-news")
    listed = rows("list")

    assert [("product-news", "Product news", "active")] == [(row["id"], row["name"], row["state"]) for row in made]
    assert ["साप्ताहिक"] == [row["name"] for row in edited]
    assert (["archived"], ["active"]) == ([row["state"] for row in archived], [row["state"] for row in restored])
    assert restored == listed
    assert "Once a month" in signoff("list").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("create", "<b>"), RuleViolation),
        (("create", "x", "--id", "no blanks"), RuleViolation),
        (("archive", "nothing"), NotFound),
        (("list", "--brand", "nobody"), NotFound),
    ],
)
def test_what_cannot_be_done_is_an_error_of_the_tree(arguments: tuple[str, ...], error: type[SignoffError]) -> None:
    assert isinstance(signoff(*arguments).exception, error)


def test_an_edit_of_nothing_is_a_wrong_usage() -> None:
    assert 2 == signoff("edit", "nothing").exit_code
