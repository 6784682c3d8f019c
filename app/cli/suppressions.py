"""`signoff suppressions`: who has unsubscribed, listed, taken out, brought in."""

import asyncio
import sys
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console

from app import wiring
from app.cli.brands import THE_ONLY_ONE, BrandOption, chosen
from app.cli.lists import progress_of, register
from app.cli.output import show
from app.cli.times import read_moment
from app.core.audit import AuditAction
from app.core.events import sources_called
from app.core.group_words import GroupWords
from app.core.lists.rows import csv_header, csv_row, json_row
from app.core.model import Source
from app.core.segments import Left, Segment
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings
from app.wiring.administration import opened_services

commands = typer.Typer(
    help="List, export and import unsubscribed recipients.", no_args_is_help=True
)
register(commands)

_PIECE = 65_536
_PROBLEMS_SHOWN = 20
_Group = Annotated[
    str, typer.Option(help="only who has unsubscribed this: `all`, a group's id or name")
]
_Source = Annotated[
    str,
    typer.Option(
        help=(
            "only by this way: list_unsubscribe, mailto, api, import …; 'List Unsubscribe' is"
            " one-click, mail-to and callback"
        )
    ),
]
_Since = Annotated[
    str,
    typer.Option(
        help=(
            "only what holds since then or later: so long ago (90s, 15m, 2h, 7d), or"
            " 2026-11-22T08:00:00Z"
        )
    ),
]
_Until = Annotated[str, typer.Option(help="only what holds since before then")]
_Json = Annotated[bool, typer.Option("--json")]


@commands.command("list")
def list_suppressions(  # noqa: PLR0913, PLR0917 - the options of a command
    brand: BrandOption = THE_ONLY_ONE,
    group: _Group = "",
    source: _Source = "",
    since: _Since = "",
    until: _Until = "",
    limit: Annotated[
        int, typer.Option(help="how many recipients at most", min=1, max=1_000_000)
    ] = 100,
    as_json: _Json = False,
) -> None:
    """List who has unsubscribed what, with the address where the brand stores addresses."""
    settings, said = load(), _said(source, since, until)

    async def listed() -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        async with opened_services(settings, logger("cli")) as services:
            owner = chosen(settings, brand)
            words = await services.words(owner)
            left, cursor, seen = _left(words, group, said), "", 0
            while seen < limit:
                page, cursor = await services.suppressions.page(
                    owner, left, words, cursor=cursor, limit=min(limit - seen, 1_000)
                )
                rows += [row._asdict() for row in page]
                seen += len({row.recipient for row in page})
                if not cursor:
                    break
        return rows

    show(asyncio.run(listed()), as_json=as_json)


@commands.command("export")
def export(  # noqa: PLR0913, PLR0917 - the options of a command
    path: Annotated[
        Path | None, typer.Argument(help="the file to write; stdout unless given, and for -")
    ] = None,
    brand: BrandOption = THE_ONLY_ONE,
    group: _Group = "",
    source: _Source = "",
    since: _Since = "",
    until: _Until = "",
    as_ndjson: Annotated[
        bool, typer.Option("--ndjson", help="a JSON object a line, in the place of CSV")
    ] = False,
) -> None:
    """Write everybody who has unsubscribed to a file. A file is there only once it is whole."""
    settings, said = load(), _said(source, since, until)
    if path is None or str(path) == "-":
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


async def _export(  # noqa: PLR0913 - the options of the command
    settings: Settings, brand: str, group: str, said: Segment, file: IO[bytes], *, ndjson: bool
) -> int:
    count = 0
    write = json_row if ndjson else csv_row
    async with opened_services(settings, logger("cli")) as services:
        owner = chosen(settings, brand)
        words = await services.words(owner)
        with progress_of("exporting", 0, unit="rows") as progress:
            if not ndjson:
                file.write(csv_header())
            async for rows in services.suppressions.rows(owner, _left(words, group, said), words):
                file.write(b"".join([write(row) for row in rows]))
                progress.advance(progress.task_ids[0], len(rows))
                count += len(rows)
        await services.auditing.note(
            owner, "cli", AuditAction.SUPPRESSIONS_EXPORTED, "", rows=str(count)
        )
    file.flush()
    return count


def _said(source: str, since: str, until: str) -> Segment:
    sources = sources_called(source) if source else frozenset()
    if source and not sources:
        raise typer.BadParameter(
            f"one of {', '.join(one.label for one in Source)}, List Unsubscribe",
            param_hint="--source",
        )
    now_ms = wiring.now_ms()
    return Segment(
        sources=sources,
        since_ms=read_moment(since, now_ms, option="--since") if since else None,
        until_ms=read_moment(until, now_ms, option="--until") if until else None,
    )


def _left(words: GroupWords, group: str, said: Segment) -> Left:
    return Left(group=words.key(group) if group else None, said=said)
