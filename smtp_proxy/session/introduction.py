"""Who the client is: EHLO, STARTTLS and AUTH, and what follows from them for the right to relay.

Serves RFC 5321 4.1.1.1, RFC 3207 and RFC 4954, catalogue S3, S4, S5, S13, S14, S18, S21, C8. Offered while the downstream offers it, or was
not seen yet: 8BITMIME, SMTPUTF8, DSN (S9, S12). Not offered, because not done: CHUNKING, REQUIRETLS, MT-PRIORITY, DELIVERBY, FUTURERELEASE
(S14, S15, S22).
"""

import re
import ssl
from collections.abc import Callable, Iterable
from typing import NoReturn

from app.core.errors import SignoffError
from app.core.model import BrandId
from app.observe.log import LogEvent
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import Authenticator, ListenerState, plain_ip
from smtp_proxy.session.conversation import Conversation, Farewell, Waiting
from smtp_proxy.session.proxy_protocol import ProxySource
from smtp_proxy.session.sasl import MECHANISMS, AuthRefused, LoginAttempt
from smtp_proxy.session.submission import Client, Offers, Submission

_HOST = re.compile(rb"[A-Za-z0-9_\[][A-Za-z0-9._:\]-]{0,254}")


class Introduction(Conversation):
    """The part of a session that is about the client."""

    def __init__(self, listener: ListenerState, source: ProxySource | None = None) -> None:
        limits = listener.config.limits
        shortest = min(limits.idle_seconds, limits.data_seconds, limits.session_seconds)
        super().__init__(idle_seconds=limits.idle_seconds, tick_seconds=shortest)
        self._listener = listener
        self._config = listener.config  # kept to the end of the session, whatever holds for the next one
        self._rules = listener.rules
        self._source = source  # what a load balancer has told; None: nobody stands between us and the client
        self._peer = ""
        self._peer_name = ""
        self._trusted = self._speaks_for_others = False
        self._forwarded: dict[bytes, bytes] = {}
        self._helo = ""
        self._extended = False
        self._offers = Offers()  # what this client was told: it is held to that, whatever is learnt of the downstream meanwhile
        self._account: BrandId | None = None
        self._submission: Submission | None = None
        self._bad_logins = 0

    def admit(self, peer: str) -> Reply | None:
        """Count the connection in, or return why it may not stay (catalogue S16, X13)."""
        source = self._source or ProxySource(is_local=True)
        peer = source.address or plain_ip(peer)
        connections = self._listener.connections
        refusal = replies.SHUTTING_DOWN if self._listener.stopping else connections.refusal_for(peer)
        if refusal is not None:
            self._config.log.warning(LogEvent.SESSION_REFUSED, peer=peer, reply=str(refusal))
            return refusal
        connections.enter(peer)
        self._listener.sessions.add(self)
        self._peer = peer
        # A client that the load balancer cannot name shares its address, and must not share its rights.
        self._trusted = self._config.trusts(peer) and bool(source.address or source.is_local)
        self._speaks_for_others = self._config.lets_speak_for_others(peer) and bool(source.address or source.is_local)
        return None

    def leave(self) -> None:
        """Count the connection out."""
        self._listener.connections.leave(self._peer)
        self._listener.sessions.discard(self)
        if self._listener.stopping and not self._listener.sessions:
            self._listener.all_gone.set()

    def is_stopping(self) -> bool:
        """Say whether the listener is stopping."""
        return self._listener.stopping

    def failed(self, error: Exception) -> None:
        """Log an error that is nobody's answer."""
        self._config.log.error(LogEvent.UNEXPECTED_ERROR, peer=self._peer, exc_info=error)

    def send_away(self, reply: Reply) -> NoReturn:
        """End the session for the client's fault, and log it."""
        self._config.log.warning(LogEvent.SESSION_REFUSED, peer=self._peer, reply=str(reply))
        raise Farewell(reply)

    def client(self, *, smtputf8: bool) -> Client:
        """Describe the client; the protocol's name is that of RFC 3848, or of RFC 6531 4.3 with SMTPUTF8."""
        lmtp = self._config.lmtp
        plain = ("UTF8LMTP" if lmtp else "UTF8SMTP") if smtputf8 else ("LMTP" if lmtp else "ESMTP")
        extended = f"{plain}{'S' if self.over_tls else ''}{'A' if self._account is not None else ''}"
        protocol = extended if self._extended else "SMTP"
        return Client(address=self._peer, name=self._peer_name, helo=self._helo, protocol=protocol, account=self._account)

    def greet(self) -> None:
        """Say the greeting."""
        self.say_raw(f"220 {self._config.hostname} {'LMTP' if self._config.lmtp else 'ESMTP'}\r\n".encode("ascii"))

    def forget(self) -> None:
        """Forget all that the client said and who it proved to be."""
        self._helo, self._extended, self._account = "", False, None
        self.end_transaction()

    def end_transaction(self) -> None:
        """Forget the open transaction and what was said for it alone."""
        self._submission = None
        self._forwarded = {}

    def helo_verb(self, argument: bytes) -> Reply | None:
        """Obey HELO."""
        return self._hello(argument, extensions=None)

    def ehlo_verb(self, argument: bytes) -> Reply | None:
        """Obey EHLO: say what is offered now."""
        return self._hello(argument, extensions=self._extensions)

    def _hello(self, argument: bytes, *, extensions: Callable[[], Iterable[str]] | None) -> Reply | None:
        if not _HOST.fullmatch(argument):
            return replies.HELLO_NEEDS_NAME
        self._helo = argument.decode("ascii")
        self._extended = extensions is not None
        self._speaks_for_others = self._speaks_for_others and self._config.lets_speak_for_others(self._peer)
        self.end_transaction()
        *others, last = [self._config.hostname, *(extensions() if extensions else ())]
        self.say_raw("".join([*(f"250-{line}\r\n" for line in others), f"250 {last}\r\n"]).encode("ascii"))
        return None

    def _extensions(self) -> Iterable[str]:
        self._offers = self._config.offers()
        yield f"SIZE {self._config.limits.max_message_bytes}"
        if self._offers.eightbit:
            yield "8BITMIME"
        yield "PIPELINING"
        yield "ENHANCEDSTATUSCODES"
        if self._offers.smtputf8:
            yield "SMTPUTF8"
        if self._offers.dsn:
            yield "DSN"
        if self._config.tls is not None and not self.over_tls:
            yield "STARTTLS"
        if self._config.authenticator is not None and self.over_tls:
            yield f"AUTH {' '.join(name.decode() for name in MECHANISMS)}"
        if self._speaks_for_others:
            yield "XCLIENT NAME ADDR PORT PROTO HELO"
            yield "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"

    def may_relay(self) -> bool:
        """Say whether this client may send mail through us (catalogue S4)."""
        return self._trusted or self._account is not None

    def starttls(self, argument: bytes) -> Reply | Waiting[Reply | None]:
        """Obey STARTTLS: secure the connection and forget the client (catalogue S3)."""
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        if self.over_tls:
            return replies.TLS_ACTIVE
        if self._config.tls is None:
            return replies.COMMAND_NOT_IMPLEMENTED
        return self._secure(self._config.tls)

    def _secure(self, context: ssl.SSLContext) -> Waiting[Reply | None]:
        self.say(replies.READY_FOR_TLS)
        # RFC 3207 4.2: what the client said before must not count afterwards.
        self.forget()
        if not (yield from self.secure(context)):
            self.abort()
        return None

    def auth(self, argument: bytes) -> Reply | Waiting[Reply]:
        """Obey AUTH (catalogue S5)."""
        if not self.over_tls:
            return replies.ENCRYPTION_REQUIRED
        authenticator = self._config.authenticator
        if authenticator is None:
            return replies.COMMAND_NOT_IMPLEMENTED
        if not self._extended:
            return replies.HELLO_FIRST
        if self._submission is not None or self._account is not None:
            return replies.AUTH_NOT_NOW
        if self._listener.bad_logins.are_too_many(self._peer, self._config.limits, now=self.loop.time()):
            return self._put_off()
        return self._log_in(authenticator, argument)

    def _log_in(self, authenticator: Authenticator, argument: bytes) -> Waiting[Reply]:
        name, given, initial = argument.partition(b" ")
        mechanism = MECHANISMS.get(name.upper())
        if mechanism is None:
            return replies.MECHANISM_UNKNOWN
        exchange = mechanism(initial if given else None)
        try:
            challenge = next(exchange)
            while True:
                self.say_raw(b"334 " + challenge + b"\r\n")
                line = yield from self.read_line()
                if isinstance(line, Reply):
                    return line
                challenge = exchange.send(line)
        except AuthRefused as refused:
            if refused.reply is replies.CREDENTIALS_INVALID:
                self._listener.bad_logins.count(self._peer, self._config.limits, now=self.loop.time())
            return self._login_refused(refused.reply)
        except StopIteration as done:
            login: LoginAttempt = done.value
        return (yield from self._verify(authenticator, login))

    def _verify(self, authenticator: Authenticator, login: LoginAttempt) -> Waiting[Reply]:
        guesses, limits, failed = self._listener.bad_logins, self._config.limits, True
        secret = b"\0".join((login.user.encode(), login.password))
        if not guesses.admit(self._peer, secret, limits, now=self.loop.time()):
            return self._put_off()
        try:
            self._account = yield from self.until(self._check(authenticator, login))
            failed = self._account is None
        except SignoffError as error:
            failed = False
            self._config.log.warning(LogEvent.SESSION_REFUSED, peer=self._peer, error=error.code)
            return replies.AUTH_UNAVAILABLE
        finally:
            guesses.settle(self._peer, secret, limits, failed=failed, now=self.loop.time())
        return self._login_refused(replies.CREDENTIALS_INVALID) if failed else replies.AUTHENTICATED

    def _put_off(self) -> Reply:
        self._config.log.warning(LogEvent.SESSION_REFUSED, peer=self._peer, reply=str(replies.AUTH_LATER))
        return replies.AUTH_LATER

    @staticmethod
    async def _check(authenticator: Authenticator, login: LoginAttempt) -> BrandId | None:
        return await authenticator(login.user, login.password)

    def _login_refused(self, reply: Reply) -> Reply:
        self._bad_logins += 1
        if self._bad_logins >= self._config.limits.max_bad_logins:
            self.say(reply)
            self.send_away(replies.TOO_MANY_BAD_LOGINS)
        return reply
