"""Failed logins by network, in all connections of a process: who guesses from many connections is
put off (catalogue C8, S16, N18).

While a network is put off its logins are not even checked, right ones neither: the answer then
tells nothing, and costs nothing. A login counts when it is admitted, before its costly check: a
hundred at once are no more guesses than one after another. The same login from many connections is
one guess.
"""

from collections import Counter, OrderedDict

from app.core.networks import network_of
from smtp_proxy.session.limits import Limits

_MAX_NETWORKS = 10_000  # the oldest is forgotten first


class BadLogins:
    """Counts from the first failure of a network until `Limits.bad_login_seconds` later, then
    again. `now` only goes forward, in seconds.
    """

    __slots__ = ("_failed", "_pending")

    def __init__(self) -> None:
        # network → failures, and when they are forgotten
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        # network → the logins that are being checked, each with its connections
        self._pending: dict[str, Counter[bytes]] = {}

    def admit(self, peer: str, login: bytes, limits: Limits, *, now: float) -> bool:
        """Count a login (user and password) in, and say whether it may be checked; whoever was
        admitted is settled later.
        """
        network = _network(peer)
        pending = self._pending.get(network, Counter())
        if (
            login not in pending
            and self._failures(network, now=now) + len(pending) >= limits.max_bad_logins_per_address
        ):
            return False
        pending[login] += 1
        self._pending[network] = pending
        return True

    def settle(self, peer: str, login: bytes, limits: Limits, *, failed: bool, now: float) -> None:
        """Count an admitted login out; one whose client did not wait for the answer has failed."""
        network = _network(peer)
        pending = self._pending[network]
        pending[login] -= 1
        if not pending[login]:
            del pending[login]
        if not pending:
            del self._pending[network]
        if failed:
            self.count(peer, limits, now=now)

    def count(self, peer: str, limits: Limits, *, now: float) -> None:
        """Note one failure."""
        network = _network(peer)
        failures, until = self._failed.pop(network, (0, 0.0))
        if until <= now:
            failures, until = 0, now + limits.bad_login_seconds
        self._failed[network] = (failures + 1, until)
        if len(self._failed) > _MAX_NETWORKS:
            self._failed.popitem(last=False)

    def are_too_many(self, peer: str, limits: Limits, *, now: float) -> bool:
        """Say whether logins of this network are to be put off."""
        return self._failures(_network(peer), now=now) >= limits.max_bad_logins_per_address

    def _failures(self, network: str, *, now: float) -> int:
        failures, until = self._failed.get(network, (0, 0.0))
        return failures if until > now else 0


def _network(peer: str) -> str:
    return (network_of(peer) or peer) if ":" in peer else peer
