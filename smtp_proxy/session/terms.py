"""What every session of one listener is held to, and what the sessions have in common while they run."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import count

from app.core.model import BrandId
from app.observe.log import Logger, logger
from smtp_proxy.replies import Reply
from smtp_proxy.session.content import ContentRules, LineEndings, LongLines
from smtp_proxy.session.conversation import Conversation
from smtp_proxy.session.limits import Connections, Limits, MemoryBudget
from smtp_proxy.session.submission import Envelope

Handler = Callable[[Envelope, bytearray], Awaitable[Reply]]
Authenticator = Callable[[str, bytes], Awaitable[BrandId | None]]


def transaction_ids() -> Callable[[], str]:
    """Return a source of ids: unlike those of any other process, and short."""
    prefix, numbers = secrets.token_hex(5), count(1)
    return lambda: f"{prefix}{next(numbers):x}"


def _not_offered() -> bool:
    return False


def plain_ip(peer: str) -> str:
    """Return an IP address without its scope, and an IPv4 address that a dual listener sees inside IPv6 as what it is."""
    address = peer.partition("%")[0]
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return str(mapped) if mapped else address


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every session of one listener is held to."""

    hostname: str
    handler: Handler  # takes one message; what it raises is answered by `replies.for_error`
    limits: Limits = field(default_factory=Limits)
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    authenticator: Authenticator | None = None
    tls: ssl.SSLContext | None = None  # offers STARTTLS
    smtputf8: Callable[[], bool] = _not_offered  # whether the downstream has it now
    line_endings: LineEndings = "reject"
    long_lines: LongLines = "accept"
    one_recipient: bool = False  # answer 452 to a second recipient (catalogue X1)
    new_id: Callable[[], str] = field(default_factory=transaction_ids)
    log: Logger = field(default_factory=lambda: logger("relay"))

    @property
    def max_recipients(self) -> int:
        """Return how many recipients one transaction may have."""
        return 1 if self.one_recipient else self.limits.max_recipients

    def content_rules(self) -> ContentRules:
        """Return what the sessions demand of content."""
        return ContentRules(max_bytes=self.limits.max_message_bytes, line_endings=self.line_endings, long_lines=self.long_lines)

    def trusts(self, peer: str) -> bool:
        """Say whether the IP address stands in a trusted network; anything that is no IP address does not."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.trusted_networks)


class Shared:
    """What the sessions of one listener have in common while they run."""

    __slots__ = ("all_gone", "connections", "memory", "rules", "sessions", "stopping", "terms")

    def __init__(self, terms: Terms, memory: MemoryBudget | None = None) -> None:
        self.terms = terms
        self.rules = terms.content_rules()
        self.memory = memory or MemoryBudget(terms.limits.max_in_flight_bytes)
        self.connections = Connections(terms.limits)
        self.sessions: set[Conversation] = set()
        self.stopping = False
        self.all_gone = asyncio.Event()  # set by the last session that leaves while the listener is stopping
