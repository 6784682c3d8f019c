"""By which a self-managed brand knows its user, as far as that is certain."""

import pytest

from app.core.identifiers import identifier_of
from app.core.model import Brand, BrandId, BrandNumber, Management, RecipientDigest

DIGEST = RecipientDigest(b"\x01" * 10)


def brand(template: str, management: Management = Management.SELF_MANAGED) -> Brand:
    return Brand(
        id=BrandId("acme"),
        number=BrandNumber(7),
        name="Acme",
        sender_domains=frozenset({"acme.example"}),
        management=management,
        user_identifier=template,
    )


@pytest.mark.parametrize(
    ("template", "address", "identifier"),
    [
        ("", "ann@example.net", "01" * 10),
        ("", "", "01" * 10),
        ("{{UserAttribute['Email (Standard)']|default('')}}", "ann@example.net", "ann@example.net"),
        (
            'u-{{ UserAttribute["Email (Standard)"] | default("x") | upper }}',
            "ann@example.net",
            "u-ANN@EXAMPLE.NET",
        ),
        ("{{UserAttribute['Email (Standard)']|default('')}}", "", ""),
        ("{{UserAttribute['ID']|default('none')}}", "ann@example.net", ""),
        (
            "{{UserAttribute['ID']|default(UserAttribute['Email (Standard)']|default('x'))}}",
            "ann@example.net",
            "",
        ),
        ("everybody", "ann@example.net", ""),
    ],
)
def test_an_identifier_is_told_only_where_it_is_certain(
    template: str, address: str, identifier: str
) -> None:
    """Catalogue N12."""
    assert identifier == identifier_of(brand(template), address=address, digest=DIGEST)


@pytest.mark.parametrize("management", [Management.MANAGED, Management.NONE])
def test_a_brand_that_is_not_self_managed_has_none(management: Management) -> None:
    assert not identifier_of(brand("", management), address="ann@example.net", digest=DIGEST)
    assert not identifier_of(None, address="ann@example.net", digest=DIGEST)
