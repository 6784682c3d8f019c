"""`signoff token`: open a qmoe, read the subject of a mail-to unsubscribe, or mint a token by hand."""

import datetime
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import typer

from app import wiring
from app.cli.output import show
from app.core import subject
from app.core.errors import TokenError, TokenMalformed
from app.core.links import one_click_prefix
from app.core.mail.inbound_text import subject_readings
from app.core.model import BrandId, CampaignId, Claims, Purpose
from app.settings.load import load

T = TypeVar("T")

commands = typer.Typer(help="Open and mint tokens.", no_args_is_help=True)

_ANY = Purpose.ONE_CLICK | Purpose.CALLBACK | Purpose.MAILTO | Purpose.PREFERENCES | Purpose.PROBE


@commands.command("open")
def open_token(
    text: Annotated[str, typer.Argument(help="the qmoe, or a whole one-click URL")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show what a token says, without using it."""
    codec = wiring.token_codec(load())
    show([_row(codec.open(text.rpartition("qmoe=")[2].partition("&")[0], purpose=_ANY))], as_json=as_json)


@commands.command("subject")
def read_subject(
    text: Annotated[str, typer.Argument(help="the subject of a mail-to unsubscribe, as it came")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show whom a mail-to subject is about: the brand's own identifier, and whether its token opens here."""
    identifier = _first(subject.decode, subject_readings(text))[0]
    codec = wiring.token_codec(load())
    tokens = (token for reading in subject_readings(text) for token in subject.readings(reading))
    try:
        claims = _first(lambda token: codec.open(token, purpose=_ANY), tokens)
    except TokenError as exc:
        show([{"identifier": identifier, "token": exc.code}], as_json=as_json)
    else:
        show([{"identifier": identifier, "token": "opens"} | _row(claims)], as_json=as_json)


@commands.command()
def mint(  # noqa: PLR0913, PLR0917 - the options of a command
    address: Annotated[str, typer.Argument(help="the recipient")],
    brand: Annotated[str, typer.Option(help="the brand's id")] = "acme",
    campaign: Annotated[str, typer.Option(help="the campaign's id")] = "",
    purpose: Annotated[str, typer.Option(help="one_click, callback or probe")] = "one_click",
    test: Annotated[bool, typer.Option("--test", help="a token of a test send: it works, and saves nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Mint a working token and print it with its one-click URL."""
    if purpose not in ("one_click", "callback", "probe"):
        raise typer.BadParameter("one_click, callback or probe", param_hint="--purpose")
    settings = load()
    codec = wiring.token_codec(settings)
    number = wiring.brands(settings).by_id(BrandId(brand)).number
    minter = codec.minter(brand=number, purpose=Purpose[purpose.upper()], at_ms=wiring.now_ms(), campaign=CampaignId(campaign), test=test)
    token = minter.mint(address=address, digest=codec.digest(address, brand=number))
    show([{"token": token, "url": one_click_prefix(settings.public_url) + token}], as_json=as_json)


def _first(read: Callable[[str], T], texts: Iterable[str]) -> T:
    """Return the first text that can be read. Raises the TokenError of the last one, or TokenMalformed without any."""
    error: TokenError = TokenMalformed("no token in the subject")
    for text in texts:
        try:
            return read(text)
        except TokenError as exc:
            error = exc
    raise error


def _row(claims: Claims) -> dict[str, object]:
    issued = datetime.date(1970, 1, 1) + datetime.timedelta(days=claims.issued_day)
    return {
        "brand": claims.brand,
        "recipient": claims.address or claims.digest.hex(),
        "purpose": ", ".join(str(purpose.name).lower() for purpose in Purpose if purpose & claims.purpose),
        "campaign": claims.campaign,
        "groups": ", ".join(f"{group:08x}" for group in claims.groups) or "all",
        "issued": issued.isoformat(),
        "key": claims.key_id,
        "data centre": claims.data_centre,
        "test": claims.test,
    }
