"""`signoff token`: open a qmoe, read the subject of a mail-to unsubscribe, or mint a token by
hand.
"""

import datetime
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from app import wiring
from app.cli.brands import THE_ONLY_ONE, BrandOption, chosen
from app.cli.output import show
from app.core import subject
from app.core.address import checked
from app.core.errors import TokenError, TokenMalformed
from app.core.groups import checked_id, group_key
from app.core.links import ONE_CLICK_PATH
from app.core.mail.inbound_text import subject_readings
from app.core.model import CampaignId, Claims, Purpose
from app.core.page_links import PREFERENCES_PATH
from app.core.shipment import PATH as CALLBACK_PATH
from app.settings.load import load
from app.settings.model import Settings

T = TypeVar("T")

commands = typer.Typer(help="Open and mint tokens.", no_args_is_help=True)


class _Minted(StrEnum):
    ONE_CLICK = "one_click"
    CALLBACK = "callback"
    PREFERENCES = "preferences"
    PROBE = "probe"


_PLACES = {
    _Minted.ONE_CLICK: f"{ONE_CLICK_PATH}?qmoe=",
    _Minted.CALLBACK: f"{CALLBACK_PATH}?qmoe=",
    _Minted.PREFERENCES: f"{PREFERENCES_PATH}?e=",
    _Minted.PROBE: f"{ONE_CLICK_PATH}?qmoe=",
}
_IN_URL = re.compile(r"[?&;](?:qmoe|e)=([^&#]+)", re.IGNORECASE)
_ANY = Purpose.ONE_CLICK | Purpose.CALLBACK | Purpose.MAILTO | Purpose.PREFERENCES | Purpose.PROBE


@commands.command("open")
def open_token(
    text: Annotated[str, typer.Argument(help="the token, or a whole URL with one")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show what a token says, without using it."""
    settings = load()
    found = _IN_URL.search(text)
    claims = wiring.token_codec(settings).open(found[1] if found else text, purpose=_ANY)
    show([_row(claims, settings)], as_json=as_json)


@commands.command("subject")
def read_subject(
    text: Annotated[str, typer.Argument(help="the subject of a mail-to unsubscribe, as it came")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show whom a mail-to subject is about: the brand's own identifier, and whether its token opens
    here.
    """
    identifier = _first(subject.decode, subject_readings(text))[0]
    settings = load()
    codec = wiring.token_codec(settings)
    tokens = (token for reading in subject_readings(text) for token in subject.readings(reading))
    try:
        claims = _first(lambda token: codec.open(token, purpose=_ANY), tokens)
    except TokenError as exc:
        show([{"identifier": identifier, "token": exc.code}], as_json=as_json)
    else:
        show(
            [{"identifier": identifier, "token": "opens"} | _row(claims, settings)], as_json=as_json
        )


@commands.command()
def mint(  # noqa: PLR0913, PLR0917 - the options of a command
    address: Annotated[str, typer.Argument(help="the recipient")],
    brand: BrandOption = THE_ONLY_ONE,
    campaign: Annotated[str, typer.Option(help="the campaign's id")] = "",
    group: Annotated[
        list[str] | None, typer.Option(help="a group of the campaign, by its id; may be repeated")
    ] = None,
    purpose: Annotated[_Minted, typer.Option(help="what it is good for")] = _Minted.ONE_CLICK,
    test: Annotated[
        bool, typer.Option("--test", help="a token of a test send: it works, and saves nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Mint a working token and print it with the URL in which it works."""
    settings = load()
    codec = wiring.token_codec(settings)
    number = chosen(settings, brand).number
    minter = codec.minter(
        brand=number,
        purpose=Purpose[purpose.name],
        at_ms=wiring.now_ms(),
        campaign=CampaignId(campaign),
        groups=tuple(group_key(checked_id(one)) for one in group or ()),
        test=test,
    )
    recipient = checked(address)
    token = minter.mint(address=recipient, digest=codec.digest(recipient, brand=number))
    show(
        [{"token": token, "url": f"{settings.public_url}{_PLACES[purpose]}{token}"}],
        as_json=as_json,
    )


def _first(read: Callable[[str], T], texts: Iterable[str]) -> T:
    """Return the first text that can be read. Raises the TokenError of the last one, or
    TokenMalformed without any.
    """
    error: TokenError = TokenMalformed("no token in the subject")
    for text in texts:
        try:
            return read(text)
        except TokenError as exc:
            error = exc
    raise error


def _row(claims: Claims, settings: Settings) -> dict[str, object]:
    names = {brand.number: brand.id for brand in settings.brand_records()}
    issued = datetime.date(1970, 1, 1) + datetime.timedelta(days=claims.issued_day)
    return {
        "brand": names.get(claims.brand, claims.brand),
        "recipient": claims.address or claims.digest.hex(),
        "purpose": ", ".join(
            str(purpose.name).lower() for purpose in Purpose if purpose & claims.purpose
        ),
        "campaign": claims.campaign,
        "groups": ", ".join(f"{group:08x}" for group in claims.groups) or "all",
        "issued": issued.isoformat(),
        "key": claims.key_id,
        "data centre": claims.data_centre,
        "test": claims.test,
    }
