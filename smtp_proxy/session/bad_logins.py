"""Failed logins by network, in all connections of a process: who guesses from many connections is put off (catalogue C8, S16).

While a network is put off its logins are not even checked, right ones neither: the answer then tells nothing, and costs nothing.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_network

from smtp_proxy.session.limits import Limits

_MAX_NETWORKS = 10_000  # the oldest is forgotten first
_IPV6_PREFIX = 64  # what one customer has


class BadLogins:
    """Counts from the first failure of a network until `Limits.bad_login_seconds` later, then anew."""

    __slots__ = ("_failed",)

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()  # network → failures, and when they are forgotten

    def count(self, peer: str, limits: Limits, *, now: float) -> None:
        """Note one failure. `now` is a clock that only goes forward, in seconds."""
        network = _network(peer)
        failures, until = self._failed.pop(network, (0, 0.0))
        if until <= now:
            failures, until = 0, now + limits.bad_login_seconds
        self._failed[network] = (failures + 1, until)
        if len(self._failed) > _MAX_NETWORKS:
            self._failed.popitem(last=False)

    def are_too_many(self, peer: str, limits: Limits, *, now: float) -> bool:
        """Say whether logins of this network are to be put off."""
        failures, until = self._failed.get(_network(peer), (0, 0.0))
        return until > now and failures >= limits.max_bad_logins_per_address


def _network(peer: str) -> str:
    try:
        IPv6Address(peer)
    except ValueError:
        return peer
    return str(ip_network(f"{peer}/{_IPV6_PREFIX}", strict=False))
