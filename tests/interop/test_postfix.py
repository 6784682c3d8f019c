"""Postfix before and behind the relay, as docs/postfix.md sets it up."""

import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path

import dkim
import pytest

from tests.support.dkim_keys import dns
from tests.support.ports import free_port
from tests.support.postfix import postfix
from tests.support.relay import relaying, url_of
from tests.support.upstream import Recorder, eventually, listening

pytestmark = pytest.mark.interop

GUIDE = Path(__file__).resolve().parents[2] / "docs/postfix.md"
RECIPIENTS = [f"user{number}@example.net" for number in range(60)]


def guide_lines(file: str) -> str:
    """Return the lines that the guide tells to put into a file of Postfix."""
    block = GUIDE.read_text().partition(f"```{file}\n")[2].partition("```")[0]
    assert block, f"docs/postfix.md has no block for {file}"
    return block


def send(port: int, mail: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as session:
        session.send_message(mail, "bounce@acme.example", RECIPIENTS)


def promotional() -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Acme <news@acme.example>"
    mail["To"] = "everyone@example.net"
    mail["Subject"] = "Frühling"
    mail["X-Signoff-Campaign"] = "spring-24"
    mail.set_content("Schöne Grüße\n.\n..\n", cte="8bit")
    return mail


async def test_sixty_recipients_through_postfix_relay_postfix_get_sixty_signed_copies(tmp_path: Path) -> None:
    """Catalogue H11, S9, S19: Postfix → relay → Postfix, content_filter with re-injection."""
    inject, reinject = free_port(), free_port()
    last_hop = Recorder()
    async with listening(last_hop) as (_, last_port), relaying(downstream_port=reinject, smtputf8=lambda: True) as relay:
        main, master = guide_lines("main.cf"), guide_lines("master.cf")
        main = main.replace("127.0.0.1]:2525", f"127.0.0.1]:{relay.port}")
        master = master.replace("127.0.0.1:10026", f"127.0.0.1:{reinject}")
        main += f"relayhost = [127.0.0.1]:{last_port}\n"
        master += f"127.0.0.1:{inject} inet n - n - - smtpd\n"
        with postfix(tmp_path / "postfix", main=main, master=master):
            await asyncio.to_thread(send, inject, promotional())
            assert await eventually(lambda: len(last_hop.contents) >= 60), (tmp_path / "postfix/log").read_text()[-3000:]

        copies = last_hop.contents
        tokens = {url_of(copy) for copy in copies}
        assert (len(copies), len(tokens)) == (60, 60)
        assert {relay.claims(copy).address for copy in copies} == set(RECIPIENTS)
        assert all(len(envelope.recipients) == 1 for envelope in last_hop.envelopes)
        assert all(dkim.verify(copy[copy.index(b"DKIM-Signature:") :], dnsfunc=dns) for copy in copies)
        assert all("Schöne Grüße\r\n.\r\n..\r\n".encode() in copy for copy in copies)
