"""`signoff backup` and `signoff restore`: the whole store as one file, and back."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from app.cli.lists import progress_of
from app.cli.output import json_text
from app.observe.log import logger
from app.settings.load import load
from app.wiring import backup as backups

_Json = Annotated[bool, typer.Option("--json")]


def backup(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write")],
    force: Annotated[bool, typer.Option("--force", help="replace a file of this name")] = False,
    as_json: _Json = False,
) -> None:
    """Write the whole store to one file: states, groups, history, imports, API keys (as digests),
    events that wait.

    It may run while everything is in use. Keep the keyring with it, elsewhere: without it the file
    is of no use.
    """
    settings = load()
    with progress_of("backing up", 1, unit="keys") as shown:
        task = shown.task_ids[0]
        try:
            counts = asyncio.run(
                backups.back_up(
                    settings,
                    path,
                    logger("cli"),
                    force=force,
                    begin=lambda total: shown.update(task, total=max(total, 1)),
                    progress=lambda keys: shown.update(task, completed=keys),
                )
            )
        except OSError as exc:
            raise typer.BadParameter(str(exc), param_hint="FILE") from exc
    if as_json:
        print(json_text({"file": str(path), "octets": path.stat().st_size, **counts}))
    else:
        print(f"{path}: {_words(counts)}")


def restore(
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="a file that `signoff backup` wrote")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="replace all that the store holds")
    ] = False,
    raise_epoch: Annotated[
        bool,
        typer.Option(
            "--raise-epoch",
            help=(
                "restore nothing; say that the store came back by its own means, so that sequences"
                " go on"
            ),
        ),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Bring a backup back into an empty store. Stop every process first; clicks wait in spools or
    with the mailbox providers.

    The file is checked to its end before anything changes. A restore that was broken off is run
    again. Sequences of events go on above all that were told.
    """
    if (path is None) != raise_epoch:
        raise typer.BadParameter("name the file, or --raise-epoch alone", param_hint="FILE")
    settings = load()
    if path is None:
        epoch = asyncio.run(backups.raised(settings, logger("cli")))
        print(json_text({"epoch": epoch}) if as_json else f"Sequences go on above {epoch}.")
        return
    try:
        with path.open("rb") as file:
            with progress_of("checking", path.stat().st_size) as shown:
                reader = backups.verified(settings, file, progress=_moving(shown))
            with progress_of("restoring", path.stat().st_size) as shown:
                done = asyncio.run(
                    backups.restore(
                        settings, reader, logger("cli"), force=force, progress=_moving(shown)
                    )
                )
    except OSError as exc:
        raise typer.BadParameter(str(exc), param_hint="FILE") from exc
    for key_id in done.missing_keys:
        print(
            f"The keyring has no key {key_id}: links that were sent by it do not open. Bring it"
            " back.",
            file=sys.stderr,
        )
    if as_json:
        print(
            json_text(
                {
                    "file": str(path),
                    "made_at": done.header.made_at,
                    "epoch": done.epoch,
                    **done.counts,
                }
            )
        )
    else:
        print(
            f"{path} of {done.header.made_at}: {_words(done.counts)}. Sequences go on above"
            f" {done.epoch}."
        )


def _moving(shown: Progress) -> Callable[[int], None]:
    return lambda completed: shown.update(shown.task_ids[0], completed=completed)


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
