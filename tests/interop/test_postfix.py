"""Postfix before and behind the relay, in each of the ways of docs/postfix.md and with the lines
that stand there.
"""

import asyncio
import dataclasses
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.model import OnSuppressed
from smtp_proxy.session.submission import Offers
from tests.support.guides import block, with_port
from tests.support.ports import free_port
from tests.support.postfix import open_folder, postfix
from tests.support.relay import ACME, PROMOTIONAL, relaying
from tests.support.sixty import assert_each_has_a_signed_copy, submit
from tests.support.upstream import Recorder, eventually, listening

pytestmark = pytest.mark.interop

GUIDE = "postfix.md"
SUBMISSION = "127.0.0.1:{port} inet n - n - - smtpd\n"


def _with_smtputf8() -> Offers:
    return Offers(smtputf8=True)


def _with_all() -> Offers:
    return Offers(smtputf8=True, dsn=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as opened:
        yield opened


def log_of(folder: Path) -> str:
    return (folder / "log").read_text()[-3000:]


@pytest.mark.parametrize("at_once", [100, 1])
async def test_sixty_recipients_through_the_content_filter_get_sixty_signed_copies(
    at_once: int, folder: Path
) -> None:
    """Catalogue H11, S9, S19: Postfix → relay → Postfix; handed over together, or each for itself
    as the guide offers.
    """
    inject, reinject = free_port(), free_port()
    last_hop = Recorder()
    async with (
        listening(last_hop) as (_, last_port),
        relaying(downstream_port=reinject, offers=_with_smtputf8) as relay,
    ):
        main = with_port(block(GUIDE, "Content filter", "main.cf"), "[127.0.0.1]:2525", relay.port)
        main = main.replace(
            "signoff_destination_recipient_limit = 100",
            f"signoff_destination_recipient_limit = {at_once}",
        )
        main += f"relayhost = [127.0.0.1]:{last_port}\n"
        master = with_port(
            block(GUIDE, "Content filter", "master.cf"), "127.0.0.1:10026", reinject
        ) + SUBMISSION.format(port=inject)
        with postfix(folder, main=main, master=master):
            await asyncio.to_thread(submit, inject)
            assert await eventually(lambda: len(last_hop.contents) >= 60), log_of(folder)

        assert_each_has_a_signed_copy(last_hop, relay)


async def test_sixty_recipients_over_lmtp_get_sixty_signed_copies(folder: Path) -> None:
    """Catalogue H11, S9, S19, X4: one transfer, a reply for each."""
    inject, reinject = free_port(), free_port()
    last_hop = Recorder()
    async with (
        listening(last_hop) as (_, last_port),
        relaying(downstream_port=reinject, offers=_with_smtputf8, lmtp=True) as relay,
    ):
        main = with_port(
            block(GUIDE, "Content filter over LMTP", "main.cf"), "[127.0.0.1]:2424", relay.port
        )
        main += f"relayhost = [127.0.0.1]:{last_port}\n"
        master = with_port(
            block(GUIDE, "Content filter over LMTP", "master.cf"), "127.0.0.1:10026", reinject
        )
        with postfix(folder, main=main, master=master + SUBMISSION.format(port=inject)):
            await asyncio.to_thread(submit, inject)
            assert await eventually(lambda: len(last_hop.contents) >= 60), log_of(folder)

        assert_each_has_a_signed_copy(last_hop, relay)


async def test_sixty_recipients_before_the_queue_get_sixty_signed_copies_and_the_sender_hears_who_has_left(
    folder: Path,
) -> None:
    """Catalogue H11, S9, S19, X17: smtpd_proxy_filter, with on_suppressed = "reject"."""
    inject, reinject = free_port(), free_port()
    last_hop = Recorder()
    brand = dataclasses.replace(ACME, on_suppressed=OnSuppressed.REJECT)
    async with (
        listening(last_hop) as (_, last_port),
        relaying(brand, downstream_port=reinject, offers=_with_smtputf8) as relay,
    ):
        await relay.leave("gone@example.net")
        master = with_port(
            block(GUIDE, "Before the queue", "master.cf"), "127.0.0.1:2525", relay.port
        )
        master = with_port(master, "127.0.0.1:10026", reinject).replace(
            "smtp      inet", f"127.0.0.1:{inject} inet"
        )
        with postfix(folder, main=f"relayhost = [127.0.0.1]:{last_port}\n", master=master):
            await asyncio.to_thread(submit, inject)
            assert await eventually(lambda: len(last_hop.contents) >= 60), log_of(folder)
            with pytest.raises(smtplib.SMTPDataError) as refused:
                await asyncio.to_thread(submit, inject, ["gone@example.net"])

        assert str(refused.value).startswith("(550, b'5.7.1 ")
        assert_each_has_a_signed_copy(last_hop, relay)


async def test_sixty_recipients_through_a_relayhost_get_sixty_signed_copies(folder: Path) -> None:
    """Catalogue H11, S9, S19: Postfix → relay → provider."""
    inject = free_port()
    last_hop = Recorder()
    async with (
        listening(last_hop, offers=_with_smtputf8) as (_, last_port),
        relaying(downstream_port=last_port) as relay,
    ):
        main = block(GUIDE, "Relayhost", "main.cf").replace(
            "[relay.example.com]:2525", f"[127.0.0.1]:{relay.port}"
        )
        with postfix(folder, main=main, master=SUBMISSION.format(port=inject)):
            await asyncio.to_thread(submit, inject)
            assert await eventually(lambda: len(last_hop.contents) >= 60), log_of(folder)

        assert_each_has_a_signed_copy(last_hop, relay)


async def test_an_internationalised_recipient_behind_postfix_gets_the_copy(folder: Path) -> None:
    """Catalogue N7: Postfix writes the original recipient as xtext of UTF-8 octets."""
    inject = free_port()
    last_hop = Recorder()
    async with (
        listening(last_hop, offers=_with_all) as (_, last_port),
        relaying(downstream_port=last_port, offers=_with_all) as relay,
    ):
        main = block(GUIDE, "Relayhost", "main.cf").replace(
            "[relay.example.com]:2525", f"[127.0.0.1]:{relay.port}"
        )
        with postfix(folder, main=main, master=SUBMISSION.format(port=inject)):
            await asyncio.to_thread(
                _submit_internationalised, inject, "\u00fcn\u00ef@b\u00fccher.example"
            )
            assert await eventually(lambda: bool(last_hop.contents)), log_of(folder)

    (envelope,) = last_hop.envelopes
    (recipient,) = envelope.recipients
    assert recipient == "\u00fcn\u00ef@b\u00fccher.example"
    assert "ORCPT=rfc822;+C3+BCn" in str(envelope.options_of(recipient)), envelope
    assert b"List-Unsubscribe-Post:" in last_hop.contents[0]


def _submit_internationalised(port: int, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        client.sendmail(
            "bounce@acme.example",
            [recipient],
            PROMOTIONAL,
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
