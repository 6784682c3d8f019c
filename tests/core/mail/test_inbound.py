"""Mails to the inbox, read without trust in their form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mail.inbound import Incoming
from app.core.mail.inbound_nature import Nature
from app.core.mail.inbound_parts import MAX_READ_BYTES, decoded_text, entity, parts
from tests.support.corpus import MAILS, NAMED


def read(head: str, body: str = "", *, null_sender: bool = False) -> Incoming:
    return Incoming.read(f"{head}\r\n{body}".encode(), null_sender=null_sender)


def nested(depth: int, inside: str) -> str:
    """Return a mail whose text stands below so many multiparts."""
    opening = "".join(
        f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth)
    )
    closing = "".join(f"\r\n--b{n}--\r\n" for n in reversed(range(depth)))
    return f"{opening}Content-Type: text/plain\r\n\r\n{inside}{closing}"


def everything_of(mail: Incoming) -> None:
    """Ask a mail for all that it can be asked for."""
    (
        list(mail.senders()),
        list(mail.recipients()),
        list(mail.subjects()),
        mail.complained_about(),
        mail.cut,
    )
    list(mail.link_tokens()), list(mail.link_addresses())
    list(mail.texts(quoted=True)), list(mail.texts(quoted=False))
    for inner in mail.attached():
        everything_of(inner)


@given(
    st.binary(max_size=2000)
    | st.binary(max_size=300).map(
        lambda octets: b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + octets
    )
)
def test_any_octets_can_be_read(octets: bytes) -> None:
    """Catalogue M11."""
    everything_of(Incoming.read(octets, null_sender=False))


@pytest.mark.parametrize("name", sorted(MAILS))
def test_every_sample_can_be_read(name: str) -> None:
    everything_of(Incoming.read(MAILS[name], null_sender=False))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Subject: x\r\n", Nature.PERSONAL),
        ("Auto-Submitted: no\r\n", Nature.PERSONAL),
        ("Auto-Submitted: auto-replied\r\n", Nature.AUTO_REPLY),
        ("Auto-Submitted: auto-replied; owner-email=a@b.example\r\n", Nature.AUTO_REPLY),
        ("Auto-Submitted: auto-generated\r\n", Nature.AUTOMATIC),
        ("X-Autoreply: yes\r\n", Nature.AUTO_REPLY),
        ("X-Auto-Response-Suppress: All\r\n", Nature.AUTOMATIC),
        ("Auto-Submitted: auto-replied\r\nSubject: Unsubscribe | cattr:SUQ-x\r\n", Nature.BUTTON),
        (
            "Auto-Submitted: auto-replied\r\nSubject: [EXTERNAL] FW: =?utf-8?Q?unsubscribe?=\r\n",
            Nature.BUTTON,
        ),
        ("Auto-Submitted: auto-replied\r\nSubject: Re: unsubscribe\r\n", Nature.AUTO_REPLY),
        (
            "Auto-Submitted: auto-replied\r\nSubject: Automatic reply: unsubscribe\r\n",
            Nature.AUTO_REPLY,
        ),
        (
            "Auto-Submitted: auto-replied\r\nSubject: unsubscribe\r\nIn-Reply-To: <1@x>\r\n",
            Nature.AUTO_REPLY,
        ),
        (
            "Auto-Submitted: auto-replied\r\nSubject: unsubscribe\r\nPrecedence: auto_reply\r\n",
            Nature.AUTO_REPLY,
        ),
        ("Content-Type: message/delivery-status\r\n", Nature.BOUNCE),
        ("Precedence: auto_reply\r\n", Nature.AUTO_REPLY),
        ("Precedence: Bulk\r\n", Nature.LIST_MAIL),
        ("Precedence: junk\r\n", Nature.LIST_MAIL),
        ("Precedence: list\r\n", Nature.LIST_MAIL),
        ("List-Id: <news.example>\r\n", Nature.LIST_MAIL),
        ("List-Unsubscribe: <https://x.example/u>\r\n", Nature.LIST_MAIL),
        ("From: MAILER-DAEMON@example.net (Mail Delivery System)\r\n", Nature.BOUNCE),
        ("X-Failed-Recipients: a@b.example\r\n", Nature.BOUNCE),
        ("Return-Path: <>\r\n", Nature.BOUNCE),
        (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n",
            Nature.BOUNCE,
        ),
        ("Content-Type: multipart/report; boundary=x\r\n", Nature.BOUNCE),
        (
            'Content-Type: multipart/report; boundary=x;\r\n report-type="feedback-report"\r\n',
            Nature.COMPLAINT,
        ),
    ],
)
def test_a_machine_is_told_from_a_person(head: str, expected: Nature) -> None:
    """Catalogue M2."""
    assert read(head).nature is expected


@pytest.mark.parametrize(
    "head",
    [
        "Subject: x\r\n",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n",
    ],
)
def test_what_comes_from_the_null_sender_is_a_bounce_whatever_it_says(head: str) -> None:
    """Catalogue M2, M14."""
    assert read(head, null_sender=True).nature is Nature.BOUNCE


def test_the_samples_of_machines_are_told_from_the_samples_of_people() -> None:
    """Catalogue M2."""
    natures = {
        name: Incoming.read(content, null_sender=False).nature for name, content in NAMED.items()
    }

    assert natures["delivery_report"] is Nature.BOUNCE
    assert natures["list_mail"] is Nature.LIST_MAIL
    assert natures["password_reset"] is Nature.PERSONAL


@pytest.mark.parametrize(
    ("type_", "encoding", "body"),
    [
        ("text/plain", "7bit", "the word\r\nstands here\r\n"),
        ("text/plain", "quoted-printable", "the wo=\r\nrd stands=20here"),
        ("text/plain", "BASE64", base64.encodebytes(b"the word stands here").decode()),
        (
            "text/plain",
            "base64",
            base64.b64encode(b"the word stands here").decode().rstrip("=") + "!",
        ),
        ("text/html", "quoted-printable", "<p>the <b>wo=\r\nrd</b><br>stands&nbsp;here</p>"),
        ("nonsense", "7bit", "the word stands here"),
        ("multipart/mixed", "7bit", "the word stands here"),
        ('multipart/mixed; boundary="nowhere"', "7bit", "the word stands here"),
        ("text/plain; charset=utf-8", "7bit", "the word stands here"),
    ],
)
def test_the_text_of_a_mail_is_found_under_its_encodings(
    type_: str, encoding: str, body: str
) -> None:
    """Catalogue M7, M11."""
    (text,) = read(
        f"Content-Type: {type_}\r\nContent-Transfer-Encoding: {encoding}\r\n", body
    ).texts(quoted=False)

    assert " ".join(text.split()) == "the word stands here"


def test_a_text_in_two_octet_characters_is_read_as_such() -> None:
    part = entity(
        b"Content-Type: text/plain; charset=utf-16le\r\n\r\n" + "the word".encode("utf-16-le")
    )

    assert decoded_text(part) == "the word"


def test_files_are_never_looked_into() -> None:
    """Catalogue M11."""
    attached = (
        "Content-Type: text/plain\r\nContent-Disposition: attachment;"
        ' filename="a.txt"\r\n\r\nsecret'
    )
    picture = "Content-Type: image/png\r\n\r\nsecret"
    mail = read(
        "Content-Type: multipart/mixed; boundary=b\r\n",
        f"--b\r\n\r\nseen\r\n--b\r\n{attached}\r\n--b\r\n{picture}\r\n--b--\r\nsecret",
    )

    assert list(mail.texts(quoted=True)) == ["seen"]


def test_a_mail_without_the_empty_line_still_has_its_text() -> None:
    (text,) = Incoming.read(b"Subject: x\r\nthis is no field\r\n", null_sender=False).texts(
        quoted=False
    )

    assert text.strip() == "this is no field"


@pytest.mark.parametrize(
    "body",
    [
        "mine\r\n> theirs\r\n",
        "mine\r\n\r\n-----Original Message-----\r\ntheirs\r\n",
        "mine\r\n---------- Forwarded message ---------\r\ntheirs\r\n",
        "mine\r\nBegin forwarded message:\r\n\r\ntheirs\r\n",
        "mine\r\nFrom: a@b.example\r\nSent: Tuesday\r\ntheirs\r\n",
        "mine\r\nVon: a@b.example\r\nGesendet: Dienstag\r\ntheirs\r\n",
        "mine\r\n________________________________\r\ntheirs\r\n",
    ],
)
def test_what_a_text_quotes_is_kept_apart(body: str) -> None:
    """Catalogue M5."""
    (own,) = read("Subject: x\r\n", body).texts(quoted=False)
    (whole,) = read("Subject: x\r\n", body).texts(quoted=True)

    assert own.split() == ["mine"]
    assert "theirs" in whole


@pytest.mark.parametrize(
    "quote", ["<blockquote type=cite>theirs</blockquote>", '<div class="gmail_quote">theirs</div>']
)
def test_what_a_page_quotes_is_kept_apart(quote: str) -> None:
    """Catalogue M5."""
    mail = read("Content-Type: text/html\r\n", f"<p>mine</p>{quote}")

    assert [text.split() for text in mail.texts(quoted=False)] == [["mine"]]
    assert [text.split() for text in mail.texts(quoted=True)] == [["mine", "theirs"]]


def test_a_text_below_some_multiparts_is_found_and_below_too_many_is_said_to_be_cut() -> None:
    """Catalogue M11."""
    near, far = (
        Incoming.read(nested(depth, "the word").encode(), null_sender=False) for depth in (9, 1000)
    )

    assert [text.strip() for text in near.texts(quoted=False)] == ["the word"]
    assert (near.cut, far.cut) == ("", "too_deep")
    assert list(far.texts(quoted=False)) == []


def test_a_thousand_parts_and_a_very_long_mail_are_cut() -> None:
    """Catalogue M11."""
    many = read("Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\nx\r\n" * 1000)
    long = Incoming.read(b"\r\n" + b"x" * (20 * MAX_READ_BYTES), null_sender=False)

    assert len(list(many.texts(quoted=False))) < 1000
    assert long.cut == "too_long"


@pytest.mark.parametrize(
    ("octets", "cut"),
    [
        (nested(1000, "x" * MAX_READ_BYTES).encode(), "too_long"),
        (b"Content-Type: text/html\r\n\r\n" + b"<" * 1_000_000, ""),
        (b"Content-Type: text/html\r\n\r\n" + b"<blockquot" * 100_000, ""),
        (b"Content-Type: text/html\r\n\r\n" + b"<div " * 200_000, ""),
        (b"\r\n" + b"cattr:" * 150_000, ""),
        (b"\r\n" + b"A" * 1_000_000, ""),
        (b"\r\n" + b"-" * 1_000_000, ""),
        (b"\r\n" + b"> " * 500_000, ""),
        (b"\r\n" + b"a@" * 500_000, ""),
        (b"Subject: " + b"=?utf-8?Q?=" * 90_000 + b"\r\n\r\n", ""),
        (b"To: " + b"<" * 1_000_000, ""),
        (b"x\r\n" * 300_000, ""),
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 170_000,
            "too_many_parts",
        ),
    ],
    ids=lambda value: (
        value[:40].decode().replace("\r\n", " ") if isinstance(value, bytes) else value
    ),
)
def test_a_megabyte_that_is_made_to_be_slow_is_read_like_any_other(octets: bytes, cut: str) -> None:
    """Catalogue M11: a search that goes back over what it has seen would be at it for hours."""
    mail = Incoming.read(octets, null_sender=False)

    everything_of(mail)

    assert mail.cut == cut


def test_reports_of_abuse_are_told_from_others() -> None:
    """Catalogue B1."""

    def report(kind: str) -> Incoming:
        head = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n"
        original = (
            "Content-Type: message/rfc822\r\n\r\nList-Unsubscribe: <https://x.example/u?qmoe="
            + "A" * 60
            + ">\r\n\r\nbody"
        )
        return read(
            head,
            "--b\r\n\r\nA report\r\n--b\r\nContent-Type:"
            f" message/feedback-report\r\n\r\n{kind}\r\n--b\r\n{original}\r\n--b--",
        )

    abuse = report("Feedback-Type: Abuse\r\nVersion: 1\r\n").complained_about()

    assert abuse is not None
    assert list(abuse.link_tokens()) == ["A" * 60]
    assert report("Feedback-Type: not-spam\r\n").complained_about() is None
    assert report("User-Agent: x\r\n").complained_about() is None
    assert parts(entity(b"\r\n")).reports == ()
