"""`signoff suppressions import`, `imports` and `undo`: lists of people who left elsewhere, and how
to take one back.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from app.cli.brands import THE_ONLY_ONE, BrandOption, chosen
from app.cli.output import Exit, json_text, show
from app.core.lists.formats import ListFormat
from app.core.times import iso
from app.core.visible import visible
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings
from app.usecases.import_list import ImportReport, ImportTerms
from app.usecases.undo_import import UndoReport
from app.wiring.administration import opened_services

_PIECE = 65_536
_PROBLEMS_SHOWN = 20
_Json = Annotated[bool, typer.Option("--json")]


def register(commands: typer.Typer) -> None:
    """Add the commands of this module."""
    commands.command("import")(import_list)
    commands.command("imports")(list_imports)
    commands.command("undo")(undo)


def import_list(  # noqa: PLR0913, PLR0917 - the options of a command
    path: Annotated[Path, typer.Argument(help="the file; - for stdin")],
    brand: BrandOption = THE_ONLY_ONE,
    format: Annotated[
        ListFormat | None,
        typer.Option(help="whose export it is; recognised by its columns unless given"),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="what they left, where a line does not say; all mail unless given"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="read and report, save nothing")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Import a list of people who left elsewhere. It never resubscribes anybody, and may be
    repeated. 1 when lines were refused.
    """
    settings = load()
    with _opened(path) as (file, size), progress_of("importing", size) as progress:
        report = asyncio.run(
            _import(
                settings, brand, file, progress, format=format, groups=group or [], dry_run=dry_run
            )
        )
    if as_json:
        print(json_text(import_facts(report, dry_run=dry_run)))
    else:
        _tell(report, dry_run=dry_run)
    raise typer.Exit(Exit.FINDING if report.refused else Exit.GOOD)


def _tell(report: ImportReport, *, dry_run: bool) -> None:
    """Say what goes where, then what does not, as a person reads it."""
    would = "would leave" if dry_run else "left"
    print(f"{report.read} lines read, {report.accepted} accepted")
    if report.all_mail:
        print(f"  {report.all_mail} {would} all mail")
    for name, count in sorted(report.groups.items(), key=lambda one: (-one[1], one[0])):
        print(f"  {count} {would} {visible(name)}")
    for count, words in (
        (report.skipped_subscribed, "subscribed, skipped"),
        (report.undated, "accepted without a time of leaving: taken as now"),
        (report.overruled, "overruled: the recipient has said something newer"),
        (report.refused, "refused"),
    ):
        if count:
            print(f"{count} {words}")
    for taken in report.first if dry_run else ():
        print(
            f"  line {taken.line}: {visible(taken.recipient)} {would}"
            f" {visible(', '.join(taken.groups))}"
        )
    for line, reason in report.problems[:_PROBLEMS_SHOWN]:
        print(f"line {line}: {visible(reason, most=300)}", file=sys.stderr)
    if report.refused > _PROBLEMS_SHOWN:
        print(f"and {report.refused - _PROBLEMS_SHOWN} more; --json lists them", file=sys.stderr)
    if report.id:
        print(f"import {report.id}; take it back with `signoff suppressions undo {report.id}`")


def import_facts(report: ImportReport, *, dry_run: bool) -> dict[str, object]:
    """Return what became of a list as data, in the words of the admin API."""
    return {
        "id": report.id or None,
        "dry_run": dry_run,
        "read": report.read,
        "accepted": {"all": report.all_mail, "groups": report.groups},
        "skipped_subscribed": report.skipped_subscribed,
        "undated": report.undated,
        "overruled": report.overruled,
        "refused": [{"line": line, "reason": reason} for line, reason in report.problems],
        "refused_count": report.refused,
        "first": [
            {
                "line": one.line,
                "recipient": one.recipient,
                "groups": list(one.groups),
                "at": iso(one.at_ms or 0) or None,
            }
            for one in report.first
        ],
    }


def list_imports(brand: BrandOption = THE_ONLY_ONE, as_json: _Json = False) -> None:
    """List the imports that were made, newest first, with the ids by which they can be undone."""
    settings = load()

    async def listed() -> list[dict[str, object]]:
        async with opened_services(settings, logger("cli")) as services:
            found = await services.imports.all(chosen(settings, brand))
        return [
            {
                "id": one.id,
                "at": iso(one.at_ms),
                "by": one.actor,
                **one.counts,
                "undone": iso(one.undone_ms or 0) or None,
            }
            for one in found
        ]

    show(asyncio.run(listed()), as_json=as_json)


def undo(
    import_id: Annotated[str, typer.Argument(help="the import's id, as `imports` lists it")],
    brand: BrandOption = THE_ONLY_ONE,
    as_json: _Json = False,
) -> None:
    """Put back what an import changed, where nobody has spoken since. May be repeated."""
    settings = load()

    async def undone(progress: Progress) -> UndoReport:
        async with opened_services(settings, logger("cli")) as services:
            owner = chosen(settings, brand)
            return await services.imports.undo(
                owner,
                import_id,
                actor="cli",
                progress=lambda so_far: progress.update(
                    progress.task_ids[0], completed=so_far.changed
                ),
            )

    with progress_of("undoing", 0, unit="recipients") as progress:
        report = asyncio.run(undone(progress))
    facts = {
        "id": import_id,
        "changed": report.changed,
        "put_back": report.put_back,
        "kept": report.kept,
    }
    if as_json:
        print(json_text(facts))
    else:
        print(
            f"{report.put_back} put back, {report.kept} kept as they are, of {report.changed} whom"
            " the import had changed"
        )


async def _import(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    brand: str,
    file: IO[bytes],
    progress: Progress,
    *,
    format: ListFormat | None,
    groups: list[str],
    dry_run: bool,
) -> ImportReport:
    task = progress.task_ids[0]

    async def pieces() -> AsyncIterator[bytes]:
        while piece := file.read(_PIECE):
            yield piece
            progress.advance(task, len(piece))

    async with opened_services(settings, logger("cli")) as services:
        owner = chosen(settings, brand)
        words = await services.words(owner)
        terms = ImportTerms(words=words, format=format, groups=words.scope(groups), dry_run=dry_run)
        return await services.import_list(owner, pieces(), terms, actor="cli")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open the file to import and tell its size, 0 when nobody knows."""
    if str(path) == "-":
        yield sys.stdin.buffer, 0
        return
    try:
        file = path.open("rb")
    except OSError as exc:
        raise typer.BadParameter(str(exc), param_hint="PATH") from exc
    with file:
        yield file, path.stat().st_size


@contextmanager
def progress_of(what: str, size: int, *, unit: str = "") -> Iterator[Progress]:
    """Show how far a long command is, on stderr and only to people; with a size a bar, of bytes
    unless a unit is named, else a count.
    """
    far = (
        DownloadColumn()
        if not unit
        else TextColumn(f"{{task.completed:,.0f}} of {{task.total:,.0f}} {unit}")
    )
    columns = (
        (TextColumn("{task.description}"), BarColumn(), far, TimeElapsedColumn())
        if size
        else (
            SpinnerColumn(),
            TextColumn(f"{{task.description}} {{task.completed:,.0f}} {unit or 'bytes'}"),
            TimeElapsedColumn(),
        )
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as progress:
        progress.add_task(what, total=size or None)
        yield progress
