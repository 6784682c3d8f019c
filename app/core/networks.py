"""IP networks: which one an address belongs to, and whether it stands in one of several."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of these texts, such as `10.0.0.0/8`. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def stands_in(address: str, within: Iterable[Network]) -> bool:
    """Tell whether an IP address stands in one of the networks; what is no IP address does not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in within)


def network_of(address: str, *, v4: int = 24, v6: int = 64) -> str:
    """Return the network of an IP address by the length of its prefix; empty for what is none. An
    IPv4 address within an IPv6 address is itself.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    length = v6 if isinstance(parsed, IPv6Address) else v4
    return str(ip_network(f"{parsed}/{length}", strict=False))
