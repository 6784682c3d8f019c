"""The greeting, HELO, EHLO and STARTTLS: what the client calls itself, and what it is offered.

Serves RFC 5321 4.1.1.1, RFC 2033 4.1 (LHLO) and RFC 3207. Offered while the downstream offers it,
or was not seen yet: 8BITMIME, SMTPUTF8, DSN. Not offered, because not done: CHUNKING, REQUIRETLS,
MT-PRIORITY, DELIVERBY, FUTURERELEASE.
"""

import re
import ssl
from collections.abc import Iterable

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.line_protocol import Waiting
from smtp_proxy.session.sasl import MECHANISMS
from smtp_proxy.session.state import SessionState

_HOST = re.compile(rb"[A-Za-z0-9_\[][A-Za-z0-9._:\]-]{0,254}")


def greet(state: SessionState) -> None:
    """Say the greeting."""
    state.line.say_raw(
        f"220 {state.config.hostname} {'LMTP' if state.config.lmtp else 'ESMTP'}\r\n".encode(
            "ascii"
        )
    )


def helo(state: SessionState, argument: bytes) -> Reply | None:
    """Obey HELO."""
    return _hello(state, argument, extended=False)


def ehlo(state: SessionState, argument: bytes) -> Reply | None:
    """Obey EHLO, or LHLO by LMTP: say what is offered now."""
    return _hello(state, argument, extended=True)


def starttls(state: SessionState, argument: bytes) -> Reply | Waiting[Reply | None]:
    """Obey STARTTLS: secure the connection and forget the client."""
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    if state.line.over_tls:
        return replies.TLS_ACTIVE
    if state.config.tls is None:
        return replies.COMMAND_NOT_IMPLEMENTED
    return _secure(state, state.config.tls)


def _hello(state: SessionState, argument: bytes, *, extended: bool) -> Reply | None:
    if not _HOST.fullmatch(argument):
        return replies.HELLO_NEEDS_NAME
    state.helo = argument.decode("ascii")
    state.extended = extended
    state.speaks_for_others = state.speaks_for_others and state.config.lets_speak_for_others(
        state.peer
    )
    state.end_transaction()
    *others, last = [state.config.hostname, *(_extensions(state) if extended else ())]
    state.line.say_raw(
        "".join([*(f"250-{line}\r\n" for line in others), f"250 {last}\r\n"]).encode("ascii")
    )
    return None


def _extensions(state: SessionState) -> Iterable[str]:
    config = state.config
    state.offers = config.offers()
    yield f"SIZE {config.limits.max_message_bytes}"
    if state.offers.eightbit:
        yield "8BITMIME"
    yield "PIPELINING"
    yield "ENHANCEDSTATUSCODES"
    if state.offers.smtputf8:
        yield "SMTPUTF8"
    if state.offers.dsn:
        yield "DSN"
    if config.tls is not None and not state.line.over_tls:
        yield "STARTTLS"
    if config.authenticator is not None and state.line.over_tls:
        yield f"AUTH {' '.join(name.decode() for name in MECHANISMS)}"
    if state.speaks_for_others:
        yield "XCLIENT NAME ADDR PORT PROTO HELO"
        yield "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"


def _secure(state: SessionState, context: ssl.SSLContext) -> Waiting[Reply | None]:
    state.line.say(replies.READY_FOR_TLS)
    # RFC 3207 4.2: what the client said before must not count afterwards.
    state.forget()
    if not (yield from state.line.secure(context)):
        state.line.abort()
    return None
