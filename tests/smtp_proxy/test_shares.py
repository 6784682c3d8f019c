"""Nobody closes the listener for others: memory by what has arrived, shares by account and network,
a least rate.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from app.core.model import BrandId
from smtp_proxy.session.limits import Connections, Limits, shared_network
from smtp_proxy.session.memory import SMALL, MemoryBudget, Reservation
from tests.smtp_proxy.test_server_security import secured, server_context
from tests.support.upstream import Recorder, Upstream, connected, listening

END = b".\r\n"


async def test_fifty_silent_connections_that_declared_the_largest_size_leave_room() -> None:
    """Catalogue N16."""
    limits = Limits(max_in_flight_bytes=8 * Limits().max_message_bytes)

    async with listening(Recorder(), limits=limits) as (_, port), AsyncExitStack() as stack:
        for _ in range(50):
            silent = await stack.enter_async_context(connected(port))
            await silent.begin(parameters=" SIZE=26214400")
        async with connected(port) as other:
            answer = await other.mail(b"x" * 298 + b"\r\n" + END)

    assert answer.startswith("250 2.0.0")


async def test_the_large_messages_of_one_account_leave_room_for_those_of_another() -> None:
    """Catalogue N16, N18: 21 large messages that never end, and then somebody else's."""
    limits = Limits(max_message_bytes=1_000_000, max_in_flight_bytes=20_000_000)

    async def check(user: str, _password: bytes) -> BrandId | None:
        return BrandId(user)

    terms = {
        "limits": limits,
        "trusted_networks": (),
        "tls": server_context(),
        "authenticator": check,
    }
    async with listening(Recorder(), **terms) as (server, port), AsyncExitStack() as stack:
        for _ in range(21):
            greedy = await stack.enter_async_context(signed_in(port, "greedy"))
            await greedy.begin()
            await greedy.send((b"x" * 98 + b"\r\n") * 9_900)
        async with signed_in(port, "other") as other:
            answer = await other.mail((b"x" * 98 + b"\r\n") * 9_900 + END)
        held = server.memory.used

    assert answer.startswith("250 2.0.0")
    assert limits.max_in_flight_bytes // 2 >= held


@asynccontextmanager
async def signed_in(port: int, user: str) -> AsyncIterator[Upstream]:
    async with connected(port) as upstream:
        await secured(upstream)
        response = base64.b64encode(f"\0{user}\0secret".encode()).decode()
        assert (await upstream.say(f"AUTH PLAIN {response}")).startswith("235 ")
        yield upstream


async def test_what_a_listener_does_not_keep_of_a_message_is_read_and_dropped() -> None:
    """Catalogue N16: and the end mark is found wherever the octets were cut."""
    handler = Recorder()
    limits = Limits(max_kept_bytes=5_000, max_in_flight_bytes=30_000_000)
    content = (
        b"".join(b"%d" % number + b"y" * (number % 90) + b"\r\n" for number in range(3_000))
        + b".. a dot\r\n"
    )

    async with listening(handler, limits=limits) as (server, port), connected(port) as upstream:
        answers = [await upstream.mail(content + END, parameters=" SIZE=20000000")]
        await upstream.begin()
        for at in range(0, len(content), 61):
            await upstream.send(content[at : at + 61])
        await upstream.send(END)
        answers.append(await upstream.reply())
        small = await upstream.mail(b"x\r\n" + END)

        assert 70_000 >= server.memory.peak
    assert {"250"} == {answer[:3] for answer in [*answers, small]}
    unstuffed = content.replace(b"\r\n..", b"\r\n.")
    assert [True, True] == [
        unstuffed.startswith(kept) and 4_999 <= len(kept) <= 5_000 for kept in handler.contents[:2]
    ]
    assert b"x\r\n" == handler.contents[2]


async def test_content_below_the_least_rate_ends_though_each_block_comes_in_time() -> None:
    """Catalogue N16, S16."""
    limits = Limits(data_seconds=0.4, least_octets_per_second=1_000_000, session_seconds=600)

    async with listening(Recorder(), limits=limits) as (server, port), connected(port) as upstream:
        await upstream.begin()
        sending = asyncio.create_task(steadily(upstream))
        rest = await upstream.rest()
        sending.cancel()

        assert rest.startswith(b"421 4.4.2")
        assert 0 == server.memory.used


async def steadily(upstream: Upstream) -> None:
    """Send a block ten times in the time that each may take."""
    while True:
        upstream.writer.write(b"x" * 1022 + b"\r\n")
        await asyncio.sleep(0.04)


def test_one_holder_gets_half_two_a_third_each_and_as_much_stays_free() -> None:
    """Catalogue N16."""
    memory = MemoryBudget(12_000_000)
    one, two = (
        [Reservation(memory, partial(str, name)) for _ in range(100)] for name in ("one", "two")
    )

    for message in one:
        message.cover(100_000)
    alone = memory.used
    for _ in range(100):
        one.pop().release()
        one.insert(0, Reservation(memory, lambda: "one"))
        for mine, other in zip(one, two, strict=True):
            mine.cover(100_000)
            other.cover(100_000)

    assert 6_000_000 >= alone >= 5_900_000
    assert all(
        3_800_000 <= sum(message.held for message in messages) <= 4_100_000
        for messages in (one, two)
    )
    assert memory.free >= 3_800_000


def test_the_only_message_of_a_holder_and_every_small_one_is_held_to_no_share() -> None:
    """Catalogue N16: a message as large as the memory has its way, and a mail to leave fits beside
    whoever is greedy.
    """
    memory = MemoryBudget(1_000_000)
    only, further, small = (Reservation(memory, lambda: "one") for _ in range(3))

    assert only.cover(600_000)
    assert not further.cover(SMALL + 1)
    assert only.cover(900_000)
    assert small.cover(SMALL)
    only.release()
    assert further.cover(SMALL + 1)
    further.release()
    small.release()
    assert 0 == memory.used


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:22ff::1", "2001:db8:1:2200::/56"),
        ("2001:db8:1:2200:ffff::9", "2001:db8:1:2200::/56"),
        ("", ""),
        ("local", "local"),
    ],
)
def test_a_network_is_what_one_subscriber_has(ip: str, network: str) -> None:
    """Catalogue N16."""
    assert network == shared_network(ip)


def test_the_addresses_of_one_ipv6_subscriber_count_as_one() -> None:
    """Catalogue N16, S16."""
    connections = Connections(Limits(max_connections_per_address=2))

    for number in range(2):
        connections.enter(f"2001:db8:1::{number}")
    refusals = [
        connections.refusal_for("2001:db8:1:ff::9"),
        connections.refusal_for("2001:db8:2::1"),
    ]
    connections.leave("2001:db8:1::0")

    assert refusals[0] is not None
    assert refusals[1] is None
    assert connections.refusal_for("2001:db8:1::9") is None
