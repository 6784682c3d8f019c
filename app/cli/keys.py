"""`signoff keys`: the keyring, DKIM keys and password hashes."""

import time
from pathlib import Path
from typing import Annotated

import typer

from app.cli.lazy import LazyCommand, lazy
from app.cli.output import show
from app.core.errors import Conflict, Misconfigured
from app.core.mail.dkim_record import record_of, zone_line
from app.core.times import readable
from app.settings import keyring_file

commands = lazy(
    {
        "api": LazyCommand(
            at="app.cli.api_keys:commands", help="Make, list and revoke keys of the admin API."
        )
    },
    about="Make, list and rotate keys.",
)

_ROTATION_SECONDS = 600
_Keyring = Annotated[
    Path | None, typer.Argument(help="the keyring; the `keyring_file` of the settings unless given")
]


@commands.command()
def init(
    path: Annotated[Path, typer.Argument(help="where to put the keyring")] = Path(
        "var/keys/keyring.toml"
    ),
) -> None:
    """Make a keyring with a first key. Never overwrites one: its pepper and keys are needed for
    every token already sent.
    """
    if path.exists():
        raise Conflict(f"{path} exists; use `signoff keys rotate` to add a key")
    key = keyring_file.new_key(1, not_before_ms=_now_ms())
    keyring_file.write_secret(path, keyring_file.dump((key,), keyring_file.new_pepper()))
    typer.echo(f"Wrote {path}. Keep a copy in a safe place: without it no link already sent works.")


@commands.command()
def rotate(
    path: _Keyring = None,
    after: Annotated[
        int,
        typer.Option(
            min=1, help="seconds until the new key mints; every process must have read it by then"
        ),
    ] = _ROTATION_SECONDS,
) -> None:
    """Add a primary key that mints from `--after` seconds on. Older keys go on opening; tokens
    never expire.
    """
    path = path or _path_in_settings()
    keys, pepper = keyring_file.read(path)
    new_id = max(key.id for key in keys) + 1
    if new_id > keyring_file.MAX_KEY_ID:
        raise Misconfigured(
            [f"keyring_file: {path}: all {keyring_file.MAX_KEY_ID} key ids are used"]
        )
    key = keyring_file.new_key(new_id, not_before_ms=_now_ms() + after * 1000)
    keyring_file.write_secret(path, keyring_file.dump((*keys, key), pepper))
    typer.echo(
        f"Added key {new_id}. Send every process SIGHUP, or restart it, within {after} seconds, so that all"
        " can open its tokens."
    )


@commands.command("list")
def list_keys(
    path: _Keyring = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List the keys of a keyring, without their secrets."""
    keys, _ = keyring_file.read(path or _path_in_settings())
    rows = [
        {"id": key.id, "status": str(key.status), "not before": readable(key.not_before_ms)}
        for key in keys
    ]
    show(rows, as_json=as_json)


@commands.command()
def dkim(path: Annotated[Path, typer.Argument(help="where to put the private key (PEM)")]) -> None:
    """Make a DKIM key (RSA 2048) and print the record to publish for it."""
    if path.exists():
        raise Conflict(f"{path} exists")
    from app.settings.first_run import new_dkim_key

    pem = new_dkim_key()
    keyring_file.write_secret(path, pem)
    record = record_of(pem)
    typer.echo(f"Wrote {path}. Publish as TXT at <selector>._domainkey.<domain>:\n{record}")
    typer.echo(f"In a zone file:\n{zone_line('<selector>._domainkey.<domain>', record)}")


def _path_in_settings() -> Path:
    from app.settings.load import load  # a command that is told the path needs no settings

    return load().keyring_file


def _now_ms() -> int:
    return int(time.time()) * 1000
