"""`signoff groups`, as an operator runs it: over the embedded store of a folder of its own."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.__main__ import commands
from app.core.audit import AuditAction
from app.core.errors import NotFound, RuleViolation, SignoffError
from app.observe import log as logs
from app.settings.load import load
from app.store.embedded import EmbeddedStore
from app.wiring import brands
from app.wiring.administration import opened_services


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that runs throughout, as beside `make run`."""
    embedded = EmbeddedStore(tmp_path_factory.mktemp("groups"))
    embedded.ensure()
    yield embedded.url
    embedded.release()


@pytest.fixture(autouse=True)
def here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_STORE__URL", store_url)
    monkeypatch.setenv("SIGNOFF_STATE_DIR", str(tmp_path_factory.getbasetemp() / "groups-state"))
    # as `output.run` does, which a runner in this process goes around
    logs.configure(level="error")
    yield
    structlog.reset_defaults()


def signoff(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["groups", *arguments])


def rows(*arguments: str) -> list[dict[str, str]]:
    result = signoff(*arguments, "--json")
    assert 0 == result.exit_code, result.output
    found: list[dict[str, str]] = json.loads(result.stdout)
    return found


def test_a_groups_life() -> None:
    """As CleverTap's documents say."""
    made = rows("create", "Product news", "--description", "Once a month")
    edited = rows("edit", "product-news", "--name", "साप्ताहिक")
    archived = rows("archive", "साप्ताहिक")
    restored = rows("restore", "product-news")
    listed = rows("list")

    assert [("product-news", "Product news", "active")] == [
        (row["id"], row["name"], row["state"]) for row in made
    ]
    assert ["साप्ताहिक"] == [row["name"] for row in edited]
    assert (["archived"], ["active"]) == (
        [row["state"] for row in archived],
        [row["state"] for row in restored],
    )
    assert restored == [row for row in listed if row["id"] == "product-news"]
    assert "Once a month" in signoff("list").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("create", "<b>"), RuleViolation),
        (("create", "x", "--id", "no blanks"), RuleViolation),
        (("create", "All"), RuleViolation),
        (("archive", "nothing"), NotFound),
        (("list", "--brand", "nobody"), NotFound),
    ],
)
def test_what_cannot_be_done_is_an_error_of_the_tree(
    arguments: tuple[str, ...], error: type[SignoffError]
) -> None:
    assert isinstance(signoff(*arguments).exception, error)


def test_an_edit_of_nothing_is_a_wrong_usage() -> None:
    assert 2 == signoff("edit", "nothing").exit_code


async def test_every_change_is_in_the_audit() -> None:
    """Catalogue Q8."""
    await asyncio.to_thread(_a_life)

    async with opened_services(load(), logs.logger("test")) as services:
        (acme,) = brands(load())
        noted = await services.audit.entries(acme.number, after="", limit=1000)

    assert [
        AuditAction.GROUP_CREATED,
        AuditAction.GROUP_EDITED,
        AuditAction.GROUP_ARCHIVED,
        AuditAction.GROUP_RESTORED,
    ] == [entry.action for entry in noted if entry.target == "audited"]
    assert {"cli"} == {entry.actor for entry in noted}


def _a_life() -> None:
    rows("create", "Audited")
    rows("edit", "audited", "--description", "x")
    rows("archive", "audited")
    rows("restore", "audited")
