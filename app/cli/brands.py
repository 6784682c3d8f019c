"""Which brand a command is about: the one that is named, or the only one there is."""

from typing import Annotated

import typer

from app import wiring
from app.core.errors import NotFound
from app.core.model import Brand, BrandId
from app.core.visible import visible
from app.settings.model import Settings

THE_ONLY_ONE = ""  # the default of the option

BrandOption = Annotated[
    str, typer.Option("--brand", help="the brand's id; may be left out where there is one brand")
]


def chosen(settings: Settings, brand: str) -> Brand:
    """Return the brand that a command names, or the only one.

    Raises NotFound for a name that no brand has, and BadParameter when none is named and there is
    not exactly one.
    """
    brands = wiring.brands(settings)
    names = [one.id for one in brands]
    listed = ", ".join(names) or "none: the configuration has no [brands.…]"
    if not brand and len(names) != 1:
        raise typer.BadParameter(
            f"there is not exactly one brand, so the command must name one; brands: {listed}",
            param_hint="--brand",
        )
    name = BrandId(brand or names[0])
    if name not in names:
        raise NotFound(f'no brand is called "{visible(name)}"; brands: {listed}')
    return brands.by_id(name)
