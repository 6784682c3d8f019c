"""The client leg against a mail server of another author (aiosmtpd): what we say is understood as
we mean it.
"""

import ssl

import pytest
import trustme

from smtp_proxy.replies import Deferred, Delivered, RefusedCopy, Reply
from tests.support.mail_server import MailServer
from tests.support.outgoing import A_COPY, BODY, HEAD, copy_of, downstream_to
from tests.support.relay import PROMOTIONAL, relaying, without_trace

IMAGINARY = Reply(550, "5.1.1", "No such mailbox")


@pytest.fixture(scope="module")
def serving() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and that of a client that verifies it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_copies_on_one_session_arrive_byte_for_byte() -> None:
    bodies = [BODY, b"", b".\r\n", b"..\r\n.\r\n", b"\xff 8-bit \xc3\xa9\r\n", b"x" * 998 + b"\r\n"]
    async with MailServer() as server, downstream_to(server, size=1) as downstream:
        outcomes = [await downstream.send(copy_of(body)) for body in bodies]

    assert [HEAD + body for body in bodies] == [
        envelope.original_content for envelope in server.received
    ]
    assert [
        Delivered(reply=Reply(250, "2.0.0", f"Kept as {number}")) for number in range(1, 7)
    ] == outcomes
    assert {("bounce@acme.example", ("ann@example.net",))} == {
        (one.mail_from, tuple(one.rcpt_tos)) for one in server.received
    }


async def test_a_mailbox_that_it_does_not_have_is_refused_and_the_session_goes_on() -> None:
    async with (
        MailServer(unknown={"gone@example.net"}) as server,
        downstream_to(server, size=1) as downstream,
    ):
        refused = await downstream.send(copy_of(BODY, recipient="gone@example.net"))
        delivered = await downstream.send(A_COPY)

    assert RefusedCopy(reply=IMAGINARY) == refused
    assert isinstance(delivered, Delivered)
    assert ["ann@example.net"] == server.mailboxes


async def test_it_is_logged_in_over_tls(serving: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    context, verifying = serving
    async with (
        MailServer(starttls=context, login=(b"acme", b"secret")) as server,
        downstream_to(server, user="acme", password="secret", verifying=verifying) as downstream,
    ):
        assert isinstance(await downstream.send(A_COPY), Delivered)

    assert [HEAD + BODY] == [envelope.original_content for envelope in server.received]


async def test_a_wrong_login_defers(serving: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    context, verifying = serving
    async with (
        MailServer(starttls=context, login=(b"acme", b"secret")) as server,
        downstream_to(server, user="acme", password="wrong", verifying=verifying) as downstream,
    ):
        assert isinstance(await downstream.send(A_COPY), Deferred)

    assert [] == server.received


async def test_a_promotional_mail_passes_through_the_relay() -> None:
    recipients = ("ann@example.net", "bob@example.net", "gone@example.net")
    async with (
        MailServer(unknown={"gone@example.net"}) as server,
        relaying(downstream_port=server.port) as relay,
    ):
        answer = await relay.relayed(PROMOTIONAL, *recipients)

    assert answer.startswith("250 ")
    assert {"ann@example.net", "bob@example.net"} <= {*server.mailboxes}
    copies = [
        one.original_content or b""
        for one in server.received
        if one.rcpt_tos[0] != "bounce@acme.example"
    ]
    assert all(
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in without_trace(copy)
        for copy in copies
    )
    assert len({*copies}) == 2
