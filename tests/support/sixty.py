"""One promotional mail to sixty people through a mail server, the relay and what stands behind it;
and what must have become of it.
"""

import smtplib
from email.message import EmailMessage

import dkim

from tests.support.dkim_keys import dns
from tests.support.relay import Relay, url_of
from tests.support.upstream import Recorder

RECIPIENTS = [f"user{number}@example.net" for number in range(60)]


def promotional() -> EmailMessage:
    """Return a mail with what is easily damaged: 8-bit text, encoded words, lines of dots."""
    mail = EmailMessage()
    mail["From"] = "Acme <news@acme.example>"
    mail["To"] = "everyone@example.net"
    mail["Subject"] = "Frühling"
    mail["X-Signoff-Campaign"] = "spring-24"
    mail.set_content("Schöne Grüße\n.\n..\n", cte="8bit")
    return mail


def submit(port: int, recipients: list[str] = RECIPIENTS) -> None:
    """Hand the mail to the mail server, as a program does."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as session:
        session.send_message(promotional(), "bounce@acme.example", recipients)


def assert_each_has_a_signed_copy(last_hop: Recorder, relay: Relay) -> None:
    """See sixty copies at the last hop: a recipient, a token and a valid signature each, and
    nothing damaged.
    """
    copies = last_hop.contents
    tokens = {url_of(copy) for copy in copies}
    assert (len(copies), len(tokens)) == (60, 60)
    assert {relay.claims(copy).address for copy in copies} == set(RECIPIENTS)
    assert sorted(envelope.recipients[0] for envelope in last_hop.envelopes) == sorted(RECIPIENTS)
    assert all(len(envelope.recipients) == 1 for envelope in last_hop.envelopes)
    assert all(dkim.verify(copy[copy.index(b"DKIM-Signature:") :], dnsfunc=dns) for copy in copies)
    assert all("Schöne Grüße\r\n.\r\n..\r\n".encode() in copy for copy in copies)
