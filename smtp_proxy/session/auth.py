"""AUTH: a client proves whose mail it may send.

Serves RFC 4954. Passwords are heard over TLS only. A network with too many failed logins is put
off, whatever it presents (`smtp_proxy.session.bad_logins`); one session has a few tries. The
mechanisms stand in `smtp_proxy.session.sasl`.
"""

from app.core.errors import SignoffError
from app.core.model import BrandId
from app.observe.log import LogEvent
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import Authenticator
from smtp_proxy.session.line_protocol import Waiting
from smtp_proxy.session.sasl import MECHANISMS, AuthRefused, LoginAttempt
from smtp_proxy.session.state import SessionState


def auth(state: SessionState, argument: bytes) -> Reply | Waiting[Reply | None]:
    """Obey AUTH."""
    if not state.line.over_tls:
        return replies.ENCRYPTION_REQUIRED
    authenticator = state.config.authenticator
    if authenticator is None:
        return replies.COMMAND_NOT_IMPLEMENTED
    if not state.extended:
        return replies.HELLO_FIRST
    if state.submission is not None or state.account is not None:
        return replies.AUTH_NOT_NOW
    if state.listener.bad_logins.are_too_many(
        state.peer, state.config.limits, now=state.line.now()
    ):
        return _put_off(state)
    return _log_in(state, authenticator, argument)


def _log_in(state: SessionState, authenticator: Authenticator, argument: bytes) -> Waiting[Reply]:
    name, given, initial = argument.partition(b" ")
    mechanism = MECHANISMS.get(name.upper())
    if mechanism is None:
        return replies.MECHANISM_UNKNOWN
    exchange = mechanism(initial if given else None)
    try:
        challenge = next(exchange)
        while True:
            state.line.say_raw(b"334 " + challenge + b"\r\n")
            line = yield from state.line.read_line()
            if isinstance(line, Reply):
                return line
            challenge = exchange.send(line)
    except AuthRefused as refused:
        if refused.reply is replies.CREDENTIALS_INVALID:
            state.listener.bad_logins.count(state.peer, state.config.limits, now=state.line.now())
        return _refused(state, refused.reply)
    except StopIteration as done:
        login: LoginAttempt = done.value
    return (yield from _verify(state, authenticator, login))


def _verify(
    state: SessionState, authenticator: Authenticator, login: LoginAttempt
) -> Waiting[Reply]:
    guesses, limits, failed = state.listener.bad_logins, state.config.limits, True
    secret = b"\0".join((login.user.encode(), login.password))
    if not guesses.admit(state.peer, secret, limits, now=state.line.now()):
        return _put_off(state)
    try:
        state.account = yield from state.line.until(_check(authenticator, login))
        failed = state.account is None
    except SignoffError as error:
        failed = False
        state.config.log.warning(LogEvent.SESSION_REFUSED, peer=state.peer, error=error.code)
        return replies.AUTH_UNAVAILABLE
    finally:
        guesses.settle(state.peer, secret, limits, failed=failed, now=state.line.now())
    return _refused(state, replies.CREDENTIALS_INVALID) if failed else replies.AUTHENTICATED


async def _check(authenticator: Authenticator, login: LoginAttempt) -> BrandId | None:
    return await authenticator(login.user, login.password)


def _put_off(state: SessionState) -> Reply:
    state.log_refusal(replies.AUTH_LATER)
    return replies.AUTH_LATER


def _refused(state: SessionState, reply: Reply) -> Reply:
    """Count a failed try and return the reply to it; the last of too many ends the session."""
    state.bad_logins += 1
    if state.bad_logins >= state.config.limits.max_bad_logins:
        state.line.say(reply)
        state.send_away(replies.TOO_MANY_BAD_LOGINS)
    return reply
