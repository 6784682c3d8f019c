"""Which addresses of the inbox exist."""

import pytest

from app.core.errors import NotFound
from app.core.mail.inbound_mailbox import Mailboxes, Role

BOXES = Mailboxes(domain="in.example.com", data_centre=3)


@pytest.mark.parametrize(
    ("local", "role"),
    [
        ("u-abc234", Role.TOKEN),
        ("U-ABC234", Role.TOKEN),
        ("unsubscribe", Role.ROOT),
        ("Unsubscribe-DC03", Role.FORWARD),
        ("complaints", Role.COMPLAINTS),
        ("abuse", Role.COMPLAINTS),
        ("Postmaster", Role.PEOPLE),
    ],
)
def test_each_role_has_its_own_mailbox(local: str, role: Role) -> None:
    """Catalogue M10, T6: and case does not matter."""
    assert BOXES.of(f"{local}@IN.example.com").role is role


def test_the_token_of_an_address_comes_in_lower_case() -> None:
    assert BOXES.of("U-ABC234@in.example.com").token == "abc234"


@pytest.mark.parametrize(
    "address",
    ["info@in.example.com", "unsubscribe-dc01@in.example.com", "unsubscribe-dc3@in.example.com", "u-abc@example.com",
     "unsubscribe@x y"],
)  # fmt: skip
def test_everything_else_does_not_exist(address: str) -> None:
    """Catalogue M12."""
    with pytest.raises(NotFound):
        BOXES.of(address)
