"""SIGHUP means the whole configuration in every process: brands, webhooks, certificates, keys."""

import asyncio
import signal
import ssl
from pathlib import Path

import aiohttp

from app.core.brands import Brands
from app.core.model import BrandId, CampaignId, Purpose
from app.settings.first_run import new_certificate
from app.wiring import now_ms
from tests.support import circles
from tests.support.receiver import receiving
from tests.support.services import Services, port, running_services
from tests.support.upstream import connected

ACME = '[brands.acme]\nname = "Acme"\n'
NAMES = ("web", "admin", "worker", "inbox", "relay", "mailbox")
HANGING_UP = ("web", "admin", "worker", "inbox", "relay")


async def hang_up(services: Services, event: str, count: int) -> None:
    """Have every process read its configuration again, and wait until each says what came of it."""
    for name in HANGING_UP:
        services[name].send(signal.SIGHUP)
    await asyncio.gather(*(services[name].told(event, count) for name in HANGING_UP))


async def certificate_of(address: str) -> str:
    """Return the certificate that a TLS listener shows."""
    host, _, number = address.rpartition(":")
    return await asyncio.to_thread(ssl.get_server_certificate, (host, int(number)))


async def test_a_new_brand_is_known_in_every_process_without_a_restart(tmp_path: Path) -> None:
    """Catalogue N13: mail, click, event and API of a brand that was written into the file while all
    of them ran.
    """
    (tmp_path / "signoff.toml").write_text(ACME)
    async with (
        receiving() as receiver,
        running_services(tmp_path, *NAMES) as services,
        aiohttp.ClientSession() as client,
    ):
        key = (tmp_path / "var/keys/admin-api-key").read_text().strip()
        settings = services.settings
        first = await certificate_of(str(settings.web.tls_listen))

        (tmp_path / "signoff.toml").write_text("[brands.acme\n")
        await hang_up(services, "configuration_refused", 1)
        circles.two_brands(tmp_path, [(receiver.url, "standard")], more='name = "Acme Renamed"\n')
        for path, content in zip(("cert.pem", "key.pem"), new_certificate(), strict=True):
            (tmp_path / "var/tls" / path).write_bytes(content)
        await hang_up(services, "configuration_reloaded", 1)

        known = Brands(services.load().brand_records())
        shop = known.by_id(BrandId("shop"))
        codec = services.codec
        digest = codec.digest("ann@example.net", brand=shop.number)
        minter = codec.minter(
            brand=shop.number,
            purpose=Purpose.CALLBACK,
            at_ms=now_ms(),
            campaign=CampaignId("spring"),
        )
        token = minter.mint(address="ann@example.net", digest=digest)
        async with client.post(
            services.url(settings.web.listen, f"/v1/emailunsubscribe?qmoe={token}")
        ) as answer:
            clicked = answer.status
        await receiver.until(lambda one: bool(one.book))
        headers = {"Authorization": f"Bearer {key}"}
        async with client.get(
            services.url(settings.web.admin_listen, "/v1/brands"), headers=headers
        ) as answer:
            listed = await answer.text()
        acme = circles.token(services, "bob@example.net", Purpose.ONE_CLICK)
        async with client.get(services.url(settings.web.listen, f"/u?qmoe={acme}")) as answer:
            page = await answer.text()
        async with connected(port(settings.relay.listen)) as upstream:
            mail = (
                b"From: a@shop.example\r\nTo: ann@example.net\r\nSubject: x\r\nX-Signoff-Campaign:"
                b" s\r\n\r\nHi\r\n.\r\n"
            )
            await upstream.begin(sender="a@shop.example", recipients=("ann@example.net",))
            await upstream.send(mail)
            reply = await upstream.reply()
        second = await certificate_of(str(settings.web.tls_listen))

    assert clicked == 200
    assert b'"shop"' in receiver.book[0].body
    assert '"shop"' in listed
    assert "Acme Renamed" in page
    assert reply.startswith("250 ")
    assert list((tmp_path / "var/mailbox/new").iterdir()) == []  # she has left: no copy
    assert first != second


async def test_what_needs_a_restart_is_told_by_its_key(tmp_path: Path) -> None:
    """Catalogue N13."""
    (tmp_path / "signoff.toml").write_text(ACME)
    async with running_services(tmp_path, "web", "worker") as services:
        (tmp_path / "signoff.toml").write_text(
            "data_centre = 7\n[worker]\nhistory_days = 3\n" + ACME
        )
        for name in ("web", "worker"):
            services[name].send(signal.SIGHUP)
            await services[name].told("configuration_reloaded")
        told = {
            name: [str(one["problem"]) for one in services[name].logged("configuration_warning")]
            for name in ("web", "worker")
        }

    assert "data_centre: the change needs a restart" in told["web"]
    assert "worker.history_days: the change needs a restart" in told["worker"]
    assert "worker.history_days: the change needs a restart" not in told["web"]
