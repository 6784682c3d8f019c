"""The PROXY protocol's header, versions 1 and 2: what a load balancer says of its client before the
client's first octet. Pure.

Serves the PROXY protocol specification of HAProxy, section 2, and catalogue S21. The header is read
by a generator: it yields how many octets it needs next, is sent exactly that many, and returns the
source. So nothing behind the header is taken: neither a command nor the first octet of TLS. What
holds:

1. Only a listed load balancer is asked for a header, and it must send a correct one. Nothing here
   guesses.
2. LOCAL is the load balancer itself, such as its health check: the connection's own address stands.
3. UNKNOWN and UNSPEC are a client whose address is not told: it is not known, so no network can be
   trusted for it.
"""

import struct
from collections.abc import Generator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

MAX_V1 = 107  # octets with CR LF, the specification's worst case
MAX_V2 = 4096  # octets of addresses and TLVs: ten times what load balancers send
_FEWEST = 15  # `PROXY UNKNOWN` CR LF; less than any header of version 2
_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD = struct.Struct(">12xBBH")
_LOCAL, _PROXY = 0x20, 0x21  # version and command
_UNSPEC, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31  # address family and transport
_V2_ADDRESS_OCTETS = {_UNSPEC: 0, _TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216}
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySource:
    """Who connected to the load balancer. Without an address: the load balancer itself when
    `is_local`, else somebody unknown.
    """

    address: str = ""
    is_local: bool = False


class HeaderMalformed(Exception):
    """What came is no PROXY header; the connection cannot be believed."""


Reading = Generator[int, bytes, ProxySource]


def read_header() -> Reading:
    """Read one header of either version. Raises HeaderMalformed."""
    start = yield _FEWEST
    if start.startswith(_V2_SIGNATURE):
        return (yield from _read_v2(start))
    if start.startswith(b"PROXY "):
        return (yield from _read_v1(start))
    raise HeaderMalformed("neither version of the header")


def _read_v1(line: bytes) -> Reading:
    while not line.endswith(b"\r\n"):
        if len(line) >= MAX_V1 or b"\n" in line:
            raise HeaderMalformed("a line that does not end")
        line += yield 1
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":  # whatever follows it means nothing (2.1)
        return ProxySource()
    match words:
        case [_, b"TCP4" | b"TCP6" as family, source, destination, source_port, destination_port]:
            _port(source_port)
            _port(destination_port)
            _address(family, destination)
            return ProxySource(address=_address(family, source))
        case _:
            raise HeaderMalformed("unknown words")


def _address(family: bytes, text: bytes) -> str:
    try:
        return str(
            IPv4Address(text.decode("ascii"))
            if family == b"TCP4"
            else IPv6Address(text.decode("ascii"))
        )
    except ValueError as exc:
        raise HeaderMalformed("not an address of its family") from exc


def _port(text: bytes) -> None:
    if not (text.isdigit() and str(int(text)).encode() == text and int(text) <= _MAX_PORT):
        raise HeaderMalformed("not a port")


def _read_v2(start: bytes) -> Reading:
    head = start + (yield _V2_HEAD.size - len(start))
    command, family, length = _V2_HEAD.unpack(head)
    if command not in (_LOCAL, _PROXY):
        raise HeaderMalformed("unknown version or command")
    if length > MAX_V2:
        raise HeaderMalformed("too long")
    rest = (yield length) if length else b""
    if command == _LOCAL:  # its addresses mean nothing (2.2)
        return ProxySource(is_local=True)
    if length < _V2_ADDRESS_OCTETS.get(family, length + 1):
        raise HeaderMalformed("unknown family, or addresses cut short")
    if family == _TCP4:
        return ProxySource(address=str(IPv4Address(rest[:4])))
    return ProxySource(address=str(IPv6Address(rest[:16]))) if family == _TCP6 else ProxySource()
