"""Mails that come with links, signatures and list fields of their own, through the whole relay."""

import re
from dataclasses import replace

import dkim
import pytest
from structlog.testing import capture_logs

from app.core.mail.dkim import Profile
from app.core.mail.message import parse
from app.core.model import ExistingHeader, ExistingSignature, Management
from smtp_proxy.relay.policy import Policy
from tests.support.corpus import NAMED
from tests.support.dkim_keys import ED25519_KEY, dkim_key, dns
from tests.support.relay import ACME, PROMOTIONAL, relaying

THEIRS = (
    b"List-Unsubscribe: <https://old.example/u/1>\r\nList-Unsubscribe-Post:"
    b" List-Unsubscribe=One-Click\r\n"
)
MARK = b"X-Signoff-Class: promotional\r\n"
SES = Policy(hostname="relay.example", one_signature=True)
LISTED = replace(ACME, list_id="news.acme.example", feedback_id="acmenews")


def names(copy: bytes) -> list[bytes]:
    """Return h= of the topmost signature."""
    covered = re.search(rb"\bh=([^;]+)", copy)
    assert covered is not None
    return [name.strip() for name in covered[1].split(b":")]


@pytest.mark.parametrize(
    "existing", [ExistingHeader.REPLACE, ExistingHeader.KEEP, ExistingHeader.MERGE]
)
@pytest.mark.parametrize(
    "name",
    [
        "their_https",
        "their_mailto",
        "their_two",
        "their_malformed",
        "their_signature",
        "newsletter",
    ],
)
async def test_every_policy_leaves_one_link_field_under_a_signature_that_verifies(
    name: str, existing: ExistingHeader
) -> None:
    """Catalogue H1, H3, H13, D1, D5."""
    async with relaying(replace(ACME, existing_header=existing)) as relay:
        reply = await relay.relayed(MARK + NAMED[name])

    copy = relay.sink.received[0].content
    fields = [field.name for field in parse(copy).fields]
    assert reply.startswith("250 ")
    assert fields.count(b"list-unsubscribe") == 1
    assert fields.count(b"list-unsubscribe-post") <= 1
    assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= set(names(copy))
    assert dkim.verify(copy, dnsfunc=dns)


async def test_a_brand_can_have_mails_with_links_refused() -> None:
    """Catalogue H1, H13."""
    async with relaying(replace(ACME, existing_header=ExistingHeader.REJECT)) as relay:
        refused = await relay.relayed(THEIRS + PROMOTIONAL)
        taken = await relay.relayed(PROMOTIONAL)

    assert refused.startswith("550 5.7.1 ")
    assert taken.startswith("250 ")
    assert len(relay.sink.received) == 1


async def test_kept_links_that_nobody_signs_promise_nothing() -> None:
    """Catalogue H3: the bare policy, and a brand that manages nothing."""
    bare = Policy(hostname="relay.example", pass_unsigned=True)
    for brand in (
        replace(ACME, existing_header=ExistingHeader.KEEP),
        replace(ACME, management=Management.NONE),
    ):
        async with relaying(brand, keys=(), policy=bare) as relay:
            await relay.relayed(THEIRS + PROMOTIONAL)

        copy = relay.sink.received[0].content
        assert b"List-Unsubscribe: <https://old.example/u/1>\r\n" in copy
        assert b"List-Unsubscribe-Post" not in copy


@pytest.mark.parametrize(
    ("policy", "left"), [(ExistingSignature.KEEP, 2), (ExistingSignature.STRIP, 1)]
)
async def test_an_upstream_signature_that_our_stamp_breaks_is_told_and_kept_or_stripped(
    policy: ExistingSignature, left: int
) -> None:
    """Catalogue D10."""
    with capture_logs() as lines:
        async with relaying(replace(ACME, existing_signature=policy)) as relay:
            await relay.relayed(MARK + NAMED["their_signature"])

    (warning,) = [line for line in lines if line["event"] == "upstream_signature_broken"]
    copy = relay.sink.received[0].content
    assert (warning["log_level"], warning["signatures"], warning["existing_signature"]) == (
        "warning",
        1,
        policy,
    )
    assert copy.count(b"DKIM-Signature:") == left
    assert dkim.verify(copy, dnsfunc=dns)


async def test_for_ses_the_signature_leaves_out_what_ses_rewrites_and_stands_alone() -> None:
    """Catalogue D7, D13: SES writes its own Message-ID and Date, and refuses a second
    DKIM-Signature.
    """
    keys = (dkim_key(), dkim_key(key=ED25519_KEY, selector="e1"))
    async with relaying(keys=keys, policy=SES, profile=Profile.SES) as relay:
        await relay.relayed(MARK + NAMED["their_signature"])
    async with relaying(keys=keys) as usual:
        await usual.relayed(MARK + NAMED["newsletter"])

    copy = relay.sink.received[0].content
    rewritten = re.sub(rb"(?m)^(Message-ID|Date): [^\r]*\r\n", rb"\1: of SES\r\n", copy)
    assert copy.count(b"DKIM-Signature:") == 1
    assert {b"message-id", b"date"}.isdisjoint(names(copy))
    assert (
        names(copy).count(b"list-unsubscribe") == names(copy).count(b"list-unsubscribe-post") == 2
    )
    assert rewritten != copy
    assert dkim.verify(rewritten, dnsfunc=dns)
    assert usual.sink.received[0].content.count(b"DKIM-Signature:") == 2


async def test_list_id_and_feedback_id_are_added_once_and_signed_against_another() -> None:
    """Catalogue H14, H17."""
    async with relaying(LISTED) as relay:
        await relay.relayed(b"X-Signoff-Groups: offers\r\n" + PROMOTIONAL)

    copy = relay.sink.received[0].content
    assert (
        copy.count(b"\nList-Id: <offers.news.acme.example>\r\n")
        == copy.lower().count(b"\nlist-id:")
        == 1
    )
    assert (
        copy.count(b"\nFeedback-ID: spring-24:offers:promotional:acmenews\r\n")
        == copy.lower().count(b"\nfeedback-id:")
        == 1
    )
    assert names(copy).count(b"list-id") == names(copy).count(b"feedback-id") == 2
    assert dkim.verify(copy, dnsfunc=dns)
    assert not dkim.verify(b"Feedback-ID: a:b:c:other\r\n" + copy, dnsfunc=dns)


async def test_a_thousand_mails_of_a_campaign_have_one_feedback_id() -> None:
    """Catalogue H14, H17."""
    recipients = tuple(f"user{number}@example.net" for number in range(1000))
    async with relaying(LISTED) as relay:
        await relay.relayed(PROMOTIONAL, *recipients)

    found = {
        re.search(rb"\n(List-Id: [^\r]*)\r\nFeedback-ID: ([^\r]*)", copy.content)
        for copy in relay.sink.received
    }
    assert len(relay.sink.received) == 1000
    assert {match and match.groups() for match in found} == {
        (b"List-Id: <news.acme.example>", b"spring-24:acme:promotional:acmenews")
    }


async def test_a_password_reset_gets_no_list_fields() -> None:
    """Catalogue H10, H14."""
    async with relaying(LISTED) as relay:
        await relay.relayed(NAMED["password_reset"])

    assert b"List-Id" not in relay.sink.received[0].content


async def test_repeated_fields_pass_with_a_warning_when_the_operator_says_so() -> None:
    """Catalogue H15: each of them is under the signature."""
    lax = Policy(hostname="relay.example", pass_repeated=True)
    with capture_logs() as lines:
        async with relaying(policy=lax) as relay:
            reply = await relay.relayed(b"Subject: Another\r\n" + PROMOTIONAL)

    copy = relay.sink.received[0].content
    assert reply.startswith("250 ")
    assert [line["fields"] for line in lines if line["event"] == "fields_repeated"] == [["subject"]]
    assert names(copy).count(b"subject") == 3
    assert dkim.verify(copy, dnsfunc=dns)


async def test_a_transactional_mail_passes_with_repeated_fields() -> None:
    """Catalogue H10, H15: what is not stamped passes unchanged."""
    mail = b"Subject: Another\r\n" + NAMED["password_reset"]
    async with relaying() as relay:
        reply = await relay.relayed(mail)

    assert reply.startswith("250 ")
    assert relay.sink.received[0].content.endswith(mail)
