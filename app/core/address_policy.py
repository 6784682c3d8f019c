"""Which addresses a webhook may reach: what a brand writes into a URL must not open the network
behind us (catalogue L1).

An allow-list: an IPv4 address that the registry calls global, or an IPv6 address of global unicast
space (2000::/3) outside the parts of it that carry an IPv4 address inside or lead nowhere public.
So IPv4-mapped, NAT64, 6to4 and Teredo forms of a private address are refused with everything else
that is not plainly public, whatever comes to be invented.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid
from app.core.webhook import Reach

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15")
)
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# Names that no public DNS answers for (RFC 6761, 6762, 7686, 8375, ICANN's `internal`). `example`
# stays: documentation writes it.
_NOT_PUBLIC_NAMES = (
    ".localhost",
    ".local",
    ".localdomain",
    ".internal",
    ".invalid",
    ".test",
    ".onion",
    ".home.arpa",
    ".lan",
    ".arpa",
)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def may_reach(text: str, reach: Reach) -> bool:
    """Tell whether a connection to this address is allowed. What is no IP address is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if reach is Reach.PRIVATE:
        return not (address.is_multicast or address.is_unspecified)
    return is_public(address) or (reach is Reach.LOOPBACK and address.is_loopback)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is plainly on the public internet."""
    if isinstance(address, IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not any(address in network for network in _NOT_PUBLIC_4)
        )
    return (
        address.scope_id is None
        and address in _UNICAST_6
        and not any(address in network for network in _NOT_PUBLIC_6)
    )


def may_be_public(host: str) -> bool:
    """Tell whether a host of a URL may be reached from outside: a plainly public IP address, or a
    name with a dot that does not say it is local.
    """
    name = host.strip("[]").rstrip(".").lower()
    try:
        return is_public(ip_address(name))
    except ValueError:
        return "." in name and not name.endswith((".localhost", ".local", ".internal"))


def is_public_host(host: str) -> bool:
    """Tell whether a host of a URL or an address can be on the public internet: a name with a dot,
    or a plainly public IP address.
    """
    host = host.removeprefix("[").removeprefix("IPv6:").removesuffix("]").rstrip(".")
    if is_disguised(host):
        return False
    try:
        return is_public(ip_address(host))
    except ValueError:
        pass
    try:
        name = ascii_domain(host)
    except AddressInvalid:
        return False
    return "." in name and not name.endswith(_NOT_PUBLIC_NAMES)


def is_disguised(host: str) -> bool:
    """Tell whether a host is an IPv4 address in one of its odd notations: 0x7f000001, 2130706433,
    0177.0.0.1, 127.1.

    A host whose last label is a number is an address to those who read it (WHATWG URL, "ends in a
    number"), so it must be a plain one.
    """
    labels = host.rstrip(".").split(".")
    if ":" in host or not _NUMBER.fullmatch(labels[-1]):
        return False
    try:
        return str(IPv4Address(host)) != host
    except ValueError:
        return True
