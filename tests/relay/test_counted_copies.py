"""Copies of campaigns are counted once the downstream has taken them, so that the operator sees
which share of them made somebody leave.
"""

from prometheus_client import REGISTRY

from app.core.model import CampaignId
from app.core.tally import copy_tick
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, relaying
from tests.support.sink import Say

NAMED = b"X-Signoff-Campaign: spring-24\r\n"


async def counted(mail: bytes, *recipients: str) -> int:
    async with relaying(ACME) as relay:
        reply = await relay.relayed(mail, *recipients)
        await relay.counting.write()
        tick = copy_tick(ACME.number, CampaignId("spring-24"), now_ms=NOW_MS)
        found = await relay.tallies.read(ACME.number, (tick.day,))

    assert reply.startswith("250")
    assert found.keys() <= {tick}
    return found.get(tick, 0)


async def test_each_copy_that_the_downstream_took_counts_for_its_campaign() -> None:
    assert 3 == await counted(PROMOTIONAL, "ann@example.net", "bob@example.net", "cid@example.net")


async def test_a_test_send_and_a_mail_without_a_campaign_count_for_nothing() -> None:
    assert 0 == await counted(b"X-Signoff-Test: yes\r\n" + PROMOTIONAL)
    assert 0 == await counted(PROMOTIONAL.replace(NAMED, b"X-Signoff-Class: promotional\r\n"))


async def test_transactional_mail_counts_for_nothing_whatever_it_says_of_a_campaign() -> None:
    assert 0 == await counted(b"X-Signoff-Class: transactional\r\n" + PROMOTIONAL)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_messages_copies_and_signatures_are_counted_each_by_its_own_name() -> None:
    """One message to three, of which one is refused: one message, three copies, three
    signatures.
    """
    names = [
        ("signoff_messages_total", {"class": "promotional", "outcome": "delivered"}, 1),
        ("signoff_copies_total", {"class": "promotional", "outcome": "delivered"}, 2),
        ("signoff_copies_total", {"class": "promotional", "outcome": "refused"}, 1),
        ("signoff_messages_total", {"class": "promotional", "outcome": "refused"}, 0),
        ("signoff_dkim_total", {"result": "signed"}, 3),
    ]
    before = [value(name, **labels) for name, labels, _ in names]

    async with relaying(ACME) as relay:
        relay.sink.on("RCPT", Say(b"550 5.1.1 no such user\r\n"), recipient="bob@example.net")
        reply = await relay.relayed(
            PROMOTIONAL, "ann@example.net", "bob@example.net", "cid@example.net"
        )

    assert reply.startswith("250")
    assert [more for _, _, more in names] == [
        value(name, **labels) - old for (name, labels, _), old in zip(names, before, strict=True)
    ]
