"""`signoff suppressions`: who has left, listed, taken out, brought in."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app import wiring
from app.cli.output import Exit, show
from app.cli.times import read_moment
from app.core.audit import AuditAction
from app.core.group_words import GroupWords
from app.core.lists.formats import ListFormat
from app.core.lists.rows import csv_header, csv_row, json_row
from app.core.model import Brand, BrandId, Source
from app.core.segments import Left, Segment
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings
from app.usecases.import_list import ImportReport, ImportTerms
from app.wiring.administration import opened_services

commands = typer.Typer(help="List, export and import those who have left.", no_args_is_help=True)

_PIECE = 65_536
_PROBLEMS_SHOWN = 20
_Brand = Annotated[str, typer.Option(help="the brand's id")]
_Group = Annotated[str, typer.Option(help="only who has left this: `all`, a group's id or name")]
_Source = Annotated[str, typer.Option(help="only by this way, such as list_unsubscribe, mailto, api or import")]
_Since = Annotated[str, typer.Option(help="only what holds since then or later: so long ago (90s, 15m, 2h, 7d), or 2026-11-22T08:00:00Z")]
_Until = Annotated[str, typer.Option(help="only what holds since before then")]
_Json = Annotated[bool, typer.Option("--json")]


@commands.command("list")
def list_suppressions(  # noqa: PLR0913, PLR0917 - the options of a command
    brand: _Brand = "acme",
    group: _Group = "",
    source: _Source = "",
    since: _Since = "",
    until: _Until = "",
    limit: Annotated[int, typer.Option(help="how many recipients at most", min=1, max=1_000_000)] = 100,
    as_json: _Json = False,
) -> None:
    """List who has left what, with the address where the brand stores addresses."""
    settings, said = load(), _said(source, since, until)

    async def listed() -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        async with opened_services(settings, logger("cli")) as services:
            owner = _brand(settings, brand)
            words = await services.words(owner)
            left, cursor, seen = _left(words, group, said), "", 0
            while seen < limit:
                page, cursor = await services.suppressions.page(owner, left, words, cursor=cursor, limit=min(limit - seen, 1_000))
                rows += [row._asdict() for row in page]
                seen += len({row.recipient for row in page})
                if not cursor:
                    break
        return rows

    show(asyncio.run(listed()), as_json=as_json)


@commands.command("export")
def export(  # noqa: PLR0913, PLR0917 - the options of a command
    path: Annotated[Path | None, typer.Argument(help="the file to write; stdout unless given")] = None,
    brand: _Brand = "acme",
    group: _Group = "",
    source: _Source = "",
    since: _Since = "",
    until: _Until = "",
    as_ndjson: Annotated[bool, typer.Option("--ndjson", help="a JSON object a line, in the place of CSV")] = False,
) -> None:
    """Write everybody who has left to a file. A file is there only once it is whole."""
    settings, said = load(), _said(source, since, until)
    if path is None:
        asyncio.run(_export(settings, brand, group, said, sys.stdout.buffer, ndjson=as_ndjson))
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            count = asyncio.run(_export(settings, brand, group, said, file, ndjson=as_ndjson))
        part.replace(path)
    except OSError as exc:
        raise typer.BadParameter(str(exc), param_hint="PATH") from exc
    finally:
        part.unlink(missing_ok=True)
    Console(stderr=True).print(f"{count} rows in {path}")


@commands.command("import")
def import_list(  # noqa: PLR0913, PLR0917 - the options of a command
    path: Annotated[Path, typer.Argument(help="the file; - for stdin")],
    brand: _Brand = "acme",
    format: Annotated[ListFormat | None, typer.Option(help="whose export it is; recognised by its columns unless given")] = None,
    group: Annotated[list[str] | None, typer.Option(help="what they left, where a line does not say; all mail unless given")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="read and report, save nothing")] = False,
    as_json: _Json = False,
) -> None:
    """Import a list of people who left elsewhere. It never resubscribes anybody, and may be repeated. 1 when lines were refused."""
    settings = load()
    with _opened(path) as (file, size), _progress("importing", size) as progress:
        report = asyncio.run(_import(settings, brand, file, progress, format=format, groups=group or [], dry_run=dry_run))
    row = {"read": report.read, "accepted": report.accepted, "undated": report.undated, "refused": report.refused, "dry run": dry_run}
    if as_json:
        show([row | {"problems": [{"line": line, "reason": reason} for line, reason in report.problems]}], as_json=True)
    else:
        show([row], as_json=False)
        for line, reason in report.problems[:_PROBLEMS_SHOWN]:
            print(f"line {line}: {reason}", file=sys.stderr)
        if report.refused > _PROBLEMS_SHOWN:
            print(f"and {report.refused - _PROBLEMS_SHOWN} more; --json lists them", file=sys.stderr)
    raise typer.Exit(Exit.FINDING if report.refused else Exit.GOOD)


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
        owner = _brand(settings, brand)
        words = await services.words(owner)
        terms = ImportTerms(words=words, format=format, groups=words.scope(groups), dry_run=dry_run)
        report = await services.import_list(owner, pieces(), terms)
        if not dry_run:
            counts = {"read": str(report.read), "accepted": str(report.accepted), "refused": str(report.refused)}
            await services.auditing.note(owner, "cli", AuditAction.SUPPRESSIONS_IMPORTED, "", **counts)
    return report


async def _export(  # noqa: PLR0913 - the options of the command
    settings: Settings, brand: str, group: str, said: Segment, file: IO[bytes], *, ndjson: bool
) -> int:
    count = 0
    write = json_row if ndjson else csv_row
    async with opened_services(settings, logger("cli")) as services:
        owner = _brand(settings, brand)
        words = await services.words(owner)
        with _progress("exporting", 0, unit="rows") as progress:
            if not ndjson:
                file.write(csv_header())
            async for rows in services.suppressions.rows(owner, _left(words, group, said), words):
                file.write(b"".join([write(row) for row in rows]))
                progress.advance(progress.task_ids[0], len(rows))
                count += len(rows)
    file.flush()
    return count


def _brand(settings: Settings, brand: str) -> Brand:
    return wiring.brands(settings).by_id(BrandId(brand))


def _said(source: str, since: str, until: str) -> Segment:
    labels = {one.label: one for one in Source}
    if source and source not in labels:
        raise typer.BadParameter(f"one of {', '.join(labels)}", param_hint="--source")
    now_ms = wiring.now_ms()
    return Segment(
        source=labels.get(source),
        since_ms=read_moment(since, now_ms, option="--since") if since else None,
        until_ms=read_moment(until, now_ms, option="--until") if until else None,
    )


def _left(words: GroupWords, group: str, said: Segment) -> Left:
    return Left(group=words.key(group) if group else None, said=said)


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
def _progress(what: str, size: int, *, unit: str = "") -> Iterator[Progress]:
    """Show how far a long command is, on stderr and only to people; with a size a bar of bytes, else a count."""
    columns = (
        (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        if size
        else (SpinnerColumn(), TextColumn(f"{{task.description}} {{task.completed:,.0f}} {unit or 'bytes'}"), TimeElapsedColumn())
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        progress.add_task(what, total=size or None)
        yield progress
