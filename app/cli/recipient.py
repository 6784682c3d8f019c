"""`signoff recipient`: one recipient looked at, unsubscribed, resubscribed, erased."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

import typer

from app.cli.brands import THE_ONLY_ONE, BrandOption, chosen
from app.cli.output import show
from app.core.events import event_name
from app.core.group_words import GroupWords
from app.core.model import (
    Brand,
    HistoryEntry,
    Preferences,
    Statement,
    Subscription,
)
from app.core.times import readable
from app.core.visible import is_one_line
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings
from app.usecases.administration import Administration
from app.wiring.administration import opened_services

commands = typer.Typer(help="Look at one recipient, or speak for one.", no_args_is_help=True)

T = TypeVar("T")
_Address = Annotated[str, typer.Argument(help="the recipient's address")]
_Group = Annotated[
    list[str] | None,
    typer.Option(help="a group's id or name; may be repeated; all mail unless given"),
]
_Json = Annotated[bool, typer.Option("--json")]

_CHANGES_SHOWN = 100


@commands.command("show")
def show_recipient(
    address: _Address,
    brand: BrandOption = THE_ONLY_ONE,
    history: Annotated[
        bool, typer.Option("--history", help="list the changes instead of the state")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Show whether a recipient still gets the brand's promotional mail, and what they said."""
    settings = load()
    rows = (changes if history else states)(settings, address, brand)
    show(
        (
            rows
            if as_json
            else [{name: value for name, value in row.items() if name != "groups"} for row in rows]
        ),
        as_json=as_json,
    )


@commands.command()
def unsubscribe(
    address: _Address,
    brand: BrandOption = THE_ONLY_ONE,
    group: _Group = None,
    as_json: _Json = False,
) -> None:
    """Unsubscribe a recipient from all mail, or from groups; a second time changes nothing."""

    async def leave(services: Administration, owner: Brand) -> dict[str, object]:
        statement, _ = await services.recipients.unsubscribe(
            owner, address, group or (), actor="cli"
        )
        return _saved(statement)

    show([_with(load(), brand, leave)], as_json=as_json)


@commands.command()
def resubscribe(  # noqa: PLR0913, PLR0917 - the options of a command
    address: _Address,
    consent: Annotated[
        str, typer.Option(help="how and when the recipient consented; kept in the audit")
    ],
    sequence: Annotated[
        int,
        typer.Option(
            help="the sequence that `show` told; when it has moved on, nothing is done", min=0
        ),
    ],
    brand: BrandOption = THE_ONLY_ONE,
    group: _Group = None,
    as_json: _Json = False,
) -> None:
    """Subscribe a recipient again who has consented to it."""
    if not (consent.strip() and is_one_line(consent)):
        raise typer.BadParameter(
            "say how and when the recipient consented, in one line", param_hint="--consent"
        )

    async def join(services: Administration, owner: Brand) -> dict[str, object]:
        statement, _ = await services.recipients.resubscribe(
            owner, address, group or (), sequence=sequence, consent=consent, actor="cli"
        )
        return _saved(statement)

    show([_with(load(), brand, join)], as_json=as_json)


@commands.command()
def erase(
    address: _Address,
    brand: BrandOption = THE_ONLY_ONE,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: _Json = False,
) -> None:
    """Erase a recipient: only the keyed hash stays, and what it is suppressed from."""
    if not yes:
        typer.confirm(
            f"Erase the history and the stored address of {address}? What they have left stays"
            " left.",
            abort=True,
            err=True,
        )

    async def forget(services: Administration, owner: Brand) -> dict[str, object]:
        digest = services.recipients.digest(owner, address)
        known = await services.erase(owner, digest, actor="cli")
        return {"recipient": digest.hex(), "was known": known}

    show([_with(load(), brand, forget)], as_json=as_json)


def states(settings: Settings, address: str, brand: str) -> list[dict[str, object]]:
    """Return a row for all mail, and one for each group that the recipient ever said something
    about.
    """

    async def look(services: Administration, owner: Brand) -> tuple[Preferences, GroupWords]:
        return await services.recipients.state(owner, address), await services.words(owner)

    state, words = _with(settings, brand, look)
    rows = [_state(address, "all", state.everything, state.sequence)]
    return rows + [
        _state(address, words.word(key), group, state.sequence)
        for key, group in state.groups.items()
    ]


def changes(settings: Settings, address: str, brand: str) -> list[dict[str, object]]:
    """Return a row for each change, oldest first."""

    async def look(
        services: Administration, owner: Brand
    ) -> tuple[Sequence[HistoryEntry], GroupWords]:
        return await services.recipients.history(
            owner, address, limit=_CHANGES_SHOWN
        ), await services.words(owner)

    entries, words = _with(settings, brand, look)
    return [_change(entry, words) for entry in entries]


def _with(
    settings: Settings, brand: str, act: Callable[[Administration, Brand], Awaitable[T]]
) -> T:
    owner = chosen(settings, brand)

    async def run() -> T:
        async with opened_services(settings, logger("cli")) as services:
            return await act(services, owner)

    return asyncio.run(run())


def _saved(statement: Statement) -> dict[str, object]:
    return {
        "recipient": statement.digest.hex(),
        "subscribed": statement.subscribed,
        "id": statement.id.hex(),
    }


def _state(
    address: str, scope: str, subscription: Subscription, sequence: int
) -> dict[str, object]:
    return {
        "recipient": address,
        "scope": scope,
        "state": "subscribed" if subscription.subscribed else "unsubscribed",
        "source": subscription.source.label if subscription.source else "-",
        "since": readable(subscription.since_ms),
        "sequence": sequence,
    }


def _change(entry: HistoryEntry, words: GroupWords) -> dict[str, object]:
    statement = entry.statement
    return {
        "at": readable(statement.at_ms),
        "event": (
            event_name(
                subscribed=statement.subscribed, source=statement.source, changed=entry.changed
            ).value
        ),
        "source": statement.source.label,
        "campaign": statement.campaign or "-",
        "scope": ", ".join(words.word(key) for key in entry.changed),
        "groups": [group.facts() for group in words.changed(entry.changed)],
        "sequence": entry.sequence,
        "id": statement.id.hex(),
    }
