"""Marks as software and hands write them: encoded, folded, commented, repeated, misspelt, or in a
mail whose From cannot be read.
"""

import base64

import pytest

from app.core.groups import group_key
from app.core.model import GroupId
from smtp_proxy.relay.policy import Policy
from tests.support.relay import ACME, PROMOTIONAL, Relay, relaying, without_trace

PLAIN = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
NOBODY = Policy(hostname="relay.example", pass_foreign_from=True)


def encoded(text: str) -> str:
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


async def leave_group(relay: Relay, address: str, group: str) -> None:
    await relay.leave(address, group_key(GroupId(group)))


@pytest.mark.parametrize(
    "field",
    [
        "X-SMTPAPI: " + encoded('{"asm_group_id": "news"}'),
        "X-SMTPAPI: =?utf-8?q?{=22asm=5Fgroup?=\r\n =?utf-8?q?=5Fid=22:=22news=22}?=",
        'X-SMTPAPI: {"category": "a"}\r\nX-SMTPAPI: {"asm_group_id": "news"}',
        'X-SMTPAPI: {"asm_group_id": "offers"}\r\nX-SMTPAPI: {"asm_group_id": "News"}',
        f"X-SES-LIST-MANAGEMENT-OPTIONS: {encoded('contactListName=a; topicName=news')}",
        'X-SES-LIST-MANAGEMENT-OPTIONS: contactListName="a;b";\r\n\ttopicName="News" (weekly)',
        (
            "X-SES-LIST-MANAGEMENT-OPTIONS: a; topicName=offers\r\nX-SES-LIST-MANAGEMENT-OPTIONS:"
            " a; topicName=news"
        ),
        f"X-PM-Message-Stream: {encoded('news')}",
        "X-PM-Message-Stream: outbound\r\nX-PM-Message-Stream: news",
        f"X-Mailgun-Tag: spring\r\nX-Mailgun-Tag: {encoded('News')}",
    ],
)
async def test_who_has_left_a_group_gets_no_mail_of_it_however_the_field_is_written(
    field: str,
) -> None:
    """Catalogue H20: a field that software has encoded, quoted or repeated says the same."""
    async with relaying() as relay:
        await relay.add_group("news", "News")
        await relay.add_group("offers", "Offers")
        await leave_group(relay, "ann@example.net", "news")
        reply = await relay.relayed(
            field.encode() + b"\r\n" + PLAIN, "ann@example.net", "bob@example.net"
        )

    assert reply.startswith("250 ")
    assert [True] == [b"<bob@example.net>" in copy.recipients[0] for copy in relay.sink.received]


@pytest.mark.parametrize(
    "field",
    ["Precedence: bulk (news)", "Precedence: (a (b)) Bulk", f"Precedence: {encoded('bulk')}"],
)
async def test_bulk_mail_does_not_reach_who_has_left(field: str) -> None:
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(field.encode() + b"\r\n" + PLAIN)

    assert reply.startswith("250 ")
    assert relay.sink.received == []


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: (a (b)) auto-replied",
        "Auto-Submitted: =?us-ascii?q?auto-replied?=",
        'Auto-Submitted: "auto-replied"; a=b',
        "X-List-Administrivia: yes (really)",
    ],
)
async def test_automatic_mail_is_known_whatever_stands_around_its_word(field: str) -> None:
    """Catalogue N4."""
    mail = field.encode() + b"\r\nPrecedence: bulk\r\n" + PLAIN
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        await relay.relayed(mail)

    assert without_trace(relay.sink.received[0].content) == mail


@pytest.mark.parametrize(
    "field", ["X-List-Administrivia: no (comment)", "Auto-Submitted: no (auto-replied)"]
)
async def test_what_a_comment_says_is_not_said(field: str) -> None:
    """Catalogue N4."""
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        await relay.relayed(field.encode() + b"\r\nPrecedence: bulk\r\n" + PLAIN)

    assert relay.sink.received == []


@pytest.mark.parametrize(
    "value",
    [
        '{"asm_group_id": 7, "category": "\\ud800"}',
        '{"asm_group_id": "\\udfff", "unique_args": {"campaign_id": "\\ud800"}}',
        '{"asm_group_id": NaN, "category": ["\\u0000"]}',
        '{"asm_group_id": 1e999999, "category": {"a": [1]}}',
        '{"asm_group_id": ' + "9" * 20_000 + "}",
        '{"asm_group_id": 7, "a": ' + "[" * 20_000,
    ],
)
async def test_no_json_of_theirs_makes_a_mail_wait_for_ever(value: str) -> None:
    """Catalogue N3: what is not understood is left alone."""
    async with relaying() as relay:
        reply = await relay.relayed(b"X-SMTPAPI: " + value.encode() + b"\r\n" + PLAIN)

    assert reply.startswith("250 ")
    assert b"List-Unsubscribe-Post" in relay.sink.received[0].content


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            "X-Signoff-Groups: all",
            'X-Signoff-Groups holds "all", the word for all mail of the brand, which is no group',
        ),
        (
            "X-Signoff-Require-Groups: news, ALL",
            'X-Signoff-Require-Groups holds "ALL", the word for all mail',
        ),
        (
            "X-Singoff-Campaign: spring",
            "X-Singoff-Campaign is no field of ours; did you mean X-Signoff-Campaign?",
        ),
        (
            "Signoff-Groups: news",
            "Signoff-Groups is no field of ours; did you mean X-Signoff-Groups?",
        ),
        (
            "X-Signoff-Campaign: =?zip?q?a?=",
            "X-Signoff-Campaign holds an encoded word in a charset that is not read here",
        ),
        (
            'X-Signoff-User-Attributes: {"\\ud800": "a"}',
            "X-Signoff-User-Attributes holds half a character in a name",
        ),
    ],
)
async def test_a_mark_of_ours_that_is_not_understood_is_refused_by_name(
    field: str, words: str
) -> None:
    """Catalogue N3."""
    async with relaying() as relay:
        reply = await relay.relayed(field.encode() + b"\r\n" + PLAIN)

    assert reply.startswith(f"550 5.7.1 A field that marks the message is refused: {words}")
    assert relay.sink.received == []


async def test_a_field_of_others_that_resembles_ours_is_left_alone() -> None:
    mail = b"X-Sign-Off-By: legal\r\nX-Signup-Groups: a\r\n" + PLAIN
    async with relaying() as relay:
        reply = await relay.relayed(mail)

    assert reply.startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == mail


UNREADABLE = {
    "no address": b"From: MAILER-DAEMON\r\n",
    "two readings": b"From: news@acme.example <x@shop.example>\r\n",
    "none": b"",
    "twice": b"From: news@acme.example\r\nFrom: news@acme.example\r\n",
    "full-width at": "From: news\uff20acme.example\r\n".encode(),
    "open quote": b'From: "Acme <news@acme.example>\r\n',
    "two brands": b"From: news@acme.example, news@shop.example\r\n",
    "beside another's": b"From: news@acme.example, news@other.example\r\n",
}


@pytest.mark.parametrize("author", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize(
    "mark",
    [
        b"X-Signoff-Campaign: spring",
        b"x-signoff-groups: news",
        b"X-Signoff-Test: yes",
        b"X-Signoff-Class: promotional",
    ],
)
@pytest.mark.parametrize(
    ("policy", "sender"),
    [(None, ""), (NOBODY, "bounce@acme.example"), (NOBODY, "")],
    ids=["bounce", "foreign", "both"],
)
async def test_a_mail_with_our_marks_never_passes_unheard_because_its_from_cannot_be_read(
    author: bytes, mark: bytes, policy: Policy | None, sender: str
) -> None:
    """Catalogue N3, N8: without the marks it passes, as a bounce does."""
    mail = PLAIN.replace(b"From: Acme <news@acme.example>\r\n", author)
    async with relaying(policy=policy) as relay:
        refused = await relay.relayed(mark + b"\r\n" + mail, sender=sender)
        passed = await relay.relayed(mail, sender=sender)

    assert refused.startswith("550 5.7.1 A field that marks the message is refused: ")
    assert f"{mark.partition(b':')[0].decode()} stands in a mail whose From field " in refused
    assert passed.startswith("250 ")
    assert [mail] == [without_trace(copy.content) for copy in relay.sink.received]


async def test_an_odd_head_is_no_way_around_either() -> None:
    """Catalogue N9."""
    mail = PLAIN.replace(b"From: Acme <news@acme.example>", b"From: MAILER-DAEMON").replace(
        b"Subject:", b"Subject :"
    )
    async with relaying() as relay:
        refused = await relay.relayed(b"X-Signoff-Campaign: spring\r\n" + mail, sender="")

    assert "X-Signoff-Campaign stands in a mail whose From field cannot be read" in refused
    assert relay.sink.received == []


@pytest.mark.parametrize(
    "author",
    [
        "news@\uff41\uff43\uff4d\uff45.example",
        "Acme <news@acme\u3002example>",
        "Acme, Inc. <news@\uff21\uff43me\uff0eExample>",
        "a@acme\uff61example, b@acme.example",
    ],
)
async def test_a_domain_in_mapped_letters_is_the_brands(author: str) -> None:
    """RFC 5895 2: full-width letters and ideographic full stops are other spellings of the same
    domain.
    """
    async with relaying(ACME) as relay:
        reply = await relay.relayed(
            PROMOTIONAL.replace(b"Acme <news@acme.example>", author.encode())
        )

    assert reply.startswith("250 ")
    assert b"d=acme.example" in relay.sink.received[0].content
    assert b"List-Unsubscribe-Post" in relay.sink.received[0].content
