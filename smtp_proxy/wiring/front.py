"""The front of the relay: what its sessions are held to, and the check that the mail it takes does not come back to it."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from app.core.errors import Misconfigured
from app.core.model import BrandId
from app.observe.log import Logger
from app.settings.model import InboxSettings, Settings
from app.settings.relay import RelaySettings
from app.settings.types import split_address
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.target import Target
from smtp_proxy.session.credentials import Account, Credentials
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.terms import Handler, Terms

_UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound


def terms(settings: Settings, handler: Handler, downstream: Downstream, log: Logger) -> Terms:
    """Return what every new session is held to. Raises Misconfigured."""
    relay = settings.relay
    accounts = {
        user: Account(brand=BrandId(name), password_hash=password)
        for name, brand in settings.brands.items()
        for user, password in brand.smtp_users.items()
    }
    return Terms(
        hostname=relay.hostname,
        handler=handler,
        limits=Limits(
            max_message_bytes=relay.max_message_bytes,
            max_in_flight_bytes=relay.max_in_flight_bytes,
            max_recipients=relay.max_recipients,
            max_connections=relay.max_connections,
            max_connections_per_address=relay.max_connections_per_address,
        ),
        trusted_networks=_networks(relay.trusted_networks),
        proxy_networks=_networks(relay.proxy_networks),
        xclient_networks=_networks(relay.xclient_networks),
        authenticator=Credentials(accounts) if accounts else None,
        tls=server_tls(relay),
        smtputf8=lambda: downstream.capabilities.smtputf8,
        dsn=lambda: downstream.capabilities.dsn,
        line_endings=relay.line_endings,
        long_lines=relay.long_lines,
        one_recipient=relay.recipients == "one",
        log=log,
    )


def server_tls(section: RelaySettings | InboxSettings, *, name: str = "relay") -> ssl.SSLContext | None:
    """Return the context of STARTTLS and of `tls_listen`, or None without a certificate. Raises Misconfigured; `name` is the section's."""
    if section.tls_cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(section.tls_cert_file, section.tls_key_file, password="")  # else an encrypted key asks the terminal
    except OSError as exc:
        raise Misconfigured([f"{name}.tls_cert_file: {section.tls_cert_file}, {section.tls_key_file}: {exc}"]) from exc
    return context


def refuse_own_address(relay: RelaySettings) -> None:
    """Raise Misconfigured when the downstream is one of the relay's own listeners under any name: the simplest loop (catalogue X8, C6)."""
    target = Target.parse(relay.downstream, user=relay.downstream_user, password=relay.downstream_password)
    for key in ("listen", "tls_listen", "lmtp_listen"):
        address: str | None = getattr(relay, key)
        if address is None:
            continue
        host, port = split_address(address)
        if port == target.port and not _addresses(target.host, connecting=True).isdisjoint(_own(host, target.host)):
            raise Misconfigured([f"relay.downstream: {relay.downstream} is the relay itself (relay.{key})"])


def _own(host: str, target: str) -> set[IPv4Address | IPv6Address]:
    """Return the addresses under which a listener on `host` is reached; of one that listens everywhere those of `target` that are ours."""
    if host in _UNSPECIFIED:
        version = ipaddress.ip_address(host).version
        return {address for address in _addresses(target, connecting=True) if address.version == version and _is_local(address)}
    return _addresses(host, connecting=False)


def _addresses(host: str, *, connecting: bool) -> set[IPv4Address | IPv6Address]:
    """Return what a name means; who connects to the unspecified address reaches this machine."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()  # nobody can be reached under it now, so no loop either
    addresses: set[IPv4Address | IPv6Address] = {_plain(str(address[0])) for _, _, _, _, address in found}
    loopback: set[IPv4Address | IPv6Address] = {IPv4Address("127.0.0.1"), IPv6Address("::1")}
    return addresses | loopback if connecting and any(address.is_unspecified for address in addresses) else addresses


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


def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
