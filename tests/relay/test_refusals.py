"""What the relay refuses, with which reply, and that nothing of it reaches the downstream."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, OnStoreDown, Preferences, RecipientDigest
from smtp_proxy.relay.policy import Policy
from tests.support.memory_store import MemoryStore
from tests.support.relay import ACME, PROMOTIONAL, relaying, without_trace

PLAIN = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")


class DeadStore(MemoryStore):
    """A store that is away."""

    async def preferences(
        self, brand: BrandNumber, digests: Sequence[RecipientDigest]
    ) -> Sequence[Preferences]:
        raise StoreUnavailable("away")


ATTRIBUTES_REFUSED = (
    "550 5.7.1 A field that marks the message is refused: X-Signoff-User-Attributes "
)


@pytest.mark.parametrize(
    ("mail", "reply"),
    [
        (b" leading white space\r\n" + PROMOTIONAL, "554 5.6.0 "),
        (PROMOTIONAL.replace(b"Subject:", b"Subject :"), "554 5.6.0 "),
        (PROMOTIONAL.replace(b"Subject: Spring", b"no colon here"), "554 5.6.0 "),
        (PROMOTIONAL.replace(b"From: Acme <news@acme.example>\r\n", b""), "554 5.6.0 "),
        (b"From: second@acme.example\r\n" + PROMOTIONAL, "554 5.6.0 "),
        (PROMOTIONAL.replace(b"spring-24", b"a\x01b"), "550 5.7.1 "),
        (
            PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24", b"X-Signoff-Class: urgent"),
            "550 5.7.1 ",
        ),
        (
            b"X-Signoff-User-Attributes: [1]\r\n" + PROMOTIONAL,
            ATTRIBUTES_REFUSED,
        ),
        (
            b"X-Signoff-User-Attributes: {oops\r\n" + PROMOTIONAL,
            ATTRIBUTES_REFUSED,
        ),
        (
            b'X-Signoff-User-Attributes: {"a": "' + b"x" * 9000 + b'"}\r\n' + PROMOTIONAL,
            ATTRIBUTES_REFUSED,
        ),
        (
            b"X-Signoff-Groups: "
            + b", ".join(b"g%d" % n for n in range(50))
            + b"\r\n"
            + PROMOTIONAL,
            "550 5.7.1 ",
        ),
        (b"Subject: Another\r\n" + PROMOTIONAL, "554 5.6.0 "),
        (b"date: now\r\n" + PROMOTIONAL, "554 5.6.0 "),
        (b"X-Long: " + b"x" * 110_000 + b"\r\n" + PROMOTIONAL, "552 5.3.4 "),
    ],
)
async def test_a_mail_that_cannot_be_signed_without_guessing_is_refused(
    mail: bytes, reply: str
) -> None:
    """Catalogue D9, H15, H16, L2: no traceback, no 421, and the session goes on."""
    async with relaying() as relay:
        answer = await relay.relayed(mail)
        after = await relay.relayed(PROMOTIONAL)

    assert answer.startswith(reply)
    assert after.startswith("250 ")
    assert len(relay.sink.received) == 1


@pytest.mark.parametrize(
    "sender",
    [
        b"news@other.example",
        b"news@acme.example, x@shop.example",
        b"news@acme.example.other.example",
    ],
)
async def test_a_from_of_no_brand_or_of_two_is_refused(sender: bytes) -> None:
    """Catalogue S4, D6."""
    async with relaying() as relay:
        answer = await relay.relayed(PLAIN.replace(b"Acme <news@acme.example>", sender))

    assert answer.startswith("550 5.7.1 ")
    assert relay.sink.received == []


async def test_a_foreign_from_passes_untouched_when_the_operator_says_so() -> None:
    """Catalogue D6: as set."""
    mail = PROMOTIONAL.replace(b"news@acme.example", b"news@other.example")
    async with relaying(policy=Policy(hostname="relay.example", pass_foreign_from=True)) as relay:
        answer = await relay.relayed(mail)

    assert answer.startswith("250 ")
    assert b"List-Unsubscribe" not in relay.sink.received[0].content
    assert without_trace(relay.sink.received[0].content) == mail.replace(
        b"X-Signoff-Campaign: spring-24\r\n", b""
    )


async def test_a_loop_ends_with_554() -> None:
    """Catalogue X8."""
    ours = (
        b"Received: from a ([192.0.2.1])\r\n\tby relay.example with ESMTP id 1;\r\n\tTue, 03 Mar"
        b" 2026 09:00:00 +0000\r\n"
    )
    theirs = ours.replace(b"relay.example", b"mx.example")
    async with relaying(policy=Policy(hostname="relay.example", max_received=50)) as relay:
        passed = await relay.relayed(ours * 3 + theirs * 40 + PLAIN)
        ours_too_often = await relay.relayed(ours * 4 + PLAIN)
        too_many = await relay.relayed(theirs * 51 + PLAIN)

    assert passed.startswith("250 ")
    assert ours_too_often.startswith("554 5.4.6 ")
    assert too_many.startswith("554 5.4.6 ")


async def test_promotional_mail_waits_while_the_states_cannot_be_read() -> None:
    """Catalogue Q11: 451, and transactional mail passes."""
    async with relaying(store=DeadStore()) as relay:
        waits = await relay.relayed(PROMOTIONAL)
        passes = await relay.relayed(PLAIN)

    assert waits.startswith("451 4.3.0 ")
    assert passes.startswith("250 ")


async def test_a_brand_may_prefer_to_send_while_the_states_cannot_be_read() -> None:
    """Catalogue Q11."""
    async with relaying(
        replace(ACME, on_store_down=OnStoreDown.ACCEPT), store=DeadStore()
    ) as relay:
        answer = await relay.relayed(PROMOTIONAL)

    assert answer.startswith("250 ")
