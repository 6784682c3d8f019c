"""`signoff groups`: the subscription groups of a brand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from app.cli.brands import THE_ONLY_ONE, BrandOption, chosen
from app.cli.output import show
from app.core.audit import AuditAction
from app.core.groups import group_key
from app.core.model import Brand, BrandNumber, GroupId, SubscriptionGroup
from app.core.times import readable
from app.observe.log import logger
from app.settings.load import load
from app.usecases.administration import Administration
from app.usecases.groups import Groups
from app.wiring.administration import opened_services

commands = typer.Typer(
    help="List, create, edit, archive and restore subscription groups.", no_args_is_help=True
)

T = TypeVar("T")
_Json = Annotated[bool, typer.Option("--json")]
_Id = Annotated[str, typer.Argument(help="the group's id or name, as `list` shows them")]


@commands.command("list")
def list_groups(brand: BrandOption = THE_ONLY_ONE, as_json: _Json = False) -> None:
    """List a brand's groups, archived ones too, in the order in which they were created."""
    groups = _with(brand, lambda services, owner: services.groups.list(owner.number))
    show([_row(group) for group in groups], as_json=as_json)


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="what readers see; unique in the brand")],
    description: Annotated[str, typer.Option(help="a sentence below the name")] = "",
    id_: Annotated[
        str,
        typer.Option("--id", help="what mails name the group by; made from the name unless given"),
    ] = "",
    brand: BrandOption = THE_ONLY_ONE,
    as_json: _Json = False,
) -> None:
    """Create a group; a brand may have 50 active ones."""

    async def make(groups: Groups, number: BrandNumber) -> SubscriptionGroup:
        return await groups.create(
            number, name=name, description=description, id=GroupId(id_) if id_ else None
        )

    _show(_changed(brand, AuditAction.GROUP_CREATED, make), as_json=as_json)


@commands.command()
def edit(
    group: _Id,
    name: Annotated[str | None, typer.Option(help="the new name")] = None,
    description: Annotated[
        str | None, typer.Option(help="the new description; may be empty")
    ] = None,
    brand: BrandOption = THE_ONLY_ONE,
    as_json: _Json = False,
) -> None:
    """Change a group's name or description; its id stays, so mails already sent go on meaning
    it.
    """
    if name is None and description is None:
        raise typer.BadParameter("give --name, --description, or both")

    async def change(groups: Groups, number: BrandNumber) -> SubscriptionGroup:
        return await groups.edit(number, GroupId(group), name=name, description=description)

    _show(_changed(brand, AuditAction.GROUP_EDITED, change), as_json=as_json)


@commands.command()
def archive(group: _Id, brand: BrandOption = THE_ONLY_ONE, as_json: _Json = False) -> None:
    """Offer a group to nobody any more; what recipients said about it is kept and goes on being
    obeyed.
    """
    archived = _changed(
        brand,
        AuditAction.GROUP_ARCHIVED,
        lambda groups, number: groups.archive(number, GroupId(group)),
    )
    _show(archived, as_json=as_json)


@commands.command()
def restore(group: _Id, brand: BrandOption = THE_ONLY_ONE, as_json: _Json = False) -> None:
    """Make an archived group active again."""
    restored = _changed(
        brand,
        AuditAction.GROUP_RESTORED,
        lambda groups, number: groups.restore(number, GroupId(group)),
    )
    _show(restored, as_json=as_json)


def _changed(
    brand: str,
    action: AuditAction,
    act: Callable[[Groups, BrandNumber], Awaitable[SubscriptionGroup]],
) -> SubscriptionGroup:
    """Change a group and write that into the audit."""

    async def change(services: Administration, owner: Brand) -> SubscriptionGroup:
        group = await act(services.groups, owner.number)
        await services.auditing.note(owner, "cli", action, group.id, name=group.name)
        return group

    return _with(brand, change)


def _with(brand: str, act: Callable[[Administration, Brand], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = load()
        owner = chosen(settings, brand)
        async with opened_services(settings, logger("cli")) as services:
            return await act(services, owner)

    return asyncio.run(run())


def _show(group: SubscriptionGroup, *, as_json: bool) -> None:
    show([_row(group)], as_json=as_json)


def _row(group: SubscriptionGroup) -> dict[str, object]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "state": "archived" if group.archived else "active",
        "created": readable(group.created_ms),
        "key": f"{group_key(group.id):08x}",
    }
