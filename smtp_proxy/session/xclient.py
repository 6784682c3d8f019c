"""XCLIENT and XFORWARD: what a proxy in front of us says of the client behind it.

Serves Postfix's XCLIENT_README and XFORWARD_README, which define both commands. By XCLIENT a listed
proxy passes its place on; XFORWARD only tells the next server. What must hold:

1. Both are offered to, and heard from, listed networks alone.
2. After XCLIENT the session is that of the stated client, as if it had just connected: its address
   counts for trusted networks and bounds, and nothing that was said before counts. The proxy may go
   on stating until the next hello; then the right is the client's own, which has none. A proxy that
   hands the connection through, as nginx does, would otherwise let its client state any address.
3. LOGIN grants nothing: an account belongs to the one who proves its password to us, so a listed
   host cannot send in the name of a brand.
4. XFORWARD holds for one transaction and goes on to a downstream that offers it. XCLIENT is never
   said to a downstream.

A value is xtext (RFC 3461 4); `[UNAVAILABLE]` and `[TEMPUNAVAIL]` stand for what the proxy does not
know, here None.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

from app.core.mail.xtext import decode_xtext, encode_xtext
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import plain_ip
from smtp_proxy.session.hello import greet
from smtp_proxy.session.state import SessionState

MAX_VALUE = 255
_UNKNOWN = frozenset({b"[UNAVAILABLE]", b"[TEMPUNAVAIL]"})
_MAX_PORT = 65_535

ReadValue = Callable[[str], str]  # the value as it will be used; ValueError: not one


def _name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a control character")
    return text


def _address(text: str) -> str:
    if text[:5].upper() == "IPV6:":
        return str(IPv6Address(text[5:]))
    return str(IPv6Address(text) if ":" in text else IPv4Address(text))


def _address_as_written(text: str) -> str:
    _address(text)
    return text


def _port(text: str) -> str:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_PORT):
        raise ValueError("not a port")
    return text


def _one_of(*words: str) -> ReadValue:
    def check(text: str) -> str:
        if text.upper() not in words:
            raise ValueError("not one of the words")
        return text.upper()

    return check


_PROTOCOL = _one_of("SMTP", "ESMTP")
# LOGIN (rule 3) and where the client connected to are read, and change nothing.
XCLIENT: Mapping[bytes, ReadValue] = MappingProxyType(
    {
        b"NAME": _name,
        b"ADDR": _address,
        b"PORT": _port,
        b"PROTO": _PROTOCOL,
        b"HELO": _name,
        b"LOGIN": _name,
        b"DESTADDR": _address,
        b"DESTPORT": _port,
    }
)
XFORWARD: Mapping[bytes, ReadValue] = MappingProxyType(
    {
        b"NAME": _name,
        b"ADDR": _address_as_written,
        b"PORT": _port,
        b"PROTO": _PROTOCOL,
        b"HELO": _name,
        b"IDENT": _name,
        b"SOURCE": _one_of("LOCAL", "REMOTE"),
    }
)


def xclient(state: SessionState, argument: bytes) -> Reply | None:
    """Obey XCLIENT: go on as the session of the stated client, from a new greeting on."""
    attributes = _stated(state, argument, XCLIENT)
    if isinstance(attributes, Reply):
        return attributes
    state.forget()
    if b"ADDR" in attributes:
        address = attributes[b"ADDR"]
        _become(state, plain_ip(address) if address else "")
    if b"NAME" in attributes:
        state.peer_name = attributes[b"NAME"] or ""
    state.helo = attributes.get(b"HELO") or ""
    state.extended = attributes.get(b"PROTO") == "ESMTP"
    state.offers = state.config.offers()
    greet(state)
    return None


def xforward(state: SessionState, argument: bytes) -> Reply:
    """Obey XFORWARD: remember what the next server shall hear with this transaction."""
    attributes = _stated(state, argument, XFORWARD)
    if isinstance(attributes, Reply):
        return attributes
    state.forwarded |= dict(written(attributes))
    return replies.OK


def _stated(
    state: SessionState, argument: bytes, known: Mapping[bytes, ReadValue]
) -> dict[bytes, str | None] | Reply:
    if not state.speaks_for_others:
        return replies.MAY_NOT_SPEAK_FOR_OTHERS
    if state.submission is not None:
        return replies.MAIL_AGAIN
    return read_attributes(argument, known)


def _become(state: SessionState, address: str) -> None:
    """Count the session as one of the stated address, which may have too many. Empty: unknown, so
    trusted nowhere.
    """
    connections = state.listener.connections
    connections.leave(state.peer)
    refusal = connections.refusal_for(address)
    connections.enter(address)
    state.peer, state.peer_name, state.trusted = address, "", state.config.trusts(address)
    if refusal is not None:
        state.send_away(refusal)


def read_attributes(
    argument: bytes, known: Mapping[bytes, ReadValue]
) -> dict[bytes, str | None] | Reply:
    """Return the attributes by name in capitals, with checked values, or the refusal."""
    attributes: dict[bytes, str | None] = {}
    for attribute in argument.split():
        name, equals, value = attribute.partition(b"=")
        check = known.get(name.upper())
        if check is None or not equals:
            return replies.ATTRIBUTE_UNKNOWN
        try:
            attributes[name.upper()] = None if value.upper() in _UNKNOWN else check(_decoded(value))
        except ValueError:
            return replies.ATTRIBUTE_MALFORMED
    return attributes or replies.ATTRIBUTE_UNKNOWN


def written(attributes: Mapping[bytes, str | None]) -> tuple[tuple[bytes, bytes], ...]:
    """Return attributes as they stand in a command: name and xtext."""
    return tuple(
        (name, b"[UNAVAILABLE]" if value is None else encode_xtext(value))
        for name, value in attributes.items()
    )


def _decoded(value: bytes) -> str:
    if len(value) > MAX_VALUE:
        raise ValueError("too long")
    return decode_xtext(value)
