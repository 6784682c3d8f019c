"""Which addresses a webhook may reach."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.address_policy import is_disguised, may_reach
from app.core.webhook import Reach

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378::1",
    "2001:db8::1",
    "3fff::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "100::1",
    "not-an-address",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_plainly_public_is_out_of_reach(address: str) -> None:
    """Catalogue L1."""
    assert not may_reach(address, Reach.PUBLIC)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
def test_a_public_address_is_within_reach(address: str) -> None:
    assert may_reach(address, Reach.PUBLIC)


@pytest.mark.parametrize(
    ("address", "reached"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("::ffff:127.0.0.1", False)],
)
def test_in_development_loopback_is_within_reach_and_the_network_behind_it_is_not(
    address: str, reached: bool
) -> None:
    assert reached == may_reach(address, Reach.LOOPBACK)


@pytest.mark.parametrize(
    ("address", "reached"),
    [("10.0.0.1", True), ("fd00::1", True), ("224.0.0.1", False), ("0.0.0.0", False)],
)
def test_a_private_endpoint_is_reached_only_where_the_settings_say_so(
    address: str, reached: bool
) -> None:
    assert reached == may_reach(address, Reach.PRIVATE)


@given(st.ip_addresses(v=4))
def test_no_notation_of_a_private_ipv4_address_inside_an_ipv6_address_is_within_reach(
    address: ipaddress.IPv4Address,
) -> None:
    """Catalogue L1: mapped, compatible, NAT64 and 6to4 forms."""
    number = int(address)
    forms = [0xFFFF << 32 | number, number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80]

    assert not any(may_reach(str(ipaddress.IPv6Address(form)), Reach.PUBLIC) for form in forms)


@pytest.mark.parametrize(
    "host",
    [
        "0x7f000001",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "1.2.3.4.5",
        "0x",
        "127.0.0.1.",
    ],
)
def test_an_address_in_an_odd_notation_is_recognised(host: str) -> None:
    """Catalogue L1."""
    assert is_disguised(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "8.8.8.8",
        "hooks.example.com",
        "1e100.net",
        "x0.example",
        "::1",
        "::ffff:127.0.0.1",
    ],
)
def test_a_plain_host_is_no_disguise(host: str) -> None:
    assert not is_disguised(host)
