"""What every session of one listener is held to, and what the sessions have in common while they
run.
"""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import count

from app.core.model import BrandId
from app.core.networks import Network, stands_in
from app.observe.log import Logger, logger
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.bad_logins import BadLogins
from smtp_proxy.session.content import ContentRules, LineEndings, LongLines
from smtp_proxy.session.limits import Connections, Limits
from smtp_proxy.session.line_protocol import LineProtocol
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.submission import Envelope, Offers

Handler = Callable[[Envelope, bytearray], Awaitable[Answer]]
Authenticator = Callable[[str, bytes], Awaitable[BrandId | None]]
# recipient and the client's IP address → the refusal; None: it may come in
RecipientPolicy = Callable[[str, str], Reply | None]


def transaction_ids() -> Callable[[], str]:
    """Return a source of ids: unlike those of any other process, and short."""
    return map(f"{secrets.token_hex(5)}{{:x}}".format, count(1)).__next__


def plain_ip(peer: str) -> str:
    """Return an IP address without its scope, and an IPv4 address that a dual listener sees inside
    IPv6 as what it is.
    """
    address = peer.partition("%")[0]
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return str(mapped) if mapped else address


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What every session of one listener is held to."""

    hostname: str
    handler: Handler  # takes one message; what it raises is answered by `replies.for_error`
    limits: Limits = field(default_factory=Limits)
    trusted_networks: tuple[Network, ...] = ()
    authenticator: Authenticator | None = None
    # offers STARTTLS, and serves the listeners that are TLS from the first octet
    tls: ssl.SSLContext | None = None
    # load balancers, which must send a PROXY header (catalogue S21)
    proxy_networks: tuple[Network, ...] = ()
    # proxies that may use XCLIENT and XFORWARD (catalogue S20)
    xclient_networks: tuple[Network, ...] = ()
    offers: Callable[[], Offers] = Offers  # what the downstream has now, as far as it is known
    lmtp: bool = False  # LHLO instead of EHLO, and one reply a recipient (RFC 2033)
    line_endings: LineEndings = "reject"
    long_lines: LongLines = "accept"
    # without one every well-formed recipient may come in
    recipient_policy: RecipientPolicy | None = None
    # the address behind a bare <postmaster> (RFC 5321 4.5.1); empty: no mailbox is local here
    postmaster: str = ""
    # anybody may send here, so that the networks of clients share the memory, as accounts always do
    strangers: bool = False
    one_recipient: bool = False  # answer 452 to a second recipient (catalogue X1)
    new_id: Callable[[], str] = field(default_factory=transaction_ids)
    log: Logger = field(default_factory=lambda: logger("relay"))

    def content_rules(self) -> ContentRules:
        """Return what the sessions demand of content."""
        return ContentRules(
            max_bytes=self.limits.max_message_bytes,
            max_kept=self.limits.max_kept_bytes,
            line_endings=self.line_endings,
            long_lines=self.long_lines,
        )

    def trusts(self, peer: str) -> bool:
        """Say whether the IP address stands in a trusted network."""
        return stands_in(peer, self.trusted_networks)

    def expects_header(self, peer: str) -> bool:
        """Say whether the IP address is that of a load balancer."""
        return stands_in(peer, self.proxy_networks)

    def lets_speak_for_others(self, peer: str) -> bool:
        """Say whether the IP address is that of a proxy which may state its client."""
        return stands_in(peer, self.xclient_networks)


class ListenerState:
    """What the sessions of one listener have in common while they run."""

    __slots__ = (
        "all_gone",
        "bad_logins",
        "config",
        "connections",
        "memory",
        "rules",
        "sessions",
        "stopping",
    )

    def __init__(self, config: SessionConfig, memory: MemoryBudget | None = None) -> None:
        self.config = config
        self.rules = config.content_rules()
        self.memory = memory or MemoryBudget(config.limits.max_in_flight_bytes)
        self.connections = Connections(config.limits)
        self.bad_logins = BadLogins()
        self.sessions: set[LineProtocol] = set()
        self.stopping = False
        # set by the last session that leaves while the listener is stopping
        self.all_gone = asyncio.Event()

    def adopt(self, config: SessionConfig) -> None:
        """Hold sessions that begin from now on to another configuration; the budget of memory
        stays.
        """
        self.config = config
        self.rules = config.content_rules()
        self.connections.adopt(config.limits)
