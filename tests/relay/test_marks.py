"""Marks of the sender: understood and obeyed, or refused by name; and mail that a machine writes
for a cause is never promotional.
"""

import base64
import urllib.parse
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core import subject
from app.core.model import Management, UnknownGroup
from smtp_proxy.relay.policy import Policy
from tests.support.relay import ACME, PROMOTIONAL, relaying, url_of, without_trace

REFUSALS = "signoff_smtp_refusals_total"
PLAIN = PROMOTIONAL.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
OWN = replace(
    ACME,
    management=Management.SELF_MANAGED,
    one_click_url=(
        "https://www.acme.example/unsubscribe?id={{UserAttribute['ID']|default('nobody')}}"
    ),
    one_click_email="unsubscribe@acme.example",
    user_identifier="{{UserAttribute['ID']|default('nobody')}}",
)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            "X-Signoff-Campain: black-friday",
            "X-Signoff-Campain is no field of ours; did you mean X-Signoff-Campaign?",
        ),
        (
            "X-Signoff-Group: news",
            "X-Signoff-Group is no field of ours; did you mean X-Signoff-Groups?",
        ),
        ("x-signoff-override: yes", "x-signoff-override is no field of ours"),
        (
            "X-SIGNOFF-TESTS: yes",
            "X-SIGNOFF-TESTS is no field of ours; did you mean X-Signoff-Test?",
        ),
        ("X-Signoff: promotional", "X-Signoff is no field of ours"),
        ("X-Signoff-: a", "X-Signoff- is no field of ours"),
        (
            "X-Signoff_Class: promotional",
            "X-Signoff_Class is no field of ours; did you mean X-Signoff-Class?",
        ),
        (
            "X-SignoffCampaign: spring",
            "X-SignoffCampaign is no field of ours; did you mean X-Signoff-Campaign?",
        ),
        ("X-Signoff-Campain:\r\n folded", "X-Signoff-Campain is no field of ours"),
        ("X-Signoff-Campain:", "X-Signoff-Campain is no field of ours"),
        (f"X-Signoff-{'x' * 900}: 1", "... is no field of ours"),
        ("X-Signoff-Class: urgent", "X-Signoff-Class is neither promotional nor transactional"),
        ("X-Signoff-Class:", "X-Signoff-Class is empty"),
        ("X-Signoff-Test: perhaps", "X-Signoff-Test is neither yes nor no"),
        ("X-Signoff-Override-Opt-Out: true", "X-Signoff-Override-Opt-Out is neither yes nor no"),
        ("X-Signoff-Test: yes\r\nx-signoff-TEST: yes", "X-Signoff-Test stands more than once"),
        (
            "X-Signoff-Groups: news, <b>",
            'X-Signoff-Groups holds "<b>", a name that no group can have',
        ),
        (
            "X-Signoff-Require-Groups: a,,b",
            'X-Signoff-Require-Groups holds "", a name that no group can have',
        ),
        (
            "X-Signoff-Class: transactional\r\nX-Signoff-Require-Groups: a",
            "not for a transactional mail",
        ),
        (
            'X-SMTPAPI: {"to": ["ann@example.net", "bob@example.net"], "sub": {"%n%": ["a", "b"]}}',
            "X-SMTPAPI has `to`",
        ),
        ('X-SMTPAPI: {"asm_group_id": 4,\r\n "to": ["ann@example.net"]}', "X-SMTPAPI has `to`"),
        ('X-SMTPAPI: {}\r\nX-SMTPAPI: {"to": "ann@example.net"}', "X-SMTPAPI has `to`"),
    ],
)
@pytest.mark.parametrize("mail", [PLAIN, b"Precedence: bulk\r\n" + PLAIN], ids=["plain", "bulk"])
async def test_a_mark_that_is_not_understood_is_refused_by_name(
    mail: bytes, field: str, words: str
) -> None:
    """Catalogue N3: nothing is sent, the reply names the field and what is wrong, and fits a reply
    line.
    """
    async with relaying() as relay:
        reply = await relay.relayed(field.encode() + b"\r\n" + mail)
        after = await relay.relayed(PLAIN)

    assert reply.startswith("550 5.7.1 ")
    assert words in reply
    assert len(reply) <= 510
    assert reply.isascii()
    assert reply.isprintable()
    assert after.startswith("250 ")
    assert len(relay.sink.received) == 1


@pytest.mark.parametrize("value", ["a\x1b[31m", "é\x00", "a\x07b", "\u202eevil"])
async def test_a_refusal_never_repeats_what_could_carry_an_attack(value: str) -> None:
    """Catalogue N3, L9."""
    async with relaying() as relay:
        reply = await relay.relayed(f"X-Signoff-Groups: <{value}>\r\n".encode() + PLAIN)

    assert reply.startswith("550 5.")
    assert reply.isprintable()
    assert reply.isascii()


async def test_a_foreign_mail_with_an_unknown_mark_is_refused_too() -> None:
    """Catalogue N3."""
    mail = PLAIN.replace(b"news@acme.example", b"news@other.example")
    async with relaying(policy=Policy(hostname="relay.example", pass_foreign_from=True)) as relay:
        refused = await relay.relayed(b"X-Signoff-Campain: a\r\n" + mail)
        passed = await relay.relayed(mail)

    assert refused.startswith("550 5.7.1 ")
    assert passed.startswith("250 ")


@pytest.mark.parametrize(
    "author",
    [
        b"MAILER-DAEMON@front.internal",
        b"MAILER-DAEMON (Mail Delivery System)",
        b"postmaster@shop.example",
    ],
)
async def test_a_bounce_of_the_server_in_front_passes_unsigned(author: bytes) -> None:
    """Catalogue N8: RFC 5321 4.5.5."""
    mail = PLAIN.replace(b"Acme <news@acme.example>", author)
    async with relaying() as relay:
        told = [
            await relay.relayed(mail, sender=""),
            await relay.relayed(mail, sender="bounce@acme.example"),
        ]

    assert told[0].startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == mail
    if b"shop" not in author:
        assert told[1].startswith(("550 ", "554 "))


@pytest.mark.parametrize("old", [b"From: Acme <news@acme.example>\r\n", b"Subject:"])
async def test_foreign_mail_of_any_shape_passes_where_the_operator_lets_it(old: bytes) -> None:
    """Catalogue N9."""
    mail = (
        PLAIN.replace(b"news@acme.example", b"news@other.example") if old == b"Subject:" else PLAIN
    )
    mail = mail.replace(old, b"Subject :" if old == b"Subject:" else b"")
    async with relaying(policy=Policy(hostname="relay.example", pass_foreign_from=True)) as relay:
        told = await relay.relayed(mail)

    assert told.startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == mail


async def test_what_is_refused_is_counted_by_its_code() -> None:
    """Seen from outside: docs/observability.md."""
    before = REGISTRY.get_sample_value(REFUSALS, {"code": "550"}) or 0.0
    async with relaying() as relay:
        await relay.relayed(b"X-Signoff-Campain: a\r\n" + PLAIN)

    assert REGISTRY.get_sample_value(REFUSALS, {"code": "550"}) == before + 1


ODD = PLAIN.replace(b"Subject:", b"Subject :")
BANK = b"ceo@bank.example\r\n"


@pytest.mark.parametrize(
    ("mail", "reply"),
    [
        (b"From : " + BANK + PLAIN, "554 5.6.0 "),
        (b"from\t: " + BANK + PLAIN, "554 5.6.0 "),
        (b"From \r\n : " + BANK + PLAIN, "554 5.6.0 "),
        (PLAIN.replace(b"Subject:", b"FROM : " + BANK + b"Subject:"), "554 5.6.0 "),
        (PLAIN.replace(b"From: Acme <news@acme.example>", b"From : " + BANK[:-2]), "550 5.7.1 "),
        (b"From\x0b: " + BANK + PLAIN, "554 5.6.0 "),
        (b"From\xa0: " + BANK + PLAIN, "554 5.6.0 "),
        (b"From ceo@bank.example\r\n" + PLAIN, "554 5.6.0 "),
        (b" From: " + BANK + PLAIN, "554 5.6.0 "),
        (b"Precedence : bulk\r\n" + PLAIN, "554 5.6.0 "),
        (b'X-SMTPAPI : {"to": ["bob@x.example"]}\r\n' + PLAIN, "55"),
        (b"Auto-Submitted : no\r\nPrecedence: bulk\r\n" + PLAIN, "554 5.6.0 "),
        (
            b"X-Signoff-Campaign : x\r\n" + PLAIN,
            "550 5.7.1 A field that marks the message is refused: X-Signoff-Campaign has ",
        ),
        (b"X-Long: " + b"x" * 110_000 + b"\r\n" + ODD, "552 5.3.4 "),
        (b"Received : from a\r\n" * 60 + PLAIN, "554 5.4.6 "),
        (ODD.replace(b"\r\n\r\n", b"\r\n\r\n*|UNSUBSCRIBE|*\r\n", 1), "554 5.6.0 "),
        (ODD, "250 "),
    ],
)
async def test_an_odd_head_hides_no_field_from_us_that_a_receiver_may_see(
    mail: bytes, reply: str
) -> None:
    """Catalogue D5, N3, N9: whose mail it is, what class it has and what stands in it are read in
    the obsolete spelling too.
    """
    async with relaying() as relay:
        told = await relay.relayed(mail)

    assert told.startswith(reply)
    assert len(relay.sink.received) == (reply == "250 ")


REPORT = b"MIME-Version: 1.0\r\nContent-Type: %s; boundary=z\r\n"
BODY = (
    b"\r\n--z\r\n\r\nfailed\r\n--z\r\nContent-Type: message/delivery-status\r\n\r\nStatus:"
    b" 5.1.1\r\n\r\n--z--\r\n"
)
MARKS = b"Precedence: bulk\r\nFeedback-ID: a:b:c:acmenews\r\nList-Id: <news.acme.example>\r\n"


def marked(*fields: str, body: bytes = b"\r\nHello\r\n") -> bytes:
    head = PLAIN.partition(b"\r\n\r\n")[0] + b"\r\n"
    return MARKS + head + "".join(f"{field}\r\n" for field in fields).encode() + body


def calendar(method: str) -> bytes:
    return (
        b"\r\n--z\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\nContent-Type:"
        b' text/plain\r\n\r\nno\r\n--y\r\nContent-Type: text/calendar; charset="utf-8";\r\n method='
        + method.encode()
        + b"\r\n\r\nBEGIN:VCALENDAR\r\n--y--\r\n--z--\r\n"
    )


AUTOMATIC = {
    "report": marked(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=z", body=BODY
    ),
    "report in capitals": marked(
        'Content-Type: MULTIPART/Report; boundary="z"; report-type=disposition-notification',
        body=BODY,
    ),
    "receipt": marked("Content-Type: message/disposition-notification"),
    "vacation": marked("Auto-Submitted: auto-replied"),
    "vacation with a comment": marked(
        'Auto-Submitted: (away) Auto-Replied (really); owner-email="a@b"'
    ),
    "vacation folded": marked("Auto-submitted:\r\n auto-replied"),
    "list administration": marked("X-List-Administrivia: yes"),
    "old autoresponder": marked("X-Autoreply: yes"),
    "autoresponder of a panel": marked("X-Autorespond: away"),
    "calendar reply": marked("Content-Type: text/calendar; method=REPLY"),
    "calendar counter": marked(
        'Content-Type: multipart/mixed; boundary="z"', body=calendar("COUNTER")
    ),
    "calendar reply inside": marked(
        "Content-Type: multipart/mixed; boundary=z", body=calendar('"reply"')
    ),
}


@pytest.mark.parametrize("mail", AUTOMATIC.values(), ids=AUTOMATIC.keys())
async def test_mail_that_a_machine_writes_for_a_cause_reaches_also_who_has_left(
    mail: bytes,
) -> None:
    """Catalogue N4: whatever marks stand there, it leaves as it came."""
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(mail)

    assert reply.startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == mail


async def test_a_bounce_that_its_software_marks_as_bulk_is_delivered_unchanged() -> None:
    """Catalogue N4: the null sender alone says it."""
    mail = marked()
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(mail, sender="")

    assert reply.startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == mail


@pytest.mark.parametrize(
    "field",
    ["X-Signoff-Class: promotional", "X-Signoff-Campaign: spring", "X-Signoff-Groups: news"],
)
@pytest.mark.parametrize(
    "mail", [AUTOMATIC["vacation"], AUTOMATIC["report"]], ids=["vacation", "report"]
)
async def test_our_own_fields_say_otherwise(mail: bytes, field: str) -> None:
    """Catalogue N4."""
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(field.encode() + b"\r\n" + mail)

    assert reply.startswith("250 ")
    assert relay.sink.received == []


@pytest.mark.parametrize(
    "mail",
    [
        marked("Auto-Submitted: auto-generated"),
        marked("Auto-Submitted: no"),
        marked("X-List-Administrivia: no"),
        marked("X-Autoreply: no"),
        marked("Content-Type: text/calendar; method=REQUEST"),
        marked("Content-Type: multipart/mixed; boundary=z", body=calendar("PUBLISH")),
        marked(
            "Subject-Of: auto-replied", body=b"\r\nContent-Type: text/calendar; method=REPLY\r\n"
        ),
        marked(
            "Content-Type: text/plain",
            body=b"\r\n--z\r\nContent-Type: text/calendar; method=REPLY\r\n\r\n--z--\r\n",
        ),
    ],
)
async def test_what_only_resembles_it_stays_promotional(mail: bytes) -> None:
    """Catalogue N4: newsletters are sent by machines too."""
    async with relaying() as relay:
        await relay.leave("ann@example.net")
        reply = await relay.relayed(mail)

    assert reply.startswith("250 ")
    assert relay.sink.received == []


def identifiers(copy: bytes) -> tuple[str, str]:
    """Return what the URL and the mail-to subject of a copy say of the recipient."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url_of(copy)).query)
    text = urllib.parse.unquote(copy.partition(b"?subject=")[2].partition(b">")[0].decode())
    said, _ = subject.decode(text)
    return query["id"][0], said if isinstance(said, str) else base64.b64decode(said).decode()


async def test_each_copy_carries_the_attributes_of_its_own_recipient() -> None:
    """Catalogue N5: by address in any lawful spelling; whom the map does not name gets the
    defaults.
    """
    said = (
        '{"ANN@example.net": {"ID": 1}, "bob@bücher.example": {"ID": "two"}, "zoe@x.example":'
        ' {"ID": "9"}}'
    )
    given = f"X-Signoff-User-Attributes: {said}\r\n".encode()
    async with relaying(OWN) as relay:
        await relay.relayed(
            given + PROMOTIONAL, "ann@EXAMPLE.net", "bob@xn--bcher-kva.example", "eve@example.net"
        )

    found = {
        copy.recipients[0].decode().partition("<")[2].partition("@")[0]: identifiers(copy.content)
        for copy in relay.sink.received
    }
    assert found == {"ann": ("1", "1"), "bob": ("two", "two"), "eve": ("nobody", "nobody")}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            '{"ID": "42"}',
            (
                "X-Signoff-User-Attributes says one ID for 2 recipients: write an object for each"
                " address"
            ),
        ),
        ('{"ID": "42", "a@b.example": {"ID": 1}}', "holds values beside objects"),
        (
            '{"ann@example.net": {"ID": 1}, "Ann@EXAMPLE.NET": {"ID": 2}}',
            "name 2 is an address that stands there already",
        ),
        ('{"ann": {"ID": 1}}', "name 1 is no address"),
        ('{"ann@example.net": {"ID": {"a": 1}}}', "holds a value that is neither"),
        ('{"ann@example.net": {"ID": 1, "ID": 2}}', "holds a name twice"),
        ('{"ann@example.net": [1]}', "holds a value that is neither"),
    ],
)
async def test_attributes_that_would_be_those_of_another_are_refused(
    value: str, words: str
) -> None:
    """Catalogue N5."""
    async with relaying(OWN) as relay:
        reply = await relay.relayed(
            f"X-Signoff-User-Attributes: {value}\r\n".encode() + PROMOTIONAL,
            "ann@example.net",
            "bob@example.net",
        )

    assert reply.startswith("550 5.7.1 ")
    assert words in reply
    assert relay.sink.received == []


@pytest.mark.parametrize("value", ['{"Plan": "gold"}', "{}", '{"ID": null}'])
async def test_attributes_that_no_template_uses_harm_nobody(value: str) -> None:
    """Catalogue N5."""
    async with relaying(OWN) as relay:
        reply = await relay.relayed(
            f"X-Signoff-User-Attributes: {value}\r\n".encode() + PROMOTIONAL,
            "ann@example.net",
            "bob@example.net",
        )

    assert reply.startswith("250 ")
    assert len(relay.sink.received) == 2


def unknown_groups() -> float:
    return REGISTRY.get_sample_value("signoff_unknown_groups_total") or 0.0


@pytest.mark.parametrize("field", ["X-Signoff-Groups", "X-Signoff-Require-Groups"])
async def test_a_group_that_the_brand_has_not_is_told_and_counted_or_refused(field: str) -> None:
    """Catalogue N3: as the brand wants it."""
    mail = f"{field}: news, nosuchgroup\r\n".encode() + PROMOTIONAL
    before = unknown_groups()
    with capture_logs() as lines:
        async with relaying() as relay:
            await relay.add_group("news", "News")
            accepted = await relay.relayed(mail)
        async with relaying(replace(ACME, unknown_group=UnknownGroup.REJECT)) as strict:
            await strict.add_group("news", "News")
            refused = await strict.relayed(mail)
            passed = await strict.relayed(mail.replace(b", nosuchgroup", b""))

    assert accepted.startswith("250 ")
    assert [["nosuchgroup"]] == [
        line["groups"] for line in lines if line["event"] == "group_unknown"
    ]
    assert unknown_groups() == before + 1
    assert (
        refused
        == "550 5.7.1 A field that marks the message is refused: the brand has no subscription"
        ' group "nosuchgroup"'
    )
    assert passed.startswith("250 ")
