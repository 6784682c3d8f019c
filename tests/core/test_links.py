"""The links of a managed copy."""

import re
import urllib.parse

from app.core import subject
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.links import LinkMaker
from app.core.mail.stamp import Links
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Campaign,
    CampaignId,
    GroupId,
    Purpose,
    Recipient,
)
from app.core.token import TokenCodec

NOON_MS = 1_795_262_400_000
ACME = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset({"acme.example"}),
)
CODEC = TokenCodec(
    keyring=Keyring(
        keys=(MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
    ),
    data_centre=1,
)


def links(
    address: str, *, inbox_domain: str = "in.example.com", groups: tuple[GroupId, ...] = ()
) -> Links:
    maker = LinkMaker(
        codec=CODEC, public_url="https://unsubscribe.example.com", inbox_domain=inbox_domain
    )
    campaign = Campaign(id=CampaignId("spring-24"), groups=groups)
    recipient = Recipient(address=address, digest=CODEC.digest(address, brand=ACME.number))
    return maker.for_message(ACME, campaign, at_ms=NOON_MS).for_copy(recipient)


def test_the_url_holds_a_token_of_this_recipient_alone() -> None:
    """Catalogue H2, H11."""
    made = links("bob@example.com")
    claims = CODEC.open(made.https_uri.partition("?qmoe=")[2], purpose=Purpose.ONE_CLICK)

    assert re.fullmatch(r"https://unsubscribe\.example\.com/u\?qmoe=[A-Za-z0-9_-]+", made.https_uri)
    assert (claims.address, claims.campaign) == ("bob@example.com", "spring-24")
    assert made.one_click


def test_the_mailto_names_the_recipient_in_its_local_part_and_in_its_subject() -> None:
    """Catalogue M9, T6: parsed as RFC 6068 says, not as a form."""
    made = links("bob+news@example.com", groups=(GroupId("news"),))
    assert made.mailto_uri is not None
    parts = urllib.parse.urlsplit(made.mailto_uri)
    local, _, domain = parts.path.partition("@")
    fields = dict(part.partition("=")[::2] for part in parts.query.split("&"))
    identifier, token = subject.decode(urllib.parse.unquote(fields["subject"]))

    digest = CODEC.digest("bob+news@example.com", brand=ACME.number)
    assert domain == "in.example.com"
    assert CODEC.open_short(local.removeprefix("u-")).digest == digest
    assert CODEC.open(token, purpose=Purpose.MAILTO).digest == digest
    assert identifier == digest.hex()
    assert set(fields) == {"subject"}
    assert "+" not in made.mailto_uri


def test_without_an_inbox_there_is_no_mailto() -> None:
    """Catalogue H2."""
    assert links("bob@example.com", inbox_domain="").mailto_uri is None


def test_neither_link_shows_the_address() -> None:
    """Catalogue T2."""
    made = links("recognisable@plainly-visible.example")

    assert "recognisable" not in f"{made.https_uri} {made.mailto_uri}"
    assert "visible" not in f"{made.https_uri} {made.mailto_uri}"
