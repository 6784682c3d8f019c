"""`signoff dlq`: the deliveries that were given up: look at them, send them again, or forget
them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from app import wiring
from app.cli.brands import chosen
from app.cli.output import show
from app.core.audit import AuditAction
from app.core.events import event_name
from app.core.model import BrandNumber
from app.core.times import readable
from app.core.webhook import DeadLetter
from app.observe.log import logger
from app.settings.load import load
from app.settings.model import Settings
from app.usecases.administration import Administration
from app.usecases.webhooks import Webhooks
from app.wiring.administration import opened_services

commands = typer.Typer(
    help="Dead letters: deliveries to webhooks that were given up.", no_args_is_help=True
)

T = TypeVar("T")
_Brand = Annotated[str, typer.Option(help="only this brand's")]
_Json = Annotated[bool, typer.Option("--json")]
_Chosen = Annotated[
    list[str] | None, typer.Argument(help="the cursors of dead letters, as `list` shows them")
]
_All = Annotated[bool, typer.Option("--all", help="all of them")]


@commands.command("list")
def list_letters(
    brand: _Brand = "",
    after: Annotated[str, typer.Option(help="go on behind this cursor")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many at most")] = 100,
    as_json: _Json = False,
) -> None:
    """List dead letters with the reason of each."""
    settings = load()
    number = chosen(settings, brand).number if brand else None
    letters = _with(
        settings, lambda services: services.webhooks.dead_letters(number, after=after, limit=limit)
    )
    names = {record.number: record.id for record in settings.brand_records()}
    show(
        [_row(letter, names.get(letter.delivery.statement.brand, "?")) for letter in letters],
        as_json=as_json,
    )


@commands.command()
def resend(
    chosen: _Chosen = None, brand: _Brand = "", everything: _All = False, as_json: _Json = False
) -> None:
    """Deliver dead letters again, from the first attempt on; an endpoint that had answered 410 is
    switched on again.
    """
    cursors = _cursors(chosen, everything)
    count = _done(
        brand,
        AuditAction.WEBHOOK_RESENT,
        "resent",
        lambda webhooks, number: webhooks.resend(number, cursors),
    )
    show([{"resent": count}], as_json=as_json)


@commands.command()
def drop(
    chosen: _Chosen = None, brand: _Brand = "", everything: _All = False, as_json: _Json = False
) -> None:
    """Forget dead letters for good. The changes themselves stay in the state and the history."""
    cursors = _cursors(chosen, everything)
    count = _done(
        brand,
        AuditAction.WEBHOOK_DROPPED,
        "dropped",
        lambda webhooks, number: webhooks.drop(number, cursors),
    )
    show([{"dropped": count}], as_json=as_json)


def _cursors(chosen: list[str] | None, everything: bool) -> list[str] | None:
    if bool(chosen) == everything:
        raise typer.BadParameter("name dead letters by their cursors, or say --all")
    return chosen or None


def _done(
    brand: str,
    action: AuditAction,
    counted: str,
    act: Callable[[Webhooks, BrandNumber | None], Awaitable[int]],
) -> int:
    """Act on the dead letters of a brand, or of all, and write into the audit of each how many
    there were.
    """
    settings = load()

    async def run(services: Administration) -> int:
        count = 0
        for owner in [chosen(settings, brand)] if brand else wiring.brands(settings):
            done = await act(services.webhooks, owner.number)
            count += done
            if done:
                await services.auditing.note(owner, "cli", action, "", **{counted: str(done)})
        # Those of brands that the settings no longer have; such a brand has no audit.
        return count if brand else count + await act(services.webhooks, None)

    return _with(settings, run)


def _with(settings: Settings, act: Callable[[Administration], Awaitable[T]]) -> T:
    async def run() -> T:
        async with opened_services(settings, logger("cli")) as services:
            return await act(services)

    return asyncio.run(run())


def _row(letter: DeadLetter, brand: str) -> dict[str, object]:
    delivery = letter.delivery
    said = delivery.statement
    name = event_name(subscribed=said.subscribed, source=said.source, changed=delivery.changed)
    return {
        "cursor": letter.cursor,
        "brand": brand,
        "endpoint": delivery.endpoint.hex(),
        "event": name.value,
        "id": delivery.statement.id.hex(),
        "attempts": delivery.attempts,
        "reason": delivery.reason,
        "asked": readable(delivery.statement.at_ms),
        "given up": readable(letter.at_ms),
    }
