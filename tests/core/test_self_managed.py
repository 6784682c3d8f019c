"""The links of a self-managed brand."""

import base64
import urllib.parse
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import subject
from app.core.errors import RuleViolation, TokenPurposeWrong
from app.core.links import LinkMaker
from app.core.mail.attributes import Attributes
from app.core.mail.stamp import MAX_LINE_OCTETS, MAX_URI_CHARS, Links
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Campaign,
    CampaignId,
    GroupId,
    Management,
    Purpose,
    Recipient,
)
from app.core.self_managed import mailbox, url_template, with_token
from app.core.template import EMAIL
from tests.core.test_links import CODEC, NOON_MS

URL = (
    "https://www.acme.example/unsubscribe?emailAddress={{UserAttribute['Email"
    " (Standard)']|default('email')}}"
)
ACME = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset({"acme.example"}),
    management=Management.SELF_MANAGED,
    one_click_url=URL,
    one_click_email="unsubscribe@acme.example",
    user_identifier="{{UserAttribute['ID']|default('ID')}}",
)


def links(
    address: str = "bob@bob.com",
    *,
    brand: Brand = ACME,
    groups: int = 0,
    email: str = "",
    **attributes: str,
) -> Links:
    maker = LinkMaker(
        codec=CODEC, public_url="https://unsubscribe.example.com", inbox_domain="in.example.com"
    )
    campaign = Campaign(
        id=CampaignId("spring-24"), groups=tuple(GroupId(f"g{n}") for n in range(groups))
    )
    said = Attributes(flat=attributes | ({EMAIL: email} if email else {}))
    recipient = Recipient(address=address, digest=CODEC.digest(address, brand=brand.number))
    return maker.for_message(brand, campaign, at_ms=NOON_MS, attributes=said).for_copy(recipient)


def mailto_of(made: Links) -> tuple[str, str]:
    """Return address and subject as a mail client reads them (RFC 6068)."""
    assert made.mailto_uri is not None
    parts = urllib.parse.urlsplit(made.mailto_uri)
    fields = dict(part.partition("=")[::2] for part in parts.query.split("&"))
    assert set(fields) == {"subject"}
    return urllib.parse.unquote(parts.path), urllib.parse.unquote(fields["subject"])


def test_the_url_is_the_brands_with_the_recipient_encoded_and_qmoe_behind() -> None:
    """Catalogue H2; the example of MoEngage's documents."""
    made = links()
    head, _, token = made.https_uri.partition("&qmoe=")

    assert head == "https://www.acme.example/unsubscribe?emailAddress=bob%40bob.com"
    assert CODEC.open(token, purpose=Purpose.CALLBACK).address == "bob@bob.com"
    assert made.one_click


def test_the_token_gives_no_right_at_our_own_one_click_url() -> None:
    """Catalogue T4: the brand processes the request, and returns the token by the callback."""
    token = links().https_uri.partition("qmoe=")[2]

    with pytest.raises(TokenPurposeWrong):
        CODEC.open(token, purpose=Purpose.ONE_CLICK)


def test_an_attribute_that_the_sender_gives_wins_over_the_address() -> None:
    made = links(email="robert+x@bob.com")

    assert "emailAddress=robert%2Bx%40bob.com&" in made.https_uri


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example", "https://a.example?qmoe=T"),
        ("https://a.example/", "https://a.example/?qmoe=T"),
        ("https://a.example/?", "https://a.example/?qmoe=T"),
        ("https://a.example/u?a=b", "https://a.example/u?a=b&qmoe=T"),
        ("https://a.example/u?a=b#top", "https://a.example/u?a=b&qmoe=T#top"),
        ("https://a.example/u#top?a=b", "https://a.example/u?qmoe=T#top?a=b"),
        ("https://a.example/u?qmoe=old&a=b&qmoe=older", "https://a.example/u?a=b&qmoe=T"),
        ("https://a.example/u?qmoe", "https://a.example/u?qmoe=T"),
        ("https://a.example/u?qmoes=1", "https://a.example/u?qmoes=1&qmoe=T"),
    ],
)
def test_qmoe_has_its_place_in_every_url(url: str, expected: str) -> None:
    assert expected == with_token(url, "T")


@given(st.text(max_size=300), st.text(alphabet="abcß@+.", min_size=1, max_size=150))
def test_every_link_fits_and_is_plain_whatever_the_attributes(value: str, local: str) -> None:
    """Catalogue H6, H7, T10, L2: Links refuses what readers of the field would cut."""
    brand = replace(ACME, one_click_url=URL + "&name={{UserAttribute['Name']|default('you')}}")

    made = links(f"{local}@example.com", brand=brand, Name=value, ID=value)

    assert len(made.https_uri) <= MAX_URI_CHARS
    assert made.mailto_uri is None or len(f" <{made.mailto_uri}>") + 2 <= MAX_LINE_OCTETS


def test_a_long_url_leaves_a_shorter_token_that_still_names_recipient_and_groups() -> None:
    """Catalogue H6, T10."""
    brand = replace(
        ACME,
        one_click_url="https://www.acme.example/?name={{UserAttribute['Name']|default('you')}}",
    )
    made = links(
        "somebody-with-a-rather-long-local-part@example.com", brand=brand, groups=2, Name="x" * 120
    )
    head, _, token = made.https_uri.partition("&qmoe=")

    claims = CODEC.open(token, purpose=Purpose.CALLBACK)

    assert head.endswith("x" * 120)
    assert len(made.https_uri) <= MAX_URI_CHARS
    assert claims.digest == CODEC.digest(
        "somebody-with-a-rather-long-local-part@example.com", brand=brand.number
    )
    assert len(claims.groups) == 2


def test_where_the_brands_url_does_not_fit_the_copy_carries_ours() -> None:
    """Catalogue H6, T10: a long address leaves nobody without a way out."""
    address = "x" * 64 + "@" + "y" * 60 + "." + "z" * 60 + ".example.com"
    made = links(
        address,
        brand=replace(
            ACME,
            one_click_url=URL + "&again={{UserAttribute['Email (Standard)']|default('email')}}",
        ),
    )

    token = made.https_uri.removeprefix("https://unsubscribe.example.com/u?qmoe=")

    assert CODEC.open(token, purpose=Purpose.ONE_CLICK).digest == CODEC.digest(
        address, brand=ACME.number
    )
    assert mailto_of(made)[0] == "unsubscribe@acme.example"


@pytest.mark.parametrize(
    "identifier",
    ["42", "a?>b", "Zoë", "ID", "c9af5dc5-add2-416d-8894-5cefdda2c460", "\r\nBcc: e@e.example"],
)
def test_the_mailto_is_the_brands_and_names_the_user_in_base64(identifier: str) -> None:
    """Catalogue M8, M9, L2: everything up to the first hyphen behind cattr: is standard Base64."""
    made = links(ID=identifier)
    address, text = mailto_of(made)

    found = text.partition("cattr:")[2].partition("-")[0]

    assert address == "unsubscribe@acme.example"
    assert text.startswith("Unsubscribe | cattr:")
    assert base64.b64decode(found, validate=True).decode() == identifier
    assert CODEC.open(subject.decode(text)[1], purpose=Purpose.MAILTO).address == "bob@bob.com"
    assert made.mailto_uri is not None
    assert not set("+/ \r\n") & set(made.mailto_uri.removeprefix("mailto:"))


def test_the_default_of_the_identifier_is_used_as_it_is_written() -> None:
    """MoEngage's documents: `default('ID')`."""
    assert subject.decode(mailto_of(links())[1])[0] == "ID"


def test_an_identifier_too_long_for_a_line_gives_way_to_the_digest() -> None:
    """Catalogue H6, T10."""
    digest = CODEC.digest("bob@bob.com", brand=ACME.number)

    assert subject.decode(mailto_of(links(ID="x" * 400))[1])[0] == digest.hex()


def test_a_brand_without_a_mailto_address_gets_none() -> None:
    """Catalogue H2: our inbox is not the brand's."""
    assert links(brand=replace(ACME, one_click_email="")).mailto_uri is None


def test_a_managed_brand_may_name_its_users_too() -> None:
    """Catalogue M8."""
    made = links(brand=replace(ACME, management=Management.MANAGED), ID="42")
    address, text = mailto_of(made)

    assert made.https_uri.startswith("https://unsubscribe.example.com/u?qmoe=")
    assert address.endswith("@in.example.com")
    assert subject.decode(text)[0] == "42"


def test_more_groups_than_any_url_can_hold_are_refused_once_for_all_copies() -> None:
    """Catalogue T10, X2: for the message, not for one of its recipients."""
    maker = LinkMaker(codec=CODEC, public_url="https://unsubscribe.example.com")

    with pytest.raises(RuleViolation):
        maker.for_message(
            ACME, Campaign(groups=tuple(GroupId(f"g{n}") for n in range(50))), at_ms=NOON_MS
        )


@pytest.mark.parametrize(
    "url",
    [
        "http://www.acme.example/",
        "//www.acme.example/",
        "/unsubscribe",
        "www.acme.example",
        "https://",
        "https:///u",
        "https://www.acme.example:x/",
        "https://user@www.acme.example/",
        "https://[::1]/",
        "https://a b.example/",
        "https://-a.example/",
        "https://{{UserAttribute['host']|default('h')}}/",
        "https://www.acme.example{{UserAttribute['x']|default('.other.example')}}/",
        "https://www.acme.example/a,b",
        "https://www.acme.example/?a;b",
        "https://www.acme.example/a b",
        "https://www.acme.example/ü",
        "https://www.acme.example/?a=%",
        "https://www.acme.example/?a=%{{UserAttribute['x']|default('41')}}",
        "https://www.acme.example/'",
        "https://www.acme.example/<>",
        "https://www.acme.example/{x}",
        "https://www.acme.example/" + "a" * 100,
        "javascript:alert(1)",
        "mailto:a@acme.example",
    ],
)
def test_a_url_that_cannot_stand_in_the_field_is_refused_at_start(url: str) -> None:
    """Catalogue H6, H7, H8."""
    with pytest.raises(RuleViolation):
        url_template(url)


def test_an_international_host_becomes_its_a_label() -> None:
    """Catalogue H7."""
    template = url_template("https://Bücher.example:8443/weg?x={{UserAttribute['X']|default('ü')}}")

    assert (template.host, template.render({})) == (
        "xn--bcher-kva.example",
        "https://xn--bcher-kva.example:8443/weg?x=%C3%BC",
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("unsubscribe@acme.example", "unsubscribe@acme.example"),
        ("leave+now@acme.example", "leave%2Bnow@acme.example"),
        ("a%b&c?d=e#f@acme.example", "a%25b%26c%3Fd%3De%23f@acme.example"),
        ("post@bücher.example", "post@xn--bcher-kva.example"),
    ],
)
def test_a_mailto_address_is_encoded_for_its_uri(address: str, expected: str) -> None:
    """Catalogue M9."""
    assert expected == mailbox(address)


@pytest.mark.parametrize(
    "address",
    ["", "unsubscribe", "@acme.example", "a@", "a@b@c.example", "a b@acme.example", "a@acme.example, b@acme.example",
     "a\r\n@acme.example",
     '"a b"@acme.example', "<a@acme.example>", "a..b@acme.example", "x" * 65 + "@acme.example", "a@-.example",
     "ü@acme.example"],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    """Catalogue L2, M9."""
    with pytest.raises(RuleViolation):
        mailbox(address)
