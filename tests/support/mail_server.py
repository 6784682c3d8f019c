"""An ordinary mail server for tests, made by aiosmtpd's controller and a handler: it keeps whatever
mail comes.

It is another author's reading of SMTP than ours. What shall misbehave, or be looked at octet by
octet, is a `Sink`.
"""

import asyncio
import ssl
from collections.abc import Collection
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

_PATIENCE = 20.0  # seconds to come up; only liveness depends on it


class _Keeper:
    """The handler of aiosmtpd's events."""

    def __init__(self, unknown: Collection[str]) -> None:
        self._unknown = unknown
        self.received: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self._unknown:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.received.append(envelope)
        return f"250 2.0.0 Kept as {len(self.received)}"


class MailServer(Controller):
    """The server, in a thread of its own, on a free port of loopback. Use it as an asynchronous
    context manager.

    `unknown` are mailboxes that it does not have; with `login` it takes mail only over TLS and
    after that login.
    """

    def __init__(
        self,
        *,
        unknown: Collection[str] = (),
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        login: tuple[bytes, bytes] | None = None,
    ) -> None:
        self._keeper = _Keeper(unknown)
        self._login = login
        super().__init__(
            self._keeper,
            hostname="127.0.0.1",
            port=0,
            ready_timeout=_PATIENCE,
            ssl_context=implicit_tls,
            server_hostname="mail.example",
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=login is not None,
            authenticator=self._authenticate,
        )

    @property
    def received(self) -> list[Envelope]:
        """What was taken, in order."""
        return self._keeper.received

    @property
    def mailboxes(self) -> list[str]:
        """The recipients of what was received, sorted; one that got two copies stands here
        twice.
        """
        return sorted(recipient for envelope in self.received for recipient in envelope.rcpt_tos)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    async def _create_server(self) -> asyncio.AbstractServer:
        server = await super()._create_server()
        self.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # of asyncio's own
        return server

    def _authenticate(
        self,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _mechanism: str,
        data: LoginPassword,
    ) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == self._login, handled=False)
