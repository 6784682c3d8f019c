"""The AUTH mechanisms PLAIN and LOGIN as dialogues: pure, without sockets.

Serves RFC 4954 and RFC 4616; LOGIN has no standard and is what old clients speak. A mechanism is a
generator: it yields a challenge, is sent the client's line, and returns the credentials, or raises
AuthRefused with the reply.
"""

import base64
import binascii
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from smtp_proxy import replies
from smtp_proxy.replies import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt:
    """What a client presented."""

    user: str
    password: bytes = field(repr=False)


class AuthRefused(Exception):
    """The client's response cannot be used; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


Exchange = Generator[bytes, bytes, LoginAttempt]


def plain(initial: bytes | None) -> Exchange:
    """Read `authorization NUL user NUL password`; acting for somebody else is refused (RFC 4616
    2).
    """
    response = _decoded((yield b"") if initial is None else initial)
    identity, _, rest = response.partition(b"\0")
    user, separator, password = rest.partition(b"\0")
    if not separator or b"\0" in password:
        raise AuthRefused(replies.AUTH_MALFORMED)
    if identity not in (b"", user):
        raise AuthRefused(replies.CREDENTIALS_INVALID)
    return _login(user, password)


def login(initial: bytes | None) -> Exchange:
    """Ask for the user and then for the password."""
    user = _decoded((yield base64.b64encode(b"Username:")) if initial is None else initial)
    password = _decoded((yield base64.b64encode(b"Password:")))
    return _login(user, password)


MECHANISMS: Mapping[bytes, Callable[[bytes | None], Exchange]] = MappingProxyType(
    {b"PLAIN": plain, b"LOGIN": login}
)


def _login(user: bytes, password: bytes) -> LoginAttempt:
    try:
        return LoginAttempt(user=user.decode("utf-8"), password=password)
    except UnicodeDecodeError as exc:
        raise AuthRefused(replies.CREDENTIALS_INVALID) from exc


def _decoded(response: bytes) -> bytes:
    if response == b"*":
        raise AuthRefused(replies.AUTH_CANCELLED)
    if response == b"=":  # RFC 4954 4: an initial response that is empty
        return b""
    try:
        return base64.b64decode(response, validate=True)
    except binascii.Error as exc:
        raise AuthRefused(replies.AUTH_MALFORMED) from exc
