"""Whether the relay's downstream is the relay itself: the simplest loop, refused before anything
starts.
"""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from app.core.downstream import Target
from app.core.errors import Misconfigured
from app.settings.relay import RelaySettings
from app.settings.types import split_address

_UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound


def refuse_own_address(relay: RelaySettings) -> None:
    """Raise Misconfigured when the downstream is one of the relay's own listeners under any name:
    the simplest loop (catalogue X8, C6).
    """
    target = Target.parse(
        relay.downstream, user=relay.downstream_user, password=relay.downstream_password.reveal()
    )
    for key in ("listen", "tls_listen", "lmtp_listen"):
        address: str | None = getattr(relay, key)
        if address is None:
            continue
        host, port = split_address(address)
        if port == target.port and not _addresses(target.host, connecting=True).isdisjoint(
            _own(host, target.host)
        ):
            raise Misconfigured(
                [f"relay.downstream: {relay.downstream} is the relay itself (relay.{key})"]
            )


def _own(host: str, target: str) -> set[IPv4Address | IPv6Address]:
    """Return the addresses under which a listener on `host` is reached; of one that listens
    everywhere those of `target` that are ours.
    """
    if host in _UNSPECIFIED:
        version = ipaddress.ip_address(host).version
        return {
            address
            for address in _addresses(target, connecting=True)
            if address.version == version and _is_local(address)
        }
    return _addresses(host, connecting=False)


def _addresses(host: str, *, connecting: bool) -> set[IPv4Address | IPv6Address]:
    """Return what a name means; who connects to the unspecified address reaches this machine."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()  # nobody can be reached under it now, so no loop either
    addresses: set[IPv4Address | IPv6Address] = {
        _plain(str(address[0])) for _, _, _, _, address in found
    }
    loopback: set[IPv4Address | IPv6Address] = {IPv4Address("127.0.0.1"), IPv6Address("::1")}
    return (
        addresses | loopback
        if connecting and any(address.is_unspecified for address in addresses)
        else addresses
    )


def _plain(text: str) -> IPv4Address | IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    """Ask the system, which binds to its own addresses only."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - the version of IP
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
