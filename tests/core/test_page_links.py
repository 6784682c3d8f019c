"""Which page a placeholder leads to, and with which right."""

from dataclasses import replace

import pytest

from app.core.errors import TokenPurposeWrong
from app.core.groups import group_key
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.mail.macros import Placeholder
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Campaign,
    CampaignId,
    GroupId,
    PreferenceCentre,
    Purpose,
    Recipient,
)
from app.core.page_links import PageLinkMaker
from app.core.token import TokenCodec

CODEC = TokenCodec(
    keyring=Keyring(
        keys=(MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
    ),
    data_centre=1,
)
MAKER = PageLinkMaker(codec=CODEC, public_url="https://u.example.com")
ACME = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset({"acme.example"}),
)
CUSTOM = replace(
    ACME,
    preference_centre=PreferenceCentre.CUSTOM,
    custom_page_url="https://www.acme.example/p.html",
)
NONE = replace(ACME, preference_centre=PreferenceCentre.NONE)
ANN = Recipient(
    address="ann@example.net", digest=CODEC.digest("ann@example.net", brand=ACME.number)
)
SPRING = Campaign(id=CampaignId("spring-24"), groups=(GroupId("news"), GroupId("offers")))
NOW_MS = 1_772_532_000_000

UNSUBSCRIBE, PREFERENCES = (
    "https://u.example.com/unsubscribe?e={}",
    "https://u.example.com/preferences?e={}",
)
PAGE = "https://www.acme.example/p.html?e={}&wzrk_ex=0"


def urls(
    brand: Brand = ACME, campaign: Campaign = SPRING, *, has_groups: bool = True
) -> dict[Placeholder, str]:
    return dict(
        MAKER.for_message(brand, campaign, at_ms=NOW_MS, has_groups=has_groups).for_copy(
            ANN, Placeholder
        )
    )


def token(url: str) -> str:
    return url.partition("?e=")[2].partition("&")[0]


@pytest.mark.parametrize(
    ("brand", "has_groups", "expected"),
    [
        (ACME, True, (UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE, PREFERENCES)),
        (ACME, False, (UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE)),
        (NONE, True, (UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE)),
        (NONE, False, (UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE, UNSUBSCRIBE)),
        (CUSTOM, True, (PAGE, PAGE + "&page_type=group", PAGE, PAGE)),
        (CUSTOM, False, (PAGE, PAGE + "&page_type=group", PAGE, PAGE)),
    ],
)
def test_every_placeholder_leads_to_the_page_that_the_brand_has(
    brand: Brand, has_groups: bool, expected: tuple[str, ...]
) -> None:
    found = urls(brand, has_groups=has_groups)

    order = (
        Placeholder.UNSUBSCRIBE,
        Placeholder.GROUP_UNSUBSCRIBE,
        Placeholder.GLOBAL_UNSUBSCRIBE,
        Placeholder.MANAGE_PREFERENCES,
    )
    assert tuple(
        form.format(token(found[placeholder]))
        for form, placeholder in zip(expected, order, strict=True)
    ) == tuple(found[placeholder] for placeholder in order)


@pytest.mark.parametrize("placeholder", Placeholder)
def test_the_token_opens_pages_and_nothing_else(placeholder: Placeholder) -> None:
    """Catalogue T4."""
    found = token(urls()[placeholder])

    claims = CODEC.open(found, purpose=Purpose.PREFERENCES)

    assert (Purpose.PREFERENCES, "spring-24", "ann@example.net") == (
        claims.purpose,
        claims.campaign,
        claims.address,
    )
    for purpose in set(Purpose) - {Purpose.PREFERENCES}:
        with pytest.raises(TokenPurposeWrong):
            CODEC.open(found, purpose=purpose)


def test_the_scope_is_the_campaigns_groups_and_all_mail_for_the_global_one() -> None:
    """Catalogue T4, Q5."""
    scopes = {
        placeholder: CODEC.open(token(url), purpose=Purpose.PREFERENCES).groups
        for placeholder, url in urls().items()
    }

    groups = tuple(map(group_key, SPRING.groups))
    assert scopes == dict.fromkeys(Placeholder, groups) | {Placeholder.GLOBAL_UNSUBSCRIBE: ()}


@pytest.mark.parametrize("test", [True, False])
def test_a_test_send_says_so_in_every_token(test: bool) -> None:
    """Catalogue H12."""
    found = urls(campaign=replace(SPRING, test=test))

    assert {test} == {
        CODEC.open(token(url), purpose=Purpose.PREFERENCES).test for url in found.values()
    }


def test_only_what_is_wanted_is_made() -> None:
    links = MAKER.for_message(ACME, SPRING, at_ms=NOW_MS, has_groups=True)

    assert {Placeholder.UNSUBSCRIBE} == links.for_copy(ANN, {Placeholder.UNSUBSCRIBE}).keys()


@pytest.mark.parametrize("brand", [ACME, CUSTOM, NONE])
def test_no_url_is_longer_than_said(brand: Brand) -> None:
    """Catalogue X11: the room in a line is decided before the first copy is made."""
    address = "a" * 64 + "@" + ".".join(["b" * 60] * 3)
    far = Recipient(address=address, digest=CODEC.digest(address, brand=brand.number))
    campaign = Campaign(id=CampaignId("c" * 200), groups=tuple(GroupId(f"g{n}") for n in range(12)))

    found = MAKER.for_message(brand, campaign, at_ms=NOW_MS, has_groups=True).for_copy(
        far, Placeholder
    )

    assert max(len(url.replace("&", "&amp;")) for url in found.values()) <= MAKER.longest(brand)
