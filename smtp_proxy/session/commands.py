"""Which commands there are, by SMTP and by LMTP, and those that change nothing or little.

A command is a function of the session's state and the argument. It returns its reply; or a
generator that waits, as `smtp_proxy.session.line_protocol` says, and returns the reply at last; or
None when it has said its answer itself. It raises Farewell to end the session. A new command is a
function in the file of its kind, and a row here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.auth import auth
from smtp_proxy.session.hello import ehlo, helo, starttls
from smtp_proxy.session.line_protocol import Farewell, Waiting
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.transaction_commands import data, mail, rcpt, rset
from smtp_proxy.session.xclient import xclient, xforward

Command = Callable[[SessionState, bytes], Reply | Waiting[Reply | None] | None]


def noop(_state: SessionState, _argument: bytes) -> Reply:
    """Obey NOOP, whose argument means nothing (RFC 5321 4.1.1.9)."""
    return replies.OK


def help_(_state: SessionState, _argument: bytes) -> Reply:
    """Obey HELP."""
    return replies.HELP


def vrfy(_state: SessionState, _argument: bytes) -> Reply:
    """Obey VRFY without telling which mailboxes there are (RFC 5321 7.3)."""
    return replies.CANNOT_VERIFY


def not_implemented(_state: SessionState, _argument: bytes) -> Reply:
    """Refuse a command that RFC 5321 or RFC 3030 knows and we do not do."""
    return replies.COMMAND_NOT_IMPLEMENTED


def quit_(_state: SessionState, argument: bytes) -> Reply:
    """Obey QUIT: end the session, as the client expects."""
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    raise Farewell(replies.GOODBYE, at_once=True)


_COMMON: Mapping[bytes, Command] = MappingProxyType(
    {
        b"MAIL": mail,
        b"RCPT": rcpt,
        b"DATA": data,
        b"RSET": rset,
        b"QUIT": quit_,
        b"NOOP": noop,
        b"HELP": help_,
        b"VRFY": vrfy,
        b"EXPN": not_implemented,
        b"BDAT": not_implemented,
        b"STARTTLS": starttls,
        b"AUTH": auth,
        b"XCLIENT": xclient,
        b"XFORWARD": xforward,
    }
)
_SMTP: Mapping[bytes, Command] = MappingProxyType({**_COMMON, b"HELO": helo, b"EHLO": ehlo})
# RFC 2033 4.1: no HELO, no EHLO
_LMTP: Mapping[bytes, Command] = MappingProxyType({**_COMMON, b"LHLO": ehlo})


def commands_of(*, lmtp: bool) -> Mapping[bytes, Command]:
    """Return the commands of a protocol by their words, in capitals."""
    return _LMTP if lmtp else _SMTP
