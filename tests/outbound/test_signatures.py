"""Signatures verified by dkimpy behind our reading of the field: what the relay signs, and what
does not verify.
"""

from collections.abc import Sequence

import pytest
import time_machine

from app.core.errors import Unavailable
from app.core.mail.canonical import BodyMode
from app.outbound.signatures import verify
from tests.support.dkim_keys import NOW, RSA_KEY, dkim_key, dns_record, signed_copy

MAIL = (
    b"From: Acme <news@acme.example>\r\nTo: ann@example.net\r\nSubject: Spring\r\nDate: Mon, 02 Mar"
    b" 2026 09:00:00 +0000\r\nMessage-ID: <s1@acme.example>\r\n\r\nHello Ann.\r\n"
)


async def published(_: str) -> Sequence[str]:
    return [dns_record(RSA_KEY)]


@pytest.mark.parametrize("mode", BodyMode)
async def test_what_the_relay_signs_verifies_covered_and_oversigned(mode: BodyMode) -> None:
    """Catalogue D1, D2, D5."""
    with time_machine.travel(NOW, tick=False):
        (report,) = await verify(signed_copy(MAIL, dkim_key(mode=mode)), published)

    assert (report.valid, report.reason, report.domain, report.selector) == (
        True,
        "",
        "acme.example",
        "s1",
    )
    assert (
        report.signed.count("list-unsubscribe") == report.signed.count("list-unsubscribe-post") == 2
    )
    assert (report.key_bits, report.has_length, report.expired) == (2048, False, False)


async def test_a_changed_body_is_told() -> None:
    (report,) = await verify(signed_copy(MAIL).replace(b"Hello Ann", b"Hello Bob"), published)

    assert report.valid is False
    assert report.reason


async def test_a_field_put_on_top_breaks_the_signature() -> None:
    """Catalogue D2."""
    (report,) = await verify(
        b"List-Unsubscribe: <https://evil.example/u>\r\n" + signed_copy(MAIL), published
    )

    assert report.valid is False


async def test_long_runs_of_spaces_do_not_take_for_ever() -> None:
    """Catalogue D8: dkimpy alone takes minutes for this body."""
    body = (b" " * 200_000 + b"x\r\n") * 5
    with time_machine.travel(NOW, tick=False):
        (report,) = await verify(
            signed_copy(MAIL + body, dkim_key(mode=BodyMode.RELAXED)), published
        )

    assert report.valid is True


async def test_a_key_that_nobody_answers_for_is_neither_good_nor_bad() -> None:
    async def nobody(_: str) -> Sequence[str]:
        raise Unavailable("timeout")

    (report,) = await verify(signed_copy(MAIL), nobody)

    assert report.valid is None


@pytest.mark.parametrize(
    ("records", "words"),
    [([], "no record"), (["v=DKIM1; p="], "revoked"), (["nonsense"], "no p= tag")],
)
async def test_a_record_that_is_missing_or_useless_fails_the_signature(
    records: list[str], words: str
) -> None:
    async def answer(_: str) -> Sequence[str]:
        return records

    (report,) = await verify(signed_copy(MAIL), answer)

    assert report.valid is False
    assert words in report.reason


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"v=1",
        b"v=1; a=rsa-sha256; d=a.example; s=s1; h=from; b=; bh=",
        b";;;=",
        b"v=1; h=:::; b=AAAA",
    ],
)
async def test_an_odd_signature_field_is_reported_and_never_raises(value: bytes) -> None:
    """Catalogue D9."""
    (report,) = await verify(b"DKIM-Signature: " + value + b"\r\n" + MAIL, published)

    assert report.valid is False


async def test_only_so_many_signatures_are_looked_at() -> None:
    assert len(await verify(b"DKIM-Signature: v=1\r\n" * 100 + MAIL, published)) == 10


async def test_a_mail_without_a_signature_has_no_report() -> None:
    assert await verify(MAIL, published) == ()
