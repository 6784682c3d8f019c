"""`signoff keys api`: the keys of the admin API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from app import wiring
from app.cli.brands import THE_ONLY_ONE, chosen
from app.cli.output import show
from app.core.api_key import INSTALLATION, ApiKey, KeyScope
from app.core.audit import AuditAction
from app.core.model import BrandId
from app.core.times import readable
from app.observe.log import logger
from app.settings.load import load
from app.usecases.administration import Administration
from app.wiring.administration import opened_services

commands = typer.Typer(help="Make, list and revoke keys of the admin API.", no_args_is_help=True)

T = TypeVar("T")
_Brand = Annotated[
    str,
    typer.Option(
        help=(
            "the brand's id, or * for a key that is good for every brand; may be left out where"
            " there is one brand"
        )
    ),
]
_Json = Annotated[bool, typer.Option("--json")]


@commands.command()
def create(
    name: Annotated[
        str, typer.Argument(help="what it is for, such as the program that will hold it")
    ],
    brand: _Brand = THE_ONLY_ONE,
    scope: Annotated[
        list[KeyScope] | None, typer.Option(help="what it may do; read unless given")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Make a key and print its text, which is shown this once and stored nowhere."""
    scopes = frozenset(scope or [KeyScope.READ])

    async def make(services: Administration, owner: BrandId) -> tuple[ApiKey, str]:
        key, text = await services.api_keys.create(owner, name=name, scopes=scopes)
        await _note(services, owner, AuditAction.KEY_CREATED, key)
        return key, text

    key, text = _with(brand, make)
    show([{**_row(key), "text": text}], as_json=as_json)


@commands.command("list")
def list_keys(brand: _Brand = THE_ONLY_ONE, as_json: _Json = False) -> None:
    """List the keys of a brand, or with * those of the installation; without their secrets, which
    nobody has.
    """
    show(
        [_row(key) for key in _with(brand, lambda services, owner: services.api_keys.list(owner))],
        as_json=as_json,
    )


@commands.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="the key's id, as `list` shows it")],
    brand: _Brand = THE_ONLY_ONE,
    as_json: _Json = False,
) -> None:
    """End a key at once and for good."""

    async def end(services: Administration, owner: BrandId) -> ApiKey:
        key = await services.api_keys.revoke(owner, key_id)
        await _note(services, owner, AuditAction.KEY_REVOKED, key)
        return key

    show([_row(_with(brand, end))], as_json=as_json)


def _with(brand: str, act: Callable[[Administration, BrandId], Awaitable[T]]) -> T:
    settings = load()
    owner = INSTALLATION if brand == INSTALLATION else chosen(settings, brand).id

    async def run() -> T:
        async with opened_services(settings, logger("cli")) as services:
            return await act(services, owner)

    return asyncio.run(run())


async def _note(services: Administration, owner: BrandId, action: AuditAction, key: ApiKey) -> None:
    """Write it into the audit of the brand, or of every brand that the key is good for."""
    for brand in wiring.brands(load()):
        if owner in (INSTALLATION, brand.id):
            await services.auditing.note(
                brand, "cli", action, key.id, scopes=" ".join(sorted(key.scopes))
            )


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "brand": key.brand,
        "name": key.name,
        "scopes": ", ".join(sorted(key.scopes)),
        "created": readable(key.created_ms),
        "revoked": readable(key.revoked_ms),
    }
