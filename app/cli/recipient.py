"""`signoff recipient`: the state and the history of one recipient."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from app import wiring
from app.cli.output import show
from app.core.groups import EVERYTHING
from app.core.model import BrandId, HistoryEntry, Preferences, Subscription
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings

commands = typer.Typer(help="Look at one recipient.", no_args_is_help=True)


@commands.command("show")
def show_recipient(
    address: Annotated[str, typer.Argument(help="the recipient's address")],
    brand: Annotated[str, typer.Option(help="the brand's id")] = "acme",
    history: Annotated[bool, typer.Option("--history", help="list the changes instead of the state")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show whether a recipient still gets the brand's promotional mail, and what they said."""
    settings = load()
    show((changes if history else states)(settings, address, brand), as_json=as_json)


def states(settings: Settings, address: str, brand: str) -> list[dict[str, object]]:
    """Return a row for all mail, and one for each group that the recipient ever said something about."""
    state, _ = asyncio.run(_load(settings, address, brand))
    rows = [_state(address, "all", state.everything, state.sequence)]
    return rows + [_state(address, f"{key:08x}", group, state.sequence) for key, group in state.groups.items()]


def changes(settings: Settings, address: str, brand: str) -> list[dict[str, object]]:
    """Return a row for each change, oldest first."""
    _, entries = asyncio.run(_load(settings, address, brand))
    return [_change(entry) for entry in entries]


async def _load(settings: Settings, address: str, brand: str) -> tuple[Preferences, Sequence[HistoryEntry]]:
    number = wiring.brands(settings).by_id(BrandId(brand)).number
    digest = wiring.token_codec(settings).digest(address, brand=number)
    async with wiring.opened_store(settings, logger("cli")) as store:
        (state,) = await store.preferences(number, [digest])
        return state, await store.history(number, digest)


def _state(address: str, scope: str, subscription: Subscription, sequence: int) -> dict[str, object]:
    return {
        "recipient": address,
        "scope": scope,
        "state": "subscribed" if subscription.subscribed else "unsubscribed",
        "source": subscription.source.label if subscription.source else "-",
        "since": _moment(subscription.since_ms),
        "sequence": sequence,
    }


def _change(entry: HistoryEntry) -> dict[str, object]:
    return {
        "at": _moment(entry.statement.at_ms),
        "event": "Email Resubscribed" if entry.statement.subscribed else "Email Unsubscribed",
        "source": entry.statement.source.label,
        "campaign": entry.statement.campaign or "-",
        "scope": ", ".join("all" if key == EVERYTHING else f"{key:08x}" for key in entry.changed),
        "sequence": entry.sequence,
        "id": entry.statement.id.hex(),
    }


def _moment(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000)) if at_ms else "-"
