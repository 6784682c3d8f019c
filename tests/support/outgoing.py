"""Copies to send and downstream clients to send them with, for tests of the client leg."""

import ssl
from dataclasses import replace

from app.core.downstream import Target
from smtp_proxy.downstream.connection import Timeouts
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.transaction import Transaction, wire_body
from tests.support.mail_server import MailServer
from tests.support.sink import Sink

HEAD = b"From: news@acme.example\r\nTo: ann@example.net\r\nSubject: Spring\r\n\r\n"
BODY = b"Hello Ann,\r\n.. two dots and\r\n. one dot.\r\n"
A_COPY = Transaction(
    sender="bounce@acme.example", recipient="ann@example.net", head=HEAD, body=wire_body(BODY)
)

IMPATIENT = Timeouts(connect=0.3, greeting=0.3, command=0.3, progress=0.3, final=0.3, queue=0.3)


def copy_of(body: bytes, *, recipient: str = "ann@example.net") -> Transaction:
    """Return a copy with this body."""
    return replace(A_COPY, body=wire_body(body), recipient=recipient)


def downstream_to(
    sink: Sink | MailServer,
    *,
    scheme: str = "smtp",
    query: str = "",
    host: str = "127.0.0.1",
    user: str | None = None,
    password: str | None = None,
    size: int = 50,
    waiting: int = 1000,
    mails_per_session: int = 1000,
    timeouts: Timeouts | None = None,
    verifying: ssl.SSLContext | None = None,
) -> Downstream:
    """Return a client of the sink."""
    return Downstream(
        Target.parse(f"{scheme}://{host}:{sink.port}{query}", user=user, password=password),
        hostname="relay.example",
        size=size,
        waiting=waiting,
        mails_per_session=mails_per_session,
        timeouts=timeouts,
        verifying=verifying,
    )
