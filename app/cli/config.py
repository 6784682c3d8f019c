"""`signoff config`: the settings as they are in force, without their secrets."""

import json
from collections.abc import Mapping
from typing import Annotated

import typer

from app.cli.output import show
from app.settings.load import load


def show_config(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Check the settings and show them as they are in force; every problem is reported at once, by its key."""
    settings = load().model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(_redacted(settings), ensure_ascii=False, indent=2))
        return
    show([{"setting": key, "value": value} for key, value in _flat("", _redacted(settings)).items()], as_json=False)


def _redacted(table: Mapping[str, object]) -> dict[str, object]:
    return {key: _redacted(value) if isinstance(value, dict) else _hidden(key, value) for key, value in table.items()}


def _hidden(key: str, value: object) -> object:
    if value and (key.endswith("password") or (isinstance(value, str) and value.startswith("scrypt$"))):
        return "(set)"
    if key == "url" and isinstance(value, str) and "@" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://(credentials)@{rest.rpartition('@')[2]}"
    return value


def _flat(prefix: str, table: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= _flat(f"{prefix}{key}.", value) if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
