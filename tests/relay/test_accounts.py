"""What the account of one brand may put into a mail: its own From, and no other brand's address for
bounces.
"""

import base64
import ssl

import pytest
import trustme

from app.core.model import BrandId
from tests.support.relay import PROMOTIONAL, relaying
from tests.support.upstream import connected

AUTHORITY = trustme.CA()
FROM_SHOP = PROMOTIONAL.replace(b"news@acme.example", b"news@shop.example")


async def of_acme(user: str, password: bytes) -> BrandId | None:
    return BrandId("acme")


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    AUTHORITY.issue_cert("localhost").configure_cert(serving)
    AUTHORITY.configure_trust(trusting)
    return serving, trusting


@pytest.mark.parametrize(
    ("sender", "mail", "told"),
    [
        ("bounce@acme.example", PROMOTIONAL, "250 "),
        ("bounce+ann=example.net@returns.provider.example", PROMOTIONAL, "250 "),
        (
            "bounce@SHOP.example",
            PROMOTIONAL,
            "550 5.7.1 Not permitted: the envelope sender is of another brand",
        ),
        (
            "",
            FROM_SHOP,
            (
                "550 5.7.1 A field that marks the message is refused: X-Signoff-Campaign stands in"
                " a mail of another brand"
            ),
        ),
        ("", FROM_SHOP.replace(b"X-Signoff-Campaign: spring-24\r\n", b""), "250 "),
        (
            "bounce@acme.example",
            FROM_SHOP,
            "550 5.7.1 Not permitted: the From address is of another brand",
        ),
    ],
)
async def test_an_account_sends_for_its_own_brand_and_bounces_go_to_no_other(
    sender: str, mail: bytes, told: str
) -> None:
    """Catalogue S4: a bounce or notification aimed at another brand would be read there as its
    own.
    """
    serving, trusting = contexts()
    async with (
        relaying(tls=serving, trusted_networks=(), authenticator=of_acme) as relay,
        connected(relay.port) as upstream,
    ):
        await upstream.say("STARTTLS")
        await upstream.secure(trusting)
        await upstream.say("EHLO client.example")
        await upstream.say("AUTH PLAIN " + base64.b64encode(b"\0news\0right").decode())
        answer = await upstream.mail(mail + b".\r\n", sender=sender)

    assert answer.startswith(told)
