"""The delivery status notification, read by Python's own mail parser."""

import email
import email.policy
from email.message import EmailMessage, Message

import pytest

from app.core.mail.dsn import FailedRecipient, Report, may_be_reported, returned_fields
from app.core.mail.message import parse

GONE = FailedRecipient(
    address="gone@example.net", status="5.1.1", diagnostic="550 5.1.1 No such user"
)
RETURNED = b"From: news@acme.example\r\nSubject: Spring\r\n"


def report(
    *failed: FailedRecipient,
    sender: str = "bounce@acme.example",
    returned: bytes = RETURNED,
    envelope_id: str = "",
) -> Report:
    return Report(
        host="relay.example",
        sender=sender,
        date="Tue, 03 Mar 2026 10:00:00 +0000",
        unique="id1",
        failed=failed or (GONE,),
        returned=returned,
        envelope_id=envelope_id,
    )


def read(made: Report) -> EmailMessage:
    message = email.message_from_bytes(made.head() + made.body(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [] == [defect for part in message.walk() for defect in part.defects]
    return message


def status_groups(message: EmailMessage) -> list[dict[str, str]]:
    (part,) = [
        part for part in message.walk() if part.get_content_type() == "message/delivery-status"
    ]
    groups = part.get_payload()
    assert isinstance(groups, list)
    return [dict(group.items()) for group in groups if isinstance(group, Message)]


def test_it_is_a_report_of_three_parts_from_the_mail_system() -> None:
    """Catalogue X15: RFC 6522, and marked as an automatic answer."""
    message = read(report())

    assert "multipart/report" == message.get_content_type()
    assert "delivery-status" == message.get_param("report-type")
    assert ["text/plain", "message/delivery-status", "text/rfc822-headers"] == [
        part.get_content_type() for part in message.iter_parts()
    ]
    assert "auto-replied" == message["Auto-Submitted"]
    assert ("MAILER-DAEMON@relay.example", "bounce@acme.example") == (
        message["From"].addresses[0].addr_spec,
        message["To"].addresses[0].addr_spec,
    )


def test_each_refused_recipient_has_a_group_of_its_own() -> None:
    """Catalogue X15: Final-Recipient, Action, Status, Diagnostic-Code (RFC 3464 2.3)."""
    full = FailedRecipient(
        address="full@example.net",
        status="5.2.2",
        diagnostic="552 5.2.2 Full",
        original="rfc822;Full+2Bx@example.net",
    )

    first, gone, other = status_groups(read(report(GONE, full, envelope_id="aB+3Dc")))

    assert {
        "Original-Envelope-Id": "aB=c",
        "Reporting-MTA": "dns; relay.example",
    }.items() <= first.items()
    assert {
        "Final-Recipient": "rfc822; gone@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
    } == gone
    assert "rfc822; Full+x@example.net" == other["Original-Recipient"]
    assert "rfc822; full@example.net" == other["Final-Recipient"]


def test_an_address_outside_ascii_stands_in_the_form_for_seven_bits() -> None:
    """RFC 6533 3: readable by any downstream, and the exact address in it."""
    failed = FailedRecipient(
        address="用户+a@例え.jp",
        status="5.6.7",
        diagnostic="550 5.6.7 No",
        original="utf-8;用户@例え.jp",
    )
    made = report(failed)

    _, group = status_groups(read(made))

    assert made.head().isascii()
    assert made.body().isascii()
    assert r"utf-8; \x{7528}\x{6237}\x{2B}a@\x{4F8B}\x{3048}.jp" == group["Final-Recipient"]
    assert r"utf-8; \x{7528}\x{6237}@\x{4F8B}\x{3048}.jp" == group["Original-Recipient"]


def test_the_words_name_the_address_as_people_write_it() -> None:
    failed = FailedRecipient(address="用户@例え.jp", status="5.6.7", diagnostic="550 5.6.7 No")

    text = next(read(report(failed)).iter_parts())

    assert isinstance(text, EmailMessage)
    assert "<用户@例え.jp>" in text.get_content()


@pytest.mark.parametrize(
    "returned",
    [
        RETURNED,
        b"Subject: \xc3\xb6\xff\r\n",
        b"X-Long: " + b"x" * 3000 + b"\r\n",
        b"X: a=_b \r\n--=_id1--\r\n",
    ],
)
def test_the_returned_fields_are_what_came_and_no_line_is_too_long(returned: bytes) -> None:
    made = report(returned=returned)

    *_, part = read(made).iter_parts()

    assert returned.removesuffix(b"\r\n") == bytes(part.get_payload(decode=True)).replace(
        b"\r\n", b"\n"
    ).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    assert max(len(line) for line in made.body().split(b"\r\n")) <= 998


def test_a_sender_outside_ascii_is_addressed_as_it_is() -> None:
    """The only thing that needs SMTPUTF8, which the upstream's mail needed too."""
    assert "To: <用户@例え.jp>\r\n".encode() in report(sender="用户@例え.jp").head()


@pytest.mark.parametrize(
    ("field", "may"),
    [
        (b"", True),
        (b"Auto-Submitted: no\r\n", True),
        (b"Auto-Submitted: NO; comment=x\r\n", True),
        (b"Auto-Submitted: auto-generated\r\n", False),
        (b"Auto-Submitted: auto-replied\r\n", False),
        (b"Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n", False),
    ],
)
def test_a_mail_that_a_machine_sent_is_not_reported(field: bytes, may: bool) -> None:
    """Catalogue X15."""
    assert may == may_be_reported(parse(field + b"From: a@acme.example\r\n\r\nHello\r\n"))


def test_our_own_notification_would_not_be_reported() -> None:
    """Catalogue X15."""
    made = report()

    assert not may_be_reported(parse(made.head() + made.body()))


def test_what_was_for_the_relay_alone_does_not_go_back() -> None:
    """Catalogue H20."""
    message = parse(
        b"X-Signoff-Campaign: spring\r\n 24\r\nSubject: Spring\r\nx-signoff-test: yes\r\nTo:"
        b" a@b\r\n\r\nHello\r\n"
    )

    assert b"Subject: Spring\r\nTo: a@b\r\n" == returned_fields(message)
