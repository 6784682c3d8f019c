"""From the link in a copy to the mail that a client makes of it, and back."""

from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.links import LinkMaker
from app.core.model import Brand, BrandId, Campaign, Management, Recipient
from tests.support.inbox import Inbox
from tests.support.people import BRAND, CAMPAIGN, CODEC, DOMAIN, NOW_MS, Person, mail, person

MANAGED = Brand(
    id=BrandId("acme"), number=BRAND, name="Acme", sender_domains=frozenset({"acme.example"})
)
SELF_MANAGED = Brand(
    id=BrandId("acme"),
    number=BRAND,
    name="Acme",
    sender_domains=frozenset({"acme.example"}),
    management=Management.SELF_MANAGED,
    one_click_url="https://www.acme.example/unsubscribe?id={{UserAttribute['ID']|default('ID')}}",
    one_click_email="unsubscribe@acme.example",
    user_identifier="{{UserAttribute['ID']|default('ID')}}",
)


def mail_of(who: Person, brand: Brand, *, test: bool = False) -> tuple[str, str]:
    """Return recipient and subject of the mail that a client makes of a copy's mailto (RFC
    6068).
    """
    maker = LinkMaker(
        codec=CODEC, public_url="https://unsubscribe.example.com", inbox_domain=DOMAIN
    )
    recipient = Recipient(address=who.address, digest=CODEC.digest(who.address, brand=BRAND))
    uri = (
        maker.for_message(brand, Campaign(id=CAMPAIGN, test=test), at_ms=NOW_MS)
        .for_copy(recipient)
        .mailto_uri
    )
    assert uri
    parts = urlsplit(uri)
    return parts.path, parse_qs(parts.query)["subject"][0]


async def test_the_mail_that_a_client_makes_of_a_copys_mailto_unsubscribes(inbox: Inbox) -> None:
    """Catalogue M1, M9."""
    ann = person()
    box, subject = mail_of(ann, MANAGED)

    await inbox.takes(mail(subject=subject, to=box, author=ann.address), box)

    (event,) = await inbox.events(ann)
    assert event.statement.campaign == CAMPAIGN


async def test_the_mail_that_a_self_managed_brand_gets_and_forwards_unsubscribes(
    inbox: Inbox,
) -> None:
    """Catalogue M5, M8 (MoEngage's documents)."""
    ann = person()
    box, subject = mail_of(ann, SELF_MANAGED)

    await inbox.takes(
        mail(subject=f"Fwd: {subject}", author="care@acme.example"), f"unsubscribe-dc01@{DOMAIN}"
    )

    assert box == "unsubscribe@acme.example"
    assert await inbox.left(ann)


@pytest.mark.parametrize("with_subject", [True, False])
async def test_the_mailto_of_a_test_send_changes_nothing_even_when_only_its_address_is_left(
    inbox: Inbox, with_subject: bool
) -> None:
    """Catalogue H12, T6."""
    ann = person()
    box, subject = mail_of(ann, MANAGED, test=True)

    reply = await inbox.takes(mail(subject=subject if with_subject else "", to=box), box)

    assert reply.startswith("250 ")
    assert await inbox.events(ann) == []
