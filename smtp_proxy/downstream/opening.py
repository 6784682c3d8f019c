"""How a session with the downstream begins: connect, greeting, EHLO, STARTTLS, EHLO again, AUTH
(RFC 5321, RFC 3207, RFC 4954).

Nothing that was heard before TLS counts after it, and bytes that arrive between the STARTTLS reply
and the handshake end the session (catalogue S3, C4). Every failure becomes a 451, because the mail
is not at fault (X6: connect, STARTTLS, AUTH). Its text, and that of the log, holds what the
downstream said. After a refused login none is tried for a while: see `logins`.
"""

import asyncio
import base64
import ssl
from dataclasses import dataclass

from app.core.downstream import Credentials, Scheme, Target, Tls
from app.observe.log import LogEvent, logger
from smtp_proxy.downstream.capabilities import Capabilities
from smtp_proxy.downstream.connection import Ending, PeerConnection, Timeouts
from smtp_proxy.downstream.dialogue import NO_ANSWER
from smtp_proxy.downstream.logins import Logins, PutOff
from smtp_proxy.downstream.peer_reply import PeerReply, as_reply
from smtp_proxy.replies import Reply

READY_FOR_TLS = 220
CONTINUE_LOGIN = 334
AUTHENTICATED = 235

NO_TLS = Reply(451, "4.7.5", "No trusted TLS connection to downstream")
NOT_AUTHENTICATED = Reply(451, "4.7.0", "Downstream authentication failed")


class NotOpened(Exception):
    """No session could be had; `reply` is what the upstream hears, once `Downstream` has made a
    Deferred of it.
    """

    def __init__(self, reply: Reply, stage: str, detail: str) -> None:
        super().__init__(f"{stage}: {detail}")
        self.reply = reply
        self.stage = stage
        self.detail = detail


class _TlsFailed(NotOpened):
    def __init__(self, detail: str) -> None:
        super().__init__(NO_TLS, "starttls", detail)


class _LoginPutOff(NotOpened):
    """Not logged: the refusal that began the pause was."""

    def __init__(self, put_off: PutOff) -> None:
        super().__init__(
            Reply(
                451,
                "4.7.0",
                f"Downstream declined our login, which is tried again later: {put_off}",
            ),
            "auth",
            str(put_off),
        )


@dataclass(slots=True, kw_only=True, eq=False)
class OpenSession:
    """A ready session: its connection, what the peer offers, and what was done with it so far."""

    connection: PeerConnection
    capabilities: Capabilities
    mails: int = 0
    # the peer may hold an unfinished transaction, so the next one begins with RSET
    dirty: bool = False


class _Question:
    """Listens for one reply. `answer` is None when the connection ended without it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: PeerConnection) -> None:
        self.answer: asyncio.Future[PeerReply | None] = loop.create_future()
        self._connection = connection
        connection.listen(self)

    def replied(self, reply: PeerReply) -> None:
        self._connection.listen(None)
        if not self.answer.done():
            self.answer.set_result(reply)

    def ended(self, ending: Ending) -> None:
        if not self.answer.done():
            self.answer.set_result(None)

    def writable(self) -> None:
        """Nothing waits to be written."""


class SessionOpener:
    """Opens sessions with one target; keeps the two TLS contexts, which are costly to make."""

    def __init__(
        self, target: Target, *, hostname: str, timeouts: Timeouts, verifying: ssl.SSLContext | None
    ) -> None:
        self._target = target
        self._timeouts = timeouts
        verb = "LHLO" if target.scheme is Scheme.LMTP else "EHLO"
        self._hello = f"{verb} {hostname}\r\n".encode("ascii")
        self._logins = Logins()
        if target.tls is Tls.REQUIRE:
            self._tls = verifying or ssl.create_default_context()
        else:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            # tls=may is RFC 7435: against listeners only, so any certificate is better than none
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE

    async def open(self, limit: float) -> OpenSession:
        """Return a ready session before the loop's clock reaches `limit`; raise NotOpened. Logs a
        failure.
        """
        try:
            if self._target.credentials is not None:
                self._logins.check()
            try:
                return await self._open(limit, self._target.tls)
            except _TlsFailed:
                if self._target.tls is not Tls.MAY:
                    raise
                return await self._open(limit, Tls.NONE)
        except PutOff as put_off:
            raise _LoginPutOff(put_off) from put_off
        except NotOpened as failure:
            _report(failure)
            raise

    async def _open(self, limit: float, tls: Tls) -> OpenSession:
        loop = asyncio.get_running_loop()
        connection = PeerConnection(loop)
        connection.limit = limit
        # asked before there is a connection, because a greeting may be delivered before this task
        # runs again
        greeting = _Question(loop, connection)
        try:
            await self._connect(connection, limit)
            return await self._begin(connection, greeting, tls)
        except BaseException:  # also a cancelled send: whatever came half-way is not used again
            connection.abort()
            raise

    async def _connect(self, connection: PeerConnection, limit: float) -> None:
        loop = asyncio.get_running_loop()
        target = self._target
        try:
            async with asyncio.timeout_at(min(loop.time() + self._timeouts.connect, limit)):
                await loop.create_connection(
                    lambda: connection,
                    target.host,
                    target.port,
                    ssl=self._tls if target.scheme is Scheme.SMTPS else None,
                )
        except ssl.SSLError as exc:
            raise _TlsFailed(_words(exc)) from exc
        # TimeoutError is an OSError; a host name that IDNA refuses is a UnicodeError
        except (OSError, UnicodeError) as exc:
            raise NotOpened(NO_ANSWER, "connect", _words(exc)) from exc

    async def _begin(
        self, connection: PeerConnection, greeting: _Question, tls: Tls
    ) -> OpenSession:
        connection.expect_within(self._timeouts.greeting)
        _agreed(await greeting.answer, "greeting")
        capabilities = await self._hear_offers(connection)
        if self._target.scheme is not Scheme.SMTPS and tls is not Tls.NONE:
            if not capabilities.starttls:
                declined = "STARTTLS is not offered"
            else:
                declined = await self._start_tls(connection)
            if not declined:
                capabilities = await self._hear_offers(connection)
            elif tls is Tls.REQUIRE:
                raise _TlsFailed(declined)
        if self._target.credentials is not None:
            async with self._logins.turn():
                await self._authenticate(connection, self._target.credentials, capabilities.auth)
        return OpenSession(connection=connection, capabilities=capabilities)

    async def _hear_offers(self, connection: PeerConnection) -> Capabilities:
        return Capabilities.parse(_agreed(await self._ask(connection, self._hello), "hello"))

    async def _start_tls(self, connection: PeerConnection) -> str:
        """Go on over TLS; return what was said when the peer declined, else nothing."""
        reply = await self._ask(connection, b"STARTTLS\r\n")
        if reply is not None and reply.code != READY_FOR_TLS:
            return _said(reply)
        # closed, or catalogue S3: somebody slipped clear text in behind the reply
        if not connection.usable:
            raise _TlsFailed("no clean reply to STARTTLS")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeouts.greeting):
                transport = await loop.start_tls(
                    connection.transport, connection, self._tls, server_hostname=self._target.host
                )
        except OSError as exc:
            raise _TlsFailed(_words(exc)) from exc
        if transport is None:
            raise _TlsFailed("lost during the handshake")
        connection.replace_transport(transport)
        return ""

    async def _authenticate(
        self, connection: PeerConnection, credentials: Credentials, offered: frozenset[str]
    ) -> None:
        user, password = credentials.user.encode(), credentials.password.encode()
        if "PLAIN" in offered:
            steps = [b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password)]
        elif "LOGIN" in offered:
            steps = [b"AUTH LOGIN", base64.b64encode(user), base64.b64encode(password)]
        else:
            raise NotOpened(NOT_AUTHENTICATED, "auth", "neither PLAIN nor LOGIN is offered")
        for number, step in enumerate(steps, start=1):
            reply = await self._ask(connection, step + b"\r\n")
            expected = AUTHENTICATED if number == len(steps) else CONTINUE_LOGIN
            if reply is None:
                raise NotOpened(NOT_AUTHENTICATED, "auth", _said(reply))
            if reply.code != expected:
                self._logins.refused(_said(reply))
                raise NotOpened(_declining("4.7.0", "our login", reply), "auth", _said(reply))
        self._logins.accepted()

    async def _ask(self, connection: PeerConnection, command: bytes) -> PeerReply | None:
        question = _Question(asyncio.get_running_loop(), connection)
        if not question.answer.done():
            connection.expect_within(self._timeouts.greeting)
            connection.write(command)
        return await question.answer


def _agreed(reply: PeerReply | None, stage: str) -> PeerReply:
    if reply is None:
        raise NotOpened(NO_ANSWER, stage, _said(reply))
    if not reply.positive:
        raise NotOpened(_declining("4.4.1", "a session", reply), stage, _said(reply))
    return reply


def _declining(enhanced: str, what: str, reply: PeerReply) -> Reply:
    return Reply(451, enhanced, f"Downstream declined {what}: {as_reply(reply)}")


def _said(reply: PeerReply | None) -> str:
    return "no reply" if reply is None else f"answered {as_reply(reply)}"


def _report(failure: NotOpened) -> None:
    logger("relay").error(
        LogEvent.DOWNSTREAM_FAILED,
        stage=failure.stage,
        detail=failure.detail,
        reply=str(failure.reply),
    )


def _words(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
