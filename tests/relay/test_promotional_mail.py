"""A promotional mail through the whole relay."""

import asyncio
import re
from dataclasses import replace

import dkim
import pytest

from app.core.groups import group_key
from app.core.model import GroupId, Management, OnSuppressed
from smtp_proxy.relay.policy import Policy
from smtp_proxy.session.submission import Offers
from tests.support.corpus import NAMED
from tests.support.dkim_keys import dns
from tests.support.relay import ACME, PROMOTIONAL, relaying, url_of, without_trace
from tests.support.sink import Drop, Say

STAMP = re.compile(
    rb"List-Unsubscribe: <https://[^\s<>,;\"]+>\r\nList-Unsubscribe-Post:"
    rb" List-Unsubscribe=One-Click\r\n"
)


async def test_the_copy_is_the_mail_below_our_own_fields() -> None:
    """Catalogue E12, H1, H2, H3, H9, H20, X9: only control fields go, only Received, signature and
    stamp come.
    """
    async with relaying() as relay:
        reply = await relay.relayed(PROMOTIONAL)

    (received,) = relay.sink.received
    signature, stamp, rest = re.split(
        rb"(List-Unsubscribe: .*\r\nList-Unsubscribe-Post: .*\r\n)", without_trace(received.content)
    )
    assert reply.startswith("250 2.0.0 ")
    assert signature.startswith(b"DKIM-Signature: ")
    assert STAMP.fullmatch(stamp)
    assert rest == PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")


async def test_dkimpy_verifies_what_reached_the_downstream() -> None:
    """Catalogue D1, D5, C1."""
    async with relaying() as relay:
        await relay.relayed(PROMOTIONAL)

    copy = relay.sink.received[0].content
    covered = re.search(rb"h=([^;]+)", copy)
    assert covered is not None
    names = [name.strip() for name in covered[1].split(b":")]
    assert dkim.verify(copy, dnsfunc=dns)
    assert names.count(b"list-unsubscribe") == names.count(b"list-unsubscribe-post") == 2
    assert b"received" not in names


@pytest.mark.parametrize("name", sorted(NAMED))
async def test_every_sample_verifies_at_the_downstream_or_is_refused_with_a_reason(
    name: str,
) -> None:
    """Catalogue D5, D9, H9."""
    mail = b"X-Signoff-Class: promotional\r\n" + re.sub(
        rb"(?im)^X-Signoff-[^\r]*(?:\r\n[ \t][^\r]*)*\r\n", b"", NAMED[name]
    )
    async with relaying() as relay:
        async with asyncio.timeout(20):
            reply = await relay.relayed(mail)

    if reply.startswith("250 "):
        assert dkim.verify(relay.sink.received[0].content, dnsfunc=dns)
    else:
        assert re.match(r"5\d\d 5\.\d+\.\d+ ", reply)
        assert relay.sink.received == []


async def test_each_recipient_has_a_copy_and_a_token_of_their_own() -> None:
    """Catalogue H11: To, Cc and Bcc alike; the token belongs to the envelope recipient."""
    recipients = ("a@example.net", "b@example.net", "c@example.net")
    async with relaying() as relay:
        reply = await relay.relayed(PROMOTIONAL, *recipients)

    copies = {copy.recipients: copy.content for copy in relay.sink.received}
    addresses = {relay.claims(content).address for content in copies.values()}
    assert reply.startswith("250 ")
    assert sorted(len(to) for to in copies) == [1, 1, 1]
    assert addresses == set(recipients)
    assert all(relay.claims(content).address.encode() in to[0] for to, content in copies.items())
    assert all(dkim.verify(content, dnsfunc=dns) for content in copies.values())


async def test_no_copy_tells_of_the_blind_recipients() -> None:
    """Catalogue H11: no Bcc field leaves."""
    async with relaying() as relay:
        await relay.relayed(
            b"bCC: c@example.net,\r\n d@example.net\r\n" + PROMOTIONAL,
            "ann@example.net",
            "c@example.net",
        )

    heads = {
        copy.recipients: copy.content.partition(b"\tfor <")[2].partition(b">")[2].lower()
        for copy in relay.sink.received
    }
    assert len(heads) == 2
    assert not any(
        word in head
        for head in heads.values()
        for word in (b"bcc:", b"c@example.net", b"d@example.net")
    )
    assert all(dkim.verify(copy.content, dnsfunc=dns) for copy in relay.sink.received)


async def test_sixty_recipients_get_sixty_tokens() -> None:
    """Catalogue H11."""
    recipients = tuple(f"user{n}@example.net" for n in range(60))
    async with relaying() as relay:
        await relay.relayed(PROMOTIONAL, *recipients)

    assert len({url_of(copy.content) for copy in relay.sink.received}) == 60


async def test_who_has_left_gets_no_copy_and_the_upstream_hears_250() -> None:
    """Catalogue Q1, X17: the next mail is not sent."""
    async with relaying() as relay:
        await relay.leave("ANN@example.net")
        reply = await relay.relayed(PROMOTIONAL, "ann@example.net", "bob@example.net")

    assert reply.startswith("250 2.0.0 ")
    assert [copy.recipients for copy in relay.sink.received] == [(b"RCPT TO:<bob@example.net>",)]


async def test_a_brand_can_ask_that_who_has_left_is_refused() -> None:
    async with relaying(replace(ACME, on_suppressed=OnSuppressed.REJECT)) as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(PROMOTIONAL)

    assert reply.startswith("550 5.7.1 ")
    assert relay.sink.received == []


async def test_leaving_one_group_leaves_the_other_alone() -> None:
    """Catalogue Q5."""
    news = PROMOTIONAL.replace(
        b"X-Signoff-Campaign", b"X-Signoff-Groups: news\r\nX-Signoff-Campaign"
    )
    offers = news.replace(b"Groups: news", b"Groups: offers")
    async with relaying() as relay:
        await relay.leave("ann@example.net", group_key(GroupId("news")))
        await relay.relayed(news)
        await relay.relayed(offers)

    (copy,) = relay.sink.received
    assert relay.claims(copy.content).groups == (group_key(GroupId("offers")),)


async def test_a_password_reset_passes_unchanged_also_to_who_has_left() -> None:
    """Catalogue H10, Q5."""
    reset = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(reset)

    (copy,) = relay.sink.received
    assert reply.startswith("250 ")
    assert without_trace(copy.content) == reset


async def test_a_test_send_carries_a_token_that_is_marked_so() -> None:
    """Catalogue H12."""
    async with relaying() as relay:
        await relay.relayed(
            PROMOTIONAL.replace(b"X-Signoff-Campaign", b"X-Signoff-Test: yes\r\nX-Signoff-Campaign")
        )

    assert relay.claims(relay.sink.received[0].content).test


async def test_without_a_key_nothing_promotional_leaves() -> None:
    """Catalogue H3: List-Unsubscribe-Post never stands unsigned."""
    async with relaying(keys=()) as relay:
        reply = await relay.relayed(PROMOTIONAL)

    assert reply.startswith("451 4.3.5 ")
    assert relay.sink.received == []


async def test_without_a_key_the_bare_policy_stamps_no_one_click() -> None:
    """Catalogue H3."""
    async with relaying(
        keys=(), policy=Policy(hostname="relay.example", pass_unsigned=True)
    ) as relay:
        reply = await relay.relayed(PROMOTIONAL)

    copy = relay.sink.received[0].content
    assert reply.startswith("250 ")
    assert b"\nList-Unsubscribe: <https://" in copy
    assert b"List-Unsubscribe-Post" not in copy
    assert b"DKIM-Signature" not in copy


async def test_a_brand_that_manages_nothing_is_signed_and_not_stamped() -> None:
    async with relaying(replace(ACME, management=Management.NONE)) as relay:
        await relay.relayed(PROMOTIONAL)

    copy = relay.sink.received[0].content
    assert b"List-Unsubscribe:" not in copy
    assert dkim.verify(copy, dnsfunc=dns)


async def test_a_brand_that_manages_nothing_keeps_the_links_that_came() -> None:
    """Catalogue H3, H13: there is nothing of ours to replace them with, so they are signed as they
    are.
    """
    theirs = (
        b"List-Unsubscribe: <https://acme.example/u?id=1>\r\nList-Unsubscribe-Post:"
        b" List-Unsubscribe=One-Click\r\n"
    )
    async with relaying(replace(ACME, management=Management.NONE)) as relay:
        await relay.relayed(theirs + PROMOTIONAL)

    copy = relay.sink.received[0].content
    covered = re.search(rb"h=([^;]+)", copy)
    assert covered is not None
    assert copy.count(theirs) == copy.count(b"List-Unsubscribe:") == 1
    assert b"list-unsubscribe-post" in covered[1]
    assert dkim.verify(copy, dnsfunc=dns)


async def test_an_international_recipient_is_relayed_and_known() -> None:
    """Catalogue T9, C3."""
    async with relaying(offers=lambda: Offers(smtputf8=True)) as relay:
        reply = await relay.relayed(
            PROMOTIONAL, "用户@例え.jp", parameters=" SMTPUTF8 BODY=8BITMIME"
        )

    assert reply.startswith("250 ")
    assert relay.claims(relay.sink.received[0].content).address == "用户@例え.jp"


async def test_the_downstreams_own_words_come_back() -> None:
    """Catalogue X2, X6, X7."""
    async with relaying() as relay:
        relay.sink.on("DOT", Say(b"554 5.7.1 no thanks, said the content filter\r\n"))
        relay.sink.on("RCPT", Say(b"550 5.1.1 no such user\r\n"))

        refused = await relay.relayed(PROMOTIONAL)
        filtered = await relay.relayed(PROMOTIONAL)

    assert refused == "550 5.1.1 no such user"
    assert filtered == "554 5.7.1 no thanks, said the content filter"


async def test_a_downstream_that_goes_away_is_451_and_the_next_mail_passes() -> None:
    """Catalogue X5, C5."""
    async with relaying() as relay:
        relay.sink.on("DOT", Drop())

        lost = await relay.relayed(PROMOTIONAL)
        kept = await relay.relayed(PROMOTIONAL)

    assert lost.startswith("451 4.4.2 ")
    assert kept.startswith("250 ")
