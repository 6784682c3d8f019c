"""What leaves the relay passes the compliance check without a finding: the check is used on
ourselves.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.core.mail import lint
from app.core.mail.lint import copies
from app.outbound.signatures import verify
from tests.support.dkim_keys import RSA_KEY, dns_record
from tests.support.relay import PROMOTIONAL, relaying

WAY_OUT = b"\r\nUnsubscribe: *|UNSUBSCRIBE|*\r\n"
SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "check"
# What the check finds wrong with these, the relay mends; what it leaves is the sender's: a
# template's other text, a body without a link.
MENDED = (
    "good",
    "nothing",
    "mailto_only",
    "post_value",
    "encoded_word",
    "twice",
    "address_in_url",
    "sendgrid_style",
)


async def published(_: str) -> Sequence[str]:
    return [dns_record(RSA_KEY)]


async def findings(copy: bytes) -> list[str]:
    return [finding.code for finding in lint.judge(copy, await verify(copy, published))]


@pytest.mark.parametrize("inbox_domain", ["", "in.acme.example"])
async def test_every_recipients_copy_meets_the_rules(inbox_domain: str) -> None:
    """Catalogue H1-H8, H11, D1, D2, D6, T2."""
    people = [f"reader{number}@example.net" for number in range(3)]
    async with relaying(inbox_domain=inbox_domain) as relay:
        await relay.relayed(PROMOTIONAL + WAY_OUT, *people)

    contents = {
        received.recipients[0].decode(): received.content for received in relay.sink.received
    }
    assert sorted(contents) == [f"RCPT TO:<{person}>" for person in people]
    assert [await findings(content) for content in contents.values()] == [[], [], []]
    delivered = {
        name: b"Delivered-To: " + name[9:-1].encode() + b"\r\n" + content
        for name, content in contents.items()
    }
    assert list(copies.compare(delivered)) == []


@pytest.mark.parametrize("sample", MENDED)
async def test_a_mail_that_broke_the_rules_meets_them_behind_the_relay(sample: str) -> None:
    mail = (SAMPLES / f"{sample}.eml").read_bytes().replace(b"\n", b"\r\n")
    async with relaying() as relay:
        reply = await relay.relayed(b"X-Signoff-Class: promotional\r\n" + mail)

    assert reply.startswith("250 ")
    assert await findings(relay.sink.received[0].content) == []
