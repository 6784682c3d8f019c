"""The bounds of the SMTP listener: what one session may ask for, and how many sessions there may
be.

Serves RFC 5321 4.5.3 (sizes and timeouts) and catalogue S7, S10, S16, X13. Everything here lives on
one event loop and needs no lock. How much mail is in memory is counted in
`smtp_proxy.session.memory`.
"""

from collections import Counter
from dataclasses import dataclass

from app.core.errors import Misconfigured
from app.core.networks import network_of
from smtp_proxy.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_ADDRESS, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one listener. Sizes are octets, times are seconds. Raises Misconfigured when
    one message cannot fit into the memory.
    """

    max_message_bytes: int = 26_214_400
    # what all sessions and copies hold together (`smtp_proxy.session.memory`)
    max_in_flight_bytes: int = 268_435_456
    max_recipients: int = 1000
    max_connections: int = 1000
    max_connections_per_address: int = 500
    max_commands: int = 100_000  # in one connection
    max_bad_commands: int = 10
    max_bad_logins: int = 3
    # within `bad_login_seconds`, in all connections together (catalogue C8)
    max_bad_logins_per_address: int = 20
    bad_login_seconds: float = 600
    header_seconds: float = 10  # for the PROXY header of a load balancer
    # for one whole command line, however slowly it comes (RFC 5321 4.5.3.2.7)
    idle_seconds: float = 300
    data_seconds: float = 180  # for each further KiB of content (RFC 5321 4.5.3.2.5)
    least_octets_per_second: int = 512  # of content, all in all, once `data_seconds` have passed
    max_kept_bytes: int = 0  # of a message; what comes beyond is read and dropped. 0: all of it
    session_seconds: float = 3600  # for one connection, and for the content of its last message
    # for the handler, so that our answer comes within the client's ten minutes (RFC 5321 4.5.3.2.6)
    answer_seconds: float = 570

    def __post_init__(self) -> None:
        if self.max_in_flight_bytes < min(
            self.max_message_bytes, self.max_kept_bytes or self.max_message_bytes
        ):
            raise Misconfigured(
                ["relay.max_in_flight_bytes: must be at least relay.max_message_bytes"]
            )


class Connections:
    """How many connections are open, in all and by IP address; one subscriber's IPv6 addresses (a
    /56) count as one.
    """

    __slots__ = ("_by_ip", "_limits", "arriving")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_ip: Counter[str] = Counter()
        self.arriving = 0  # accepted, and still at their PROXY header or TLS handshake

    def adopt(self, limits: Limits) -> None:
        """Hold whoever comes from now on to other limits."""
        self._limits = limits

    @property
    def is_full(self) -> bool:
        """Say whether no further connection may arrive, whoever it is."""
        return self.count + self.arriving >= self._limits.max_connections

    @property
    def count(self) -> int:
        """Return the number of open connections."""
        return self._by_ip.total()

    def refusal_for(self, ip: str) -> Reply | None:
        """Return why this address may not open a further connection; None: it may."""
        if self.count >= self._limits.max_connections:
            return TOO_MANY_CONNECTIONS
        return (
            TOO_MANY_FROM_ADDRESS
            if self._by_ip[_counted(ip)] >= self._limits.max_connections_per_address
            else None
        )

    def enter(self, ip: str) -> None:
        """Count one connection more."""
        self._by_ip[_counted(ip)] += 1

    def leave(self, ip: str) -> None:
        """Count one connection less, and forget the address with its last one."""
        name = _counted(ip)
        self._by_ip[name] -= 1
        if not self._by_ip[name]:
            del self._by_ip[name]


def shared_network(ip: str) -> str:
    """Return the network that shares a bound: the /24 of an IPv4 address, the /56 of an IPv6
    address; what is no address, as it is.
    """
    return network_of(ip, v6=56) or ip


def _counted(ip: str) -> str:
    return shared_network(ip) if ":" in ip else ip
