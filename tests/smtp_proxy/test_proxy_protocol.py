"""The PROXY header as a load balancer writes it, and everything that only looks like one."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_proxy.session.proxy_protocol import (
    MAX_V1,
    MAX_V2,
    HeaderMalformed,
    ProxySource,
    read_header,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BEHIND = b"EHLO client.example\r\n"


def v2(command: int, family: int, addresses: bytes = b"", tlvs: bytes = b"") -> bytes:
    return (
        SIGNATURE
        + struct.pack(">BBH", command, family, len(addresses) + len(tlvs))
        + addresses
        + tlvs
    )


def read(octets: bytes) -> tuple[ProxySource, bytes]:
    """Give the reader what it asks for; return what it found and what it left."""
    reading = read_header()
    needed, at = next(reading), 0
    try:
        while at + needed <= len(octets):
            at, piece = at + needed, octets[at : at + needed]
            needed = reading.send(piece)
    except StopIteration as done:
        return done.value, octets[at:]
    raise EOFError("the header did not end")


TCP4 = (
    socket.inet_aton("203.0.113.9") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 40000, 25)
)
TCP6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack(">HH", 40000, 25)
)
HEADERS = {
    "v1 tcp4": (
        b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n",
        ProxySource(address="203.0.113.9"),
    ),
    "v1 tcp6": (
        b"PROXY TCP6 2001:db8::9 2001:db8::1 40000 25\r\n",
        ProxySource(address="2001:db8::9"),
    ),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", ProxySource()),
    "v1 unknown with words": (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", ProxySource()),
    "v2 tcp4": (v2(0x21, 0x11, TCP4), ProxySource(address="203.0.113.9")),
    "v2 tcp6": (v2(0x21, 0x21, TCP6), ProxySource(address="2001:db8::9")),
    "v2 tcp4 with tlvs": (
        v2(0x21, 0x11, TCP4, b"\x04\x00\x03abc" * 20),
        ProxySource(address="203.0.113.9"),
    ),
    "v2 unspecified": (v2(0x21, 0x00), ProxySource()),
    "v2 unix socket": (v2(0x21, 0x31, bytes(216)), ProxySource()),
    "v2 local": (v2(0x20, 0x00), ProxySource(is_local=True)),
    "v2 local with addresses": (v2(0x20, 0x11, TCP4), ProxySource(is_local=True)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_names_the_client_and_nothing_behind_it_is_taken(name: str) -> None:
    """Catalogue S21."""
    header, source = HEADERS[name]

    assert read(header + BEHIND) == (source, BEHIND)


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.example\r\nMAIL FROM:<a@b>\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello \r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\n" + b"x" * 100,
        b"PROXY TCP4 203.0.113.9 192.0.2.1 40000\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25 9\r\n",
        b"PROXY TCP4  203.0.113.9 192.0.2.1 40000 25\r\n",
        b"PROXY TCP4 203.0.113.999 192.0.2.1 40000 25\r\n",
        b"PROXY TCP4 2001:db8::9 2001:db8::1 40000 25\r\n",
        b"PROXY TCP6 203.0.113.9 192.0.2.1 40000 25\r\n",
        b"PROXY TCP4 203.0.113.9 nowhere 40000 25\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 65536 25\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 -1 25\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 040 25\r\n",
        b"PROXY UDP4 203.0.113.9 192.0.2.1 40000 25\r\n",
        b"PROXY \xff\xfe\xfd\xfc\xfb 192.0.2.1 40000 25\r\n",
        b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
        b"proxy tcp4 203.0.113.9 192.0.2.1 40000 25\r\n",
        v2(0x11, 0x11, TCP4),
        v2(0x22, 0x11, TCP4),
        v2(0x21, 0x12, TCP4),
        v2(0x21, 0x11, TCP4[:-1]),
        v2(0x21, 0x21, TCP4),
        v2(0x21, 0x31, bytes(215)),
        v2(0x21, 0x11, TCP4, bytes(MAX_V2)),
    ],
)
def test_what_is_no_header_is_never_believed(octets: bytes) -> None:
    """Catalogue S21."""
    with pytest.raises(HeaderMalformed):
        read(octets)


@given(
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
    st.binary(max_size=300),
)
def test_whatever_comes_the_reader_asks_for_a_bounded_number_of_octets_and_fails_in_one_way(
    start: bytes, rest: bytes
) -> None:
    """Catalogue S21."""
    octets = start + rest + bytes(MAX_V2 + MAX_V1)
    try:
        _, left = read(octets)
    except HeaderMalformed:
        return
    assert len(octets) - len(left) <= 16 + MAX_V2
