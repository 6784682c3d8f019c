"""The development downstream: takes what the relay forwards and files it in a Maildir, as a final
delivery does.

An aiosmtpd server with a handler of ours. It takes mail from loopback only, holds one message in
memory for each connection, and is no mail store for production. Lines may be of any length, since
the relay passes on what it gets.
"""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.core.errors import Misconfigured
from app.observe.log import LogEvent, Logger
from app.settings.types import split_address
from smtp_proxy import replies
from smtp_proxy.maildir import Maildir
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import transaction_ids

_GRACE_SECONDS = 5.0
_MAX_OCTETS = 1100 * 1024 * 1024  # whatever the relay may be set to take, and its fields
_NULL_SENDER = "<>"  # as aiosmtpd writes it


class MaildirHandler:
    """The handler of aiosmtpd's events. A message is filed to its end even when its client leaves
    meanwhile.
    """

    def __init__(self, maildir: Maildir, *, log: Logger) -> None:
        self._maildir = maildir
        self._log = log
        self._new_id = transaction_ids()
        self.filing: set[asyncio.Task[None]] = set()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Offer pipelining too, which aiosmtpd's reader can do."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take mail from this machine only."""
        if not (session.peer and ip_address(session.peer[0]).is_loopback):
            return str(replies.RELAY_DENIED)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return str(replies.SENDER_OK)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """File the message once for each recipient."""
        filing = asyncio.create_task(asyncio.to_thread(self._file, envelope))
        self.filing.add(filing)
        filing.add_done_callback(self.filing.discard)
        try:
            await asyncio.shield(filing)
        except Exception as error:  # aiosmtpd would answer 500 with its text
            self._log.error(LogEvent.UNEXPECTED_ERROR, exc_info=error)
            return str(replies.LOCAL_ERROR)
        return str(Reply(250, replies.ACCEPTED.enhanced, f"Filed as {self._new_id()}"))

    def _file(self, envelope: Envelope) -> None:
        sender = "" if envelope.mail_from == _NULL_SENDER else envelope.mail_from or ""
        recipients: Sequence[str] = tuple(dict.fromkeys(envelope.rcpt_tos))
        self._maildir.file_all(
            sender=sender, recipients=recipients, content=envelope.original_content or b""
        )


class _MailboxSMTP(SMTP):
    """aiosmtpd's protocol for lines of any length. `idle` is clear from DATA until its answer is
    written.
    """

    line_length_limit = _MAX_OCTETS

    def __init__(self, handler: MaildirHandler, *, hostname: str) -> None:
        super().__init__(
            handler,
            hostname=hostname,
            ident="ESMTP",
            data_size_limit=_MAX_OCTETS,
            enable_SMTPUTF8=True,
        )
        self.idle = asyncio.Event()
        self.idle.set()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        self.idle.clear()
        try:
            await super().smtp_DATA(arg)
        finally:
            self.idle.set()


class MailboxServer(UnthreadedController):
    """A server that files in a Maildir, in the loop that runs."""

    def __init__(self, folder: Path, *, log: Logger, hostname: str = "localhost") -> None:
        self._files = MaildirHandler(Maildir(folder), log=log)
        self._sessions: set[_MailboxSMTP] = set()
        super().__init__(self._files, loop=asyncio.get_running_loop(), server_hostname=hostname)

    def factory(self) -> SMTP:
        """Return the protocol of a new connection."""
        self._sessions = {session for session in self._sessions if session.transport is not None}
        session = _MailboxSMTP(self._files, hostname=self.SMTP_kwargs["hostname"])
        self._sessions.add(session)
        return session

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Open the port and return the bound address; port 0 takes a free one. Raises
        Misconfigured.
        """
        self.hostname, self.port = host, port
        try:
            self.server = await self._create_server()
        except OSError as exc:
            raise Misconfigured([f"{host}:{port}: cannot listen there: {exc}"]) from exc
        name = self.server.sockets[0].getsockname()  # type: ignore[attr-defined] # of what asyncio and uvloop return
        return str(ip_address(name[0])), int(name[1])

    async def stop(self, grace_seconds: float) -> None:
        """Take no new connection, finish and answer what is under way, and close the
        connections.
        """
        if self.server is not None:
            self.server.close()
        sessions = [session for session in self._sessions if session.transport is not None]
        under_way = {
            *self._files.filing,
            *(asyncio.create_task(session.idle.wait()) for session in sessions),
        }
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=grace_seconds)
            for task in late - self._files.filing:
                task.cancel()
        for session in sessions:
            if session.transport is not None:
                session.transport.close()


async def serve(listen: str, folder: Path, *, log: Logger) -> None:
    """Run the development downstream on an address such as `127.0.0.1:2527` until it is
    cancelled.
    """
    server = MailboxServer(folder, log=log)
    host, port = await server.start(*split_address(listen))
    log.info(LogEvent.PROCESS_STARTED, listen=f"{host}:{port}", maildir=str(folder))
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop(_GRACE_SECONDS)
