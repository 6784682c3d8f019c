"""Our signatures against dkimpy, which writes the same field and verifies it."""

import re

import dkim
import pytest
import time_machine

from app.core.mail.canonical import BodyMode
from app.core.mail.dkim import OVERSIGNED, SIGNED
from app.core.mail.message import parse
from app.core.mail.stamp import STAMPED
from app.core.model import ExistingHeader
from smtp_proxy.relay.sign import Signer
from tests.support.corpus import MAILS, NAMED
from tests.support.dkim_keys import (
    LINKS,
    NOW,
    RSA_PEM,
    SELECTOR,
    base_of,
    dkim_key,
    prepared,
    signed,
    signed_copy,
    tags_of,
    verifies,
)

EVERY_MAIL = pytest.mark.parametrize("name", MAILS)
BOTH_MODES = pytest.mark.parametrize("mode", BodyMode)
NEVER_SIGNED = {
    b"return-path",
    b"received",
    b"bcc",
    b"authentication-results",
    b"arc-seal",
    b"arc-message-signature",
    b"arc-authentication-results",
    b"dkim-signature",
}


def _signed_names(copy: bytes) -> list[bytes]:
    return re.split(rb"\s*:\s*", tags_of(parse(copy).fields[0].raw)[b"h"])


@BOTH_MODES
@EVERY_MAIL
def test_the_field_is_the_one_that_dkimpy_writes(name: str, mode: BodyMode) -> None:
    """Catalogue D5, D11, D14, D16."""
    copy = signed_copy(MAILS[name], dkim_key(mode=mode))
    signature = parse(copy).fields[0].raw

    with time_machine.travel(NOW, tick=False):
        expected = dkim.sign(
            copy.removeprefix(signature),
            selector=SELECTOR.encode(),
            domain=tags_of(signature)[b"d"],
            privkey=RSA_PEM,
            canonicalize=(b"relaxed", mode.encode()),
            include_headers=_signed_names(copy),
        )

    assert expected == signature


@BOTH_MODES
@EVERY_MAIL
def test_dkimpy_verifies_every_copy(name: str, mode: BodyMode) -> None:
    """Catalogue D3, D5, D11, X10."""
    assert verifies(signed_copy(MAILS[name], dkim_key(mode=mode)))


@EVERY_MAIL
def test_every_guarded_field_is_listed_once_more_than_present(name: str) -> None:
    """Catalogue D1, D2, H18."""
    copy = signed_copy(MAILS[name])
    names = [field.name for field in parse(copy).fields]
    expected = {name: names.count(name) + 1 for name in (*OVERSIGNED, *STAMPED)} | {
        name: names.count(name) for name in SIGNED
    }

    signed = _signed_names(copy)

    assert {name: count for name, count in expected.items() if count} == {
        name: signed.count(name) for name in signed
    }


def test_the_guarded_fields_are_those_of_the_design() -> None:
    """Catalogue D1, D2."""
    expected = (
        b"from to cc subject date message-id reply-to sender references mime-version content-type"
        b" content-transfer-encoding "
    )
    of_lists = b"list-id list-help list-subscribe list-post list-owner list-archive feedback-id"

    assert (expected + of_lists).split() == list(OVERSIGNED)
    assert {b"list-unsubscribe", b"list-unsubscribe-post"} == STAMPED


@EVERY_MAIL
def test_fields_of_the_transport_and_of_other_signers_are_not_signed(name: str) -> None:
    """Catalogue D10, D12, X9."""
    assert NEVER_SIGNED.isdisjoint(_signed_names(signed_copy(MAILS[name])))


@pytest.mark.parametrize("name", ["newsletter", "complaint_fields", "list_mail"])
@pytest.mark.parametrize("field", [*OVERSIGNED, *sorted(STAMPED)], ids=bytes.decode)
def test_a_field_put_on_top_later_breaks_the_signature(name: str, field: bytes) -> None:
    """Catalogue D2."""
    assert not verifies(field + b": <https://attacker.example/>\r\n" + signed_copy(NAMED[name]))


def test_a_field_that_nobody_signs_may_be_put_on_top() -> None:
    """Catalogue X9."""
    assert verifies(b"Received: from a by b; now\r\n" + signed_copy(NAMED["newsletter"]))


@pytest.mark.parametrize(
    "change",
    [
        (b"qmoe=", b"qmoE="),
        (b"One-Click", b"one-click"),
        (b"spring is", b"Spring is"),
        (b"t=17", b"t=18"),
    ],
)
def test_a_changed_byte_breaks_the_signature(change: tuple[bytes, bytes]) -> None:
    """Catalogue D1."""
    copy = signed_copy(NAMED["newsletter"])

    assert not verifies(copy.replace(*change, 1))


def test_complaint_fields_are_signed_when_present() -> None:
    """Catalogue H18."""
    names = _signed_names(signed_copy(NAMED["complaint_fields"]))

    assert {b"x-csa-complaints", b"cfbl-address", b"cfbl-feedback-id"} <= set(names)


def test_control_fields_are_not_signed() -> None:
    """Catalogue H20."""
    assert b"x-signoff" not in signed_copy(NAMED["control_fields"]).lower()


def test_a_signature_that_came_with_the_mail_stays_below_ours() -> None:
    """Catalogue D10."""
    theirs = parse(NAMED["their_signature"]).fields[0].raw

    signatures = [
        field.raw
        for field in parse(signed_copy(NAMED["their_signature"])).fields
        if field.name == b"dkim-signature"
    ]

    assert [b"d=acme.example", theirs] == [
        signatures[0][signatures[0].index(b"d=") :].partition(b";")[0],
        *signatures[1:],
    ]


def test_an_arc_set_stays_as_it_came() -> None:
    """Catalogue D18."""
    arc = b"".join(
        field.raw for field in parse(NAMED["arc_set"]).fields if field.name.startswith(b"arc-")
    )

    assert arc in signed_copy(NAMED["arc_set"])


def test_links_that_are_kept_are_signed_in_place_of_ours() -> None:
    """Catalogue D1, H13."""
    copy = signed_copy(NAMED["their_two"], existing=ExistingHeader.KEEP)

    assert verifies(copy)
    assert (2, 2) == (
        _signed_names(copy).count(b"list-unsubscribe"),
        _signed_names(copy).count(b"list-unsubscribe-post"),
    )


@EVERY_MAIL
def test_the_field_has_no_length_tag_and_short_lines(name: str) -> None:
    """Catalogue D4, D14, D16."""
    field = parse(signed_copy(MAILS[name])).fields[0].raw

    tags = tags_of(field)
    assert [b"v", b"a", b"c", b"d", b"i", b"q", b"s", b"t", b"h", b"bh", b"b"] == list(tags)
    assert str(NOW).encode() == tags[b"t"]
    assert tags[b"h"].islower()
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_a_long_domain_stays_in_one_piece() -> None:
    """Catalogue D16."""
    domain = ".".join(["a" * 60] * 3 + ["example"])

    copy = signed_copy(f"From: news@{domain}\r\n\r\n".encode(), dkim_key(domain))

    assert f"d={domain};".encode() in copy
    assert verifies(copy)


def test_the_body_is_not_read_again_for_a_copy() -> None:
    """Catalogue D17."""
    mail = bytearray(NAMED["newsletter"])
    base = base_of(mail)
    signature = prepared(base)
    stamped = base.stamp(LINKS)
    first = signed(signature, stamped)

    base.body[:] = b"-" * len(base.body)

    assert first == signed(signature, stamped)


def test_copies_differ_in_the_signature_alone_and_all_verify() -> None:
    """Catalogue D17."""
    base = base_of(NAMED["newsletter"])
    signature = prepared(base)
    stamps = [
        (f"List-Unsubscribe: <https://u.example.com/{n}>\r\n".encode(), base.stamp(LINKS)[1])
        for n in range(20)
    ]

    signatures = [signed(signature, stamped) for stamped in stamps]

    assert 1 == len({signature.rpartition(b" b=")[0] for signature in signatures})
    assert 20 == len(set(signatures))
    assert all(
        verifies(base.head(signature, *stamped) + base.body)
        for signature, stamped in zip(signatures, stamps, strict=True)
    )


@pytest.mark.parametrize(
    "stamped", [(b"Subject: a\r\n",), (b"List-Unsubscribe: <a>\r\n", b"list-unsubscribe: <b>\r\n")]
)
def test_only_the_two_stamped_fields_may_be_a_copys_own(stamped: tuple[bytes, ...]) -> None:
    base = base_of(NAMED["newsletter"])
    signature = prepared(base)

    with pytest.raises(ValueError, match="may differ"):
        signed(signature, stamped)


async def test_a_body_of_its_own_is_hashed_for_its_copy() -> None:
    """Catalogue D17: the fields that copies share are still hashed once."""
    base = base_of(NAMED["newsletter"])
    signature = Signer([dkim_key()]).prepare(base, NOW)
    stamped = base.stamp(LINKS)
    copies = []
    for body in (b"one\r\n", b"two\r\n\r\n"):
        copies.append(
            base.head(signed(signature, stamped, await signature.hash_body(body)), *stamped) + body
        )

    assert all(map(verifies, copies))
    assert not verifies(copies[0].replace(b"one", b"two"))
    with pytest.raises(ValueError, match="bodies of their own"):
        signed(signature, stamped)
