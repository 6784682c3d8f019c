"""`signoff events`: the changes of every brand as they happen."""

import asyncio
from typing import Annotated

import typer

from app import wiring
from app.cli.brands import chosen
from app.cli.output import ANY_LENGTH, json_text
from app.cli.times import read_moment
from app.core.events import Event, facts
from app.core.group_words import GroupWords
from app.core.groups import EVERYTHING
from app.core.identifiers import identifier_of
from app.core.model import Brand, HistoryEntry
from app.core.times import readable
from app.core.visible import visible
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings
from app.usecases.following import changes
from app.wiring.desk import opened_journal

commands = typer.Typer(help="Follow what happens.", no_args_is_help=True)


@commands.command()
def tail(
    brand: Annotated[str, typer.Option(help="only this brand's")] = "",
    since: Annotated[
        str, typer.Option(help="begin so long ago (90s, 15m, 2h, 7d), or at 2026-11-22T08:00:00Z")
    ] = "",
    follow: Annotated[bool, typer.Option(help="go on with what comes, until Ctrl-C")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Show changes as they happen, one a line; recipients go by their digest."""
    settings = load()
    now_ms = wiring.now_ms()
    begin_ms = read_moment(since, now_ms, option="--since") if since else now_ms
    try:
        asyncio.run(_tail(settings, brand, begin_ms, follow=follow, as_json=as_json))
    except KeyboardInterrupt:
        return


async def _tail(
    settings: Settings, brand: str, begin_ms: int, *, follow: bool, as_json: bool
) -> None:
    brands = wiring.brands(settings)
    shown = [chosen(settings, brand)] if brand else list(brands)
    async with opened_journal(settings, logger("cli")) as (journal, groups):
        async for one, entry in changes(journal, shown, begin_ms, follow=follow):
            typer.echo(
                _line(one, entry, GroupWords(await groups.groups(one.number)), as_json=as_json)
            )


def _line(brand: Brand, entry: HistoryEntry, words: GroupWords, *, as_json: bool) -> str:
    event = Event(
        statement=entry.statement,
        brand=brand.id,
        brand_name=brand.name,
        sequence=entry.sequence,
        address="",
        everything=EVERYTHING in entry.changed,
        groups=words.changed(entry.changed),
        identifier=identifier_of(brand, address="", digest=entry.statement.digest),
    )
    if as_json:
        return json_text(facts(event))
    scope = ", ".join(
        (*(("all",) if event.everything else ()), *(group.id for group in event.groups))
    )
    return visible(
        f"{readable(entry.statement.at_ms)}  {brand.id}  {event.name}  {event.identity}  {scope}  by"
        f" {entry.statement.source.label}",
        most=ANY_LENGTH,
    )
