"""An installation of two brands for tests of the whole: `acme`, whose clicks come to us, and
`shop`, which takes them itself.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from app.core.errors import StoreUnavailable
from app.core.model import BrandId, BrandNumber, CampaignId, Purpose
from app.settings.first_run import new_dkim_key
from app.store.redis import RedisStore
from app.wiring import now_ms
from tests.support.services import PATIENCE, Services, becomes, port
from tests.support.upstream import connected

CAMPAIGN = CampaignId("spring-24")
_ACME = """\
[brands.acme]
webhooks = [{webhooks}]
"""
_SHOP = """\
[brands.shop]
sender_domains = ["shop.example"]
one_click = "self_managed"
one_click_url = "https://www.shop.example/leave?who={{{{UserAttribute['ID']|default('nobody')}}}}"
one_click_email = "unsubscribe@shop.example"
webhooks = [{webhooks}]
[[brands.shop.dkim]]
domain = "shop.example"
selector = "s1"
key_file = "{key}"
"""


def two_brands(folder: Path, hooks: Sequence[tuple[str, str]], *, more: str = "") -> str:
    """Write the settings of both brands, with these webhooks (URL and format) for each, and return
    the secret that signs them.
    """
    secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    (folder / "webhook-secret").write_text(secret)
    (folder / "shop-s1.pem").write_bytes(new_dkim_key())
    webhooks = ", ".join(
        f'{{ url = "{url}", format = "{form}", secret_file = "{folder}/webhook-secret" }}'
        for url, form in hooks
    )
    text = (
        _ACME.format(webhooks=webhooks)
        + more
        + _SHOP.format(webhooks=webhooks, key=folder / "shop-s1.pem")
    )
    (folder / "signoff.toml").write_text(text)
    return secret


async def click(services: Services, address: str) -> int:
    """Leave as a mailbox provider does for this recipient, and return the status of the answer."""
    url = services.url(
        services.settings.web.listen, f"/u?qmoe={token(services, address, Purpose.ONE_CLICK)}"
    )
    async with (
        aiohttp.ClientSession() as client,
        asyncio.timeout(PATIENCE),
        client.post(url, data=b"List-Unsubscribe=One-Click") as answer,
    ):
        return answer.status


async def promote(services: Services, address: str) -> str:
    """Send one promotional mail through the relay and return its reply."""
    async with connected(port(services.settings.relay.listen)) as upstream:
        content = (
            f"From: news@acme.example\r\nTo: {address}\r\nSubject: Spring\r\nX-Signoff-Campaign:"
            f" {CAMPAIGN}\r\n\r\nHello\r\n.\r\n"
        )
        await upstream.begin(sender="news@acme.example", recipients=(address,))
        await upstream.send(content.encode())
        return await upstream.reply()


async def all_left_once(services: Services, store: RedisStore, addresses: Sequence[str]) -> bool:
    """Wait until every one of them has left, and say whether it came to that, with exactly one
    change each.
    """
    digests = [
        services.codec.digest(address, brand=number(services, "acme")) for address in addresses
    ]

    async def all_have() -> bool:
        try:
            found = await store.preferences(number(services, "acme"), digests)
        except StoreUnavailable:
            return False
        return not any(one.everything.subscribed for one in found)

    return await becomes(all_have) and {
        len(await store.history(number(services, "acme"), digest)) for digest in digests
    } == {1}


def number(services: Services, brand: str) -> BrandNumber:
    """Return a brand's number."""
    return services.brands.by_id(BrandId(brand)).number


def token(services: Services, address: str, purpose: Purpose, *, brand: str = "acme") -> str:
    """Return a token as a mail of this brand to this address has it."""
    codec, of = services.codec, number(services, brand)
    minter = codec.minter(brand=of, purpose=purpose, at_ms=now_ms(), campaign=CAMPAIGN)
    return minter.mint(address=address, digest=codec.digest(address, brand=of))


def box(services: Services, address: str) -> str:
    """Return the mail-to address in a mail to this address."""
    codec, of = services.codec, number(services, "acme")
    minter = codec.short_minter(brand=of, groups=(), at_ms=now_ms())
    return f"u-{minter.mint(codec.digest(address, brand=of))}@{services.settings.inbox.domain}"
