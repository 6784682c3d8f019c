"""Copies of campaigns are counted once the downstream has taken them, so that the operator sees which share of them made somebody leave."""

from app.core.model import CampaignId
from app.core.tally import copy_tick
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, relaying

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
