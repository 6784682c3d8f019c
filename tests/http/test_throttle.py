"""Counting bad tokens by network."""

from ipaddress import ip_network

import pytest

from app.http.throttle import MAX_NETWORKS, Clients, Throttle


class Hand:
    """A clock that is moved by hand."""

    now = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


def test_the_limit_is_by_key_and_comes_back_with_time() -> None:
    """Catalogue E10."""
    hand = Hand()
    throttle = Throttle(limit=3, window_ms=60_000, clock=hand)

    first = [throttle.allows("a") for _ in range(5)]
    other = throttle.allows("b")
    hand.now += 120_000
    later = throttle.allows("a")

    assert [True, True, True, False, False] == first
    assert other
    assert later


def test_the_end_of_a_window_does_not_double_the_limit() -> None:
    hand = Hand()
    hand.now = 60_000 * 1_000 + 59_999
    throttle = Throttle(limit=10, window_ms=60_000, clock=hand)
    for _ in range(10):
        throttle.allows("a")

    hand.now += 1

    assert not throttle.allows("a")


def test_the_memory_is_bounded_and_those_beyond_share_one_count() -> None:
    throttle = Throttle(limit=2, window_ms=60_000, clock=Hand())
    for number in range(MAX_NETWORKS):
        throttle.allows(str(number))

    beyond = [throttle.allows(f"more {number}") for number in range(3)]

    assert [True, True, False] == beyond
    assert throttle.allows("7")


@pytest.mark.parametrize(
    ("client", "forwarded", "network"),
    [
        ("203.0.113.9", "", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "", "203.0.113.0/24"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.0/24"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.0/24"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.2", "198.51.100.0/24"),
        ("10.0.0.1", "nonsense", ""),
        ("", "", ""),
    ],
)
def test_a_client_is_its_network_as_far_as_trusted_proxies_say(
    client: str, forwarded: str, network: str
) -> None:
    """Catalogue E10, E18."""
    clients = Clients([ip_network("10.0.0.0/8")])
    fields = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []

    found = clients.network({"client": (client, 1) if client else None, "headers": fields})

    assert network == found
