"""Whom a promotional mail reaches: groups, overrides, tests, and a store that is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core.audit import AuditAction
from app.core.errors import StoreUnavailable
from app.core.groups import group_key
from app.core.model import BrandNumber, GroupId, OnStoreDown, OnSuppressed, SubscriptionGroup
from app.core.preferences import SuppressionReason
from app.observe.log import logger
from app.usecases.auditing import Auditing
from smtp_proxy.relay.send import CopyTimes
from tests.relay.test_refusals import DeadStore
from tests.support.memory_queries import MemoryAudit
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, Relay, relaying

NEWS, OFFERS = group_key(GroupId("news")), group_key(GroupId("offers"))


def mail(*fields: str) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode() + PROMOTIONAL


def reached(relay: Relay) -> list[str]:
    """Return who got a copy."""
    return sorted(
        copy.recipients[0].decode().removeprefix("RCPT TO:<").removesuffix(">").partition("@")[0]
        for copy in relay.sink.received
    )


def counted(metric: str, reason: SuppressionReason) -> float:
    return REGISTRY.get_sample_value(f"{metric}_total", {"reason": reason}) or 0.0


async def three(relay: Relay) -> tuple[str, str, str]:
    """Return three recipients: of all mail, of all but news, of nothing."""
    await relay.leave("no-news@example.net", NEWS)
    await relay.leave("nothing@example.net")
    return "all@example.net", "no-news@example.net", "nothing@example.net"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), ["all", "no-news"]),
        (("X-Signoff-Groups: news",), ["all"]),
        (("X-Signoff-Groups: offers",), ["all", "no-news"]),
        (("X-Signoff-Require-Groups: news",), ["all"]),
        (("X-Signoff-Require-Groups: offers, news",), ["all"]),
        (("X-Signoff-Require-Groups: offers",), ["all", "no-news"]),
        (("X-Signoff-Exclude-Groups: news",), ["no-news"]),
        (("X-Signoff-Exclude-Groups: offers",), []),
        (("X-Signoff-Groups: offers", "X-Signoff-Exclude-Groups: news"), ["no-news"]),
        (("X-Signoff-Override-Opt-Out: yes",), ["all", "no-news", "nothing"]),
        (("X-Signoff-Override-Opt-Out: no",), ["all", "no-news"]),
        (
            ("X-Signoff-Groups: news", "X-Signoff-Override-Opt-Out: yes"),
            ["all", "no-news", "nothing"],
        ),
        (("X-Signoff-Require-Groups: news", "X-Signoff-Override-Opt-Out: yes"), ["all"]),
        (("X-Signoff-Test: yes",), ["all", "no-news"]),
        (("X-Signoff-Test: yes", "X-Signoff-Override-Opt-Out: yes"), ["all", "no-news", "nothing"]),
        (("X-Signoff-Class: transactional",), ["all", "no-news", "nothing"]),
    ],
)
async def test_a_mail_reaches_whom_its_fields_mean(
    fields: tuple[str, ...], expected: list[str]
) -> None:
    """Catalogue H12, H20, Q1, Q5: and none of the fields leaves."""
    async with relaying() as relay:
        recipients = await three(relay)
        reply = await relay.relayed(mail(*fields), *recipients)

    assert reply.startswith("250 ")
    assert reached(relay) == expected
    assert not any(b"x-signoff" in copy.content.lower() for copy in relay.sink.received)


@pytest.mark.parametrize("named", ["news", "NEWS", "Product News", "product news"])
async def test_a_group_may_be_named_by_what_people_read(named: str) -> None:
    """Catalogue Q5: the token holds the group's id all the same."""
    async with relaying() as relay:
        await relay.add_group("news", "Product News")
        recipients = await three(relay)
        await relay.relayed(mail(f"X-Signoff-Groups: {named}"), *recipients)

    assert reached(relay) == ["all"]
    assert relay.claims(relay.sink.received[0].content).groups == (NEWS,)


class AwayBook:
    """Groups that cannot be read."""

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        raise StoreUnavailable("away")


class HungBook:
    """Groups that are never told."""

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        await asyncio.Event().wait()
        return ()


@pytest.mark.parametrize("book", [AwayBook(), HungBook()])
async def test_a_mail_for_groups_waits_while_nobody_can_say_which_groups_they_are(
    book: AwayBook | HungBook,
) -> None:
    """Catalogue Q5, Q11: taken for an id, the name of a group would reach those who have
    unsubscribed the group.
    """
    async with relaying(groups=book) as relay:
        await relay.leave("ann@example.net", NEWS)
        reply = await relay.relayed(mail("X-Signoff-Groups: Product News"))

    assert reply.startswith("451 4.3.0 ")
    assert relay.sink.received == []


@pytest.mark.parametrize("book", [AwayBook(), HungBook()])
async def test_names_are_taken_as_ids_where_the_brand_prefers_to_send(
    book: AwayBook | HungBook,
) -> None:
    """Catalogue Q11."""
    async with relaying(replace(ACME, on_store_down=OnStoreDown.ACCEPT), groups=book) as relay:
        reply = await relay.relayed(mail("X-Signoff-Groups: offers"))

    assert reply.startswith("250 ")
    assert relay.claims(relay.sink.received[0].content).groups == (OFFERS,)


@pytest.mark.parametrize(
    ("field", "groups"),
    [
        ("X-SES-LIST-MANAGEMENT-OPTIONS: contactListName=acme; topicName=Product News", ("news",)),
        ('X-SMTPAPI: {"asm_group_id": 42}', ("42",)),
        ("X-PM-Message-Stream: offers", ("offers",)),
        ("X-Mailgun-Tag: spring-24", ()),
        ("X-Mailgun-Tag: product news", ("news",)),
    ],
)
async def test_the_groups_of_our_peers_are_groups_here(field: str, groups: tuple[str, ...]) -> None:
    """Catalogue H9, H10, Q5: a label of one sending is no group, or whoever left it would have left
    nothing.
    """
    sent = mail(field).replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
    async with relaying() as relay:
        await relay.add_group("news", "Product News")
        await relay.relayed(sent)

    (copy,) = relay.sink.received
    assert relay.claims(copy.content).groups == tuple(group_key(GroupId(group)) for group in groups)
    assert copy.content.endswith(sent)


@pytest.mark.parametrize(
    ("field", "reason", "words"),
    [
        ("X-Mailer: x", SuppressionReason.UNSUBSCRIBED, "has unsubscribed"),
        ("X-Signoff-Groups: news", SuppressionReason.GROUP_UNSUBSCRIBED, "has unsubscribed"),
        (
            "X-Signoff-Require-Groups: news",
            SuppressionReason.NOT_IN_REQUIRED_GROUP,
            "not in the groups",
        ),
        (
            "X-Signoff-Exclude-Groups: offers",
            SuppressionReason.IN_EXCLUDED_GROUP,
            "not in the groups",
        ),
    ],
)
@pytest.mark.parametrize("on_suppressed", OnSuppressed)
async def test_each_reason_is_told_counted_and_logged(
    on_suppressed: OnSuppressed, field: str, reason: SuppressionReason, words: str
) -> None:
    """Catalogue X17: 250 or 550 as the brand wants it; the line in the log names nobody by
    address.
    """
    before = counted("signoff_recipients_suppressed", reason)
    with capture_logs() as lines:
        async with relaying(replace(ACME, on_suppressed=on_suppressed)) as relay:
            _, no_news, nothing = await three(relay)
            reply = await relay.relayed(
                mail(field), nothing if reason is SuppressionReason.UNSUBSCRIBED else no_news
            )
            after = await relay.relayed(PROMOTIONAL, "all@example.net")

    told = [line for line in lines if line["event"] == "copy_suppressed"]
    assert (
        reply.startswith("250 2.0.0 ")
        if on_suppressed is OnSuppressed.DISCARD
        else reply.startswith("550 5.7.1 ") and words in reply
    )
    assert after.startswith("250 ")
    assert reached(relay) == ["all"]
    assert counted("signoff_recipients_suppressed", reason) == before + 1
    assert [(line["reason"], line["campaign"], len(line["recipient"])) for line in told] == [
        (reason, "spring-24", 20)
    ]
    assert "example.net" not in str(told)


async def test_a_copy_against_an_opt_out_is_counted_and_logged_and_keeps_its_links() -> None:
    """Catalogue Q1; CleverTap's documents: "Send email to users who have opted out", audited."""
    before = counted("signoff_opt_outs_overridden", SuppressionReason.UNSUBSCRIBED)
    with capture_logs() as lines:
        async with relaying() as relay:
            recipients = await three(relay)
            await relay.relayed(mail("X-Signoff-Override-Opt-Out: yes"), *recipients)

    (told,) = [line for line in lines if line["event"] == "opt_out_overridden"]
    assert told["recipient"] == relay.codec.digest("nothing@example.net", brand=ACME.number).hex()
    assert (told["reason"], told["campaign"], told["brand"]) == (
        "unsubscribed",
        "spring-24",
        "acme",
    )
    assert counted("signoff_opt_outs_overridden", SuppressionReason.UNSUBSCRIBED) == before + 1
    assert {relay.claims(copy.content).address for copy in relay.sink.received} == set(recipients)


async def test_the_audit_holds_how_many_copies_went_against_an_opt_out() -> None:
    """Catalogue Q8: one entry a mail, with the campaign and the count, and nobody's address; none
    for a mail that overrides nobody.
    """
    trail = MemoryAudit()
    async with relaying(auditing=Auditing(trail, lambda: NOW_MS, logger("test"))) as relay:
        recipients = await three(relay)
        await relay.relayed(mail("X-Signoff-Override-Opt-Out: yes"), *recipients)
        await relay.relayed(mail("X-Signoff-Override-Opt-Out: yes"), "stranger@example.net")
        await relay.relayed(PROMOTIONAL, *recipients)

    (entry,) = await trail.entries(ACME.number, after="", limit=10)
    assert ("relay", AuditAction.OPT_OUTS_OVERRIDDEN, NOW_MS) == (
        entry.actor,
        entry.action,
        entry.at_ms,
    )
    assert {"campaign": "spring-24", "copies": "1"} == dict(entry.detail)
    assert "@" not in str(entry)


async def test_who_leaves_while_the_copy_waits_gets_none() -> None:
    """Catalogue Q1: asked again right before the copy is handed over."""
    async with relaying(times=CopyTimes(fresh=0.0)) as relay:
        arrived = asyncio.Event()
        preferences = relay.store.preferences
        asked = 0

        async def leaving_after_the_first_look(
            brand: BrandNumber, digests: Sequence[bytes]
        ) -> object:
            nonlocal asked
            asked += 1
            if asked == 2:
                await relay.leave("ann@example.net")
                arrived.set()
            return await preferences(brand, digests)  # type: ignore[arg-type]  # the digests as they came

        relay.store.preferences = leaving_after_the_first_look  # type: ignore[method-assign, assignment]  # a person between two looks
        reply = await relay.relayed(PROMOTIONAL)

    assert arrived.is_set()
    assert reply.startswith("250 ")
    assert relay.sink.received == []


@pytest.mark.parametrize(
    "field",
    [
        "X-Signoff-Exclude-Groups: news",
        "X-Signoff-Require-Groups: news",
        "X-Signoff-Override-Opt-Out: yes",
    ],
)
@pytest.mark.parametrize(
    ("on_store_down", "code", "copies"),
    [(OnStoreDown.TEMPFAIL, "451 4.3.0 ", 0), (OnStoreDown.ACCEPT, "250 ", 1)],
)
async def test_while_states_cannot_be_read_the_mail_waits_or_goes_as_the_brand_wants(
    on_store_down: OnStoreDown, code: str, copies: int, field: str
) -> None:
    """Catalogue Q11: to send blind is logged."""
    with capture_logs() as lines:
        async with relaying(replace(ACME, on_store_down=on_store_down), store=DeadStore()) as relay:
            reply = await relay.relayed(mail(field))

    assert reply.startswith(code)
    assert len(relay.sink.received) == copies
    assert copies == sum(line["event"] == "states_unknown" for line in lines)
