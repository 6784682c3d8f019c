"""One SMTP session: which command is allowed when, what it changes, and its one reply.

Serves RFC 5321, RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 4954 (AUTH) and the S rows of the catalogue. What must hold:

1. Nobody relays without authentication over TLS or a trusted network (catalogue S4, S5).
2. Once the content is complete, its fate no longer depends on the connection: it is handed on, whether the answer is heard or not. Before
   that, nothing of it is handed on (catalogue X18).
3. An error of ours is 451 with a general text, and is logged with all it has to say (catalogue D9).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from app.core.errors import SignoffError
from app.observe.log import LogEvent
from smtp_proxy import replies
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.config import ListenerState
from smtp_proxy.session.content import Content
from smtp_proxy.session.conversation import Farewell, Waiting
from smtp_proxy.session.delivery_options import NOTHING_ASKED
from smtp_proxy.session.limits import network_of
from smtp_proxy.session.memory import SMALL, Reservation
from smtp_proxy.session.proxied import Proxied
from smtp_proxy.session.proxy_protocol import ProxySource
from smtp_proxy.session.submission import Envelope, Submission, read_mail, read_rcpt

Verb = Callable[["Session", bytes], "Reply | Waiting[Reply] | Waiting[Reply | None] | None"]

_BLOCK = 1024  # octets of content that count as progress: one octet every half minute does not (catalogue S16)
_BAD = frozenset({500, 502})


class Session(Proxied):
    """One client's connection. Made by the listener for each connection, as asyncio's protocol factory."""

    _no_recipients = replies.NO_RECIPIENTS

    def __init__(self, listener: ListenerState, source: ProxySource | None = None) -> None:
        super().__init__(listener, source)
        self._commands = self._bad_commands = 0

    def dialogue(self) -> Waiting[None]:
        """Greet, then obey one command after the other (RFC 5321 4.3.1)."""
        self.greet()
        end = self.loop.time() + self._config.limits.session_seconds
        while True:
            line = yield from self.read_line()
            self._commands += 1
            if self.loop.time() > end:
                self.send_away(replies.SESSION_TOO_LONG)
            if self._commands > self._config.limits.max_commands:
                self.send_away(replies.TOO_MANY_COMMANDS)
            reply = line if isinstance(line, Reply) else (yield from self._obey(line))
            if reply is not None:
                self._answer(reply)

    def _obey(self, line: bytes) -> Waiting[Reply | None]:
        name, _, argument = line.partition(b" ")
        verb = self._VERBS.get(name.upper())
        if verb is None:
            return replies.COMMAND_UNKNOWN
        try:
            answer = verb(self, argument.rstrip())
            return answer if answer is None or isinstance(answer, Reply) else (yield from answer)
        except Farewell:
            raise
        except Exception as error:
            self.failed(error)
            self.end_transaction()
            return replies.LOCAL_ERROR

    def _answer(self, reply: Reply) -> None:
        self.say(reply)
        self._bad_commands += reply.code in _BAD
        if self._bad_commands > self._config.limits.max_bad_commands:
            self.send_away(replies.TOO_MANY_BAD_COMMANDS)

    def _mail(self, argument: bytes) -> Reply:
        if not self.may_relay():
            return replies.RELAY_DENIED
        if not self._helo:
            return replies.HELLO_FIRST
        if self._submission is not None:
            return replies.MAIL_AGAIN
        config = self._config
        submission = read_mail(argument, extended=self._extended, offers=self._offers)
        if isinstance(submission, Reply):
            return submission
        if submission.size > config.limits.max_message_bytes:
            return replies.MESSAGE_TOO_LARGE
        kept = self._rules.kept(submission.size)
        if kept and not self._listener.memory.has_room(self._holder() if kept > SMALL else "", kept):
            return replies.OUT_OF_MEMORY
        self._submission = submission
        return replies.SENDER_OK

    def _rcpt(self, argument: bytes) -> Reply:
        if not self.may_relay():
            return replies.RELAY_DENIED
        if self._submission is None:
            return replies.MAIL_FIRST
        found = read_rcpt(argument, smtputf8=self._submission.smtputf8, dsn=self._offers.dsn)
        if found is replies.RECIPIENT_WITHOUT_DOMAIN and self._config.postmaster:
            found = self._config.postmaster, NOTHING_ASKED
        if isinstance(found, Reply):
            return found
        recipient, options = found
        if self._config.recipient_policy and (refusal := self._config.recipient_policy(recipient, self._peer)):
            return refusal
        is_in = self._submission.add(recipient, limit=self._config.max_recipients, options=options)
        return replies.RECIPIENT_OK if is_in else replies.TOO_MANY_RECIPIENTS

    def _data(self, argument: bytes) -> Reply | Waiting[Reply]:
        if not self.may_relay():
            return replies.RELAY_DENIED
        if self._submission is None:
            return replies.MAIL_FIRST
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        if not self._submission.recipients:
            return self._no_recipients
        return self._receive(self._submission, self._listener.memory.reservation(self._holder))

    def _holder(self) -> str:
        """Return who shares the memory for content with this client's other messages; nobody in networks that are the operator's own."""
        if self._account is not None:
            return f"account {self._account}"
        return network_of(self._peer) if self._config.strangers else ""

    def _receive(self, submission: Submission, memory: Reservation) -> Waiting[Reply]:
        """Read the content and hand the message on. From then on the memory belongs to the task that does so."""
        try:
            content, refusal = yield from self._read_content(memory)
        except Exception as error:
            memory.release()
            if not isinstance(error, Farewell):
                self.failed(error)
            # The rest of the content is still to come, and must never be read as commands.
            raise Farewell(error.reply if isinstance(error, Farewell) else replies.LOCAL_ERROR) from error
        except GeneratorExit:  # the client has left
            memory.release()
            raise
        forwarded = tuple(self._forwarded.items())
        self.end_transaction()
        if refusal is not None:
            self._config.log.info(LogEvent.MESSAGE_REFUSED, peer=self._peer, reply=str(refusal))
            if refusal is replies.CONTENT_MALFORMED:
                # Where the client saw its message end is in doubt, so nothing it sent behind it may be read as commands (catalogue S1).
                self.say(self._tell(refusal, submission))
                raise Farewell(replies.END_IN_DOUBT)
            return self._tell(refusal, submission)
        envelope = Envelope(
            id=self._config.new_id(),
            sender=submission.sender,
            recipients=submission.recipients,
            body_8bit=submission.body_8bit,
            smtputf8=submission.smtputf8,
            client=self.client(smtputf8=submission.smtputf8),
            forwarded=forwarded,
            options=submission.options,
            recipient_options=submission.recipient_options,
            each=self._config.lmtp,
            listens=self.listens,
        )
        return self._tell((yield from self.until(self._hand_on(envelope, content, memory))), submission)

    def _tell(self, answer: Answer, submission: Submission) -> Reply:
        """Put all replies to a message in line but the last, and return that."""
        *others, last = self._replies(answer, submission)
        for reply in others:
            self.say(reply)
        return last

    def _replies(self, answer: Answer, submission: Submission) -> Sequence[Reply]:
        """Return what is said to a message: by SMTP one reply, however many recipients there are."""
        return (answer,) if isinstance(answer, Reply) else answer

    def _read_content(self, memory: Reservation) -> Waiting[tuple[bytearray, Reply | None]]:
        self.say_raw(b"354 End data with <CR><LF>.<CR><LF>\r\n")
        content = Content(self.lines.buffer, self._rules, memory)
        next_block = content.size  # not yet begun: the wait for DATA may have used up the time of this wait
        limits = self._config.limits
        start = self.loop.time()
        end = start + limits.session_seconds
        while not content.advance():
            if content.size >= next_block:
                next_block = content.size + _BLOCK
                pace = start + limits.data_seconds + max(content.size, 0) / limits.least_octets_per_second
                self.renew(min(limits.data_seconds, min(end, pace) - self.loop.time()))
            yield None
        message, rest = content.finish()
        self.lines.buffer = rest
        return message, content.refusal

    async def _hand_on(self, envelope: Envelope, content: bytearray, memory: Reservation) -> Answer:
        try:
            async with asyncio.timeout(self._config.limits.answer_seconds):
                return await self._config.handler(envelope, content)
        except SignoffError as error:
            reply = replies.for_error(error)
            self._config.log.warning(
                LogEvent.MESSAGE_REFUSED, id=envelope.id, peer=self._peer, error=error.code, reply=str(reply), detail=str(error)
            )
            return reply
        except TimeoutError:
            self._config.log.error(LogEvent.MESSAGE_REFUSED, id=envelope.id, peer=self._peer, reply=str(replies.TOO_LATE))
            return replies.TOO_LATE
        except Exception as error:
            self._config.log.exception(LogEvent.UNEXPECTED_ERROR, id=envelope.id, peer=self._peer)
            return replies.for_error(error)
        finally:
            memory.release()

    def _rset(self, argument: bytes) -> Reply:
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        self.end_transaction()
        return replies.OK

    def _quit(self, argument: bytes) -> Reply:
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        raise Farewell(replies.GOODBYE, at_once=True)

    _VERBS: ClassVar[Mapping[bytes, Verb]] = MappingProxyType(
        {
            b"HELO": Proxied.helo_verb,
            b"EHLO": Proxied.ehlo_verb,
            b"MAIL": _mail,
            b"RCPT": _rcpt,
            b"DATA": _data,
            b"RSET": _rset,
            b"QUIT": _quit,
            b"NOOP": lambda _session, _argument: replies.OK,
            b"HELP": lambda _session, _argument: replies.HELP,
            b"VRFY": lambda _session, _argument: replies.CANNOT_VERIFY,
            b"EXPN": lambda _session, _argument: replies.COMMAND_NOT_IMPLEMENTED,
            b"BDAT": lambda _session, _argument: replies.COMMAND_NOT_IMPLEMENTED,
            b"STARTTLS": Proxied.starttls,
            b"AUTH": Proxied.auth,
            b"XCLIENT": Proxied.xclient,
            b"XFORWARD": Proxied.xforward,
        }
    )
