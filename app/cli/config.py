"""`signoff config`: the settings as they are in force, without their secrets."""

from collections.abc import Mapping
from typing import Annotated

import typer

from app.cli.output import json_text
from app.settings import keyring_file
from app.wiring.validation import validated


def show_config(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Check the settings and show them as they are in force; every problem is reported at once, by
    its key.
    """
    in_force = validated(keys_here=True)
    settings = in_force.model_dump(mode="json")  # a secret writes itself as its mask
    keyring = keyring_file.load(in_force.keyring_file).identity()
    if as_json:
        known = {"fingerprint": keyring.pepper, "keys": dict(keyring.keys)}
        typer.echo(json_text(settings | {"keyring": known}, indent=2))
        return
    for key, value in _flat("", settings).items():
        typer.echo(f"{key} = {_word(value)}")
    # no setting: what the store remembers of the keyring
    typer.echo(f"# keyring: fingerprint of the pepper {keyring.pepper}")
    for key_id, value in keyring.keys.items():
        typer.echo(f"# keyring: check value of key {key_id} {value}")


def _flat(prefix: str, table: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= (
            _flat(f"{prefix}{key}.", value)
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return flat


def _word(value: object) -> str:
    """Return a value as TOML writes it; what is unset has no word there, so it is said in a
    comment.
    """
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{key} = {_word(part)}" for key, part in value.items() if part is not None)
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_word(part) for part in value) + "]"
    return json_text(value) if value is not None else '""  # unset'
