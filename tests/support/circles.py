"""An installation of two brands for tests of the whole: `acme`, whose clicks come to us, and `shop`, which takes them itself."""

import secrets
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from app.core.model import BrandId, BrandNumber, CampaignId, Purpose
from app.settings.first_run import new_dkim_key
from app.wiring import now_ms
from tests.support.services import Services

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
    """Write the settings of both brands, with these webhooks (URL and format) for each, and return the secret that signs them."""
    secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    (folder / "webhook-secret").write_text(secret)
    (folder / "shop-s1.pem").write_bytes(new_dkim_key())
    webhooks = ", ".join(f'{{ url = "{url}", format = "{form}", secret_file = "{folder}/webhook-secret" }}' for url, form in hooks)
    text = _ACME.format(webhooks=webhooks) + more + _SHOP.format(webhooks=webhooks, key=folder / "shop-s1.pem")
    (folder / "signoff.toml").write_text(text)
    return secret


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
