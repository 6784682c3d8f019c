"""Mails that must have no effect: the N vectors of docs/requirements.md, reports, and what no
person wrote.
"""

import pytest

from app.core.model import Purpose, Source
from app.store.redis import RedisStore
from app.usecases.mailto import Complaints
from tests.support.inbox import Inbox, receiving
from tests.support.people import DOMAIN, Person, codec_of, mail, person

FORWARD_BOX = f"unsubscribe-dc01@{DOMAIN}"
MIXED = "Content-Type: multipart/mixed; boundary=b\r\n"
ROOT = f"unsubscribe@{DOMAIN}"


def links(who: Person) -> str:
    """Return the List-Unsubscribe field of the copy that somebody got."""
    return (
        f"List-Unsubscribe: <https://unsubscribe.example.com/u?qmoe={who.token}>,\r\n"
        f" <mailto:{who.box}?subject=Unsubscribe>\r\n"
    )


def report(who: Person, *, type_: str, facts: str) -> bytes:
    """Return a report about the copy that somebody got."""
    original = f"From: <news@acme.example>\r\n{links(who)}Subject: {who.subject}\r\n\r\nHello\r\n"
    body = (
        f"--b\r\n\r\nA report. {who.subject}\r\n--b\r\n{facts}\r\n--b\r\nContent-Type:"
        f" message/rfc822\r\n\r\n{original}\r\n--b--\r\n"
    )
    return mail(
        body,
        subject="report",
        fields=(
            f"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={type_};"
            " boundary=b\r\n"
        ),
    )


def complaint(who: Person, kind: str = "abuse") -> bytes:
    return report(
        who,
        type_="feedback-report",
        facts=f"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\n",
    )


@pytest.mark.parametrize("box", [ROOT, FORWARD_BOX, "", f"complaints@{DOMAIN}"])
async def test_a_bounce_that_quotes_our_links_does_nothing(inbox: Inbox, box: str) -> None:
    """Catalogue M2, M14: vector N-1."""
    ann = person()
    bounce = report(
        ann,
        type_="delivery-status",
        facts="Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n",
    )

    replies = [
        await inbox.takes(bounce, box or ann.box, sender=sender)
        for sender in ("", "mta@example.net")
    ]

    assert all(reply.startswith("250 ") for reply in replies)
    assert await inbox.events(ann) == []


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",  # N-2
        "X-Autoreply: yes",  # N-3
        "Precedence: auto_reply",
        "X-Auto-Response-Suppress: All",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "List-Id: <x.example>",
    ],
)
async def test_automatic_mail_to_an_address_without_a_token_does_nothing(
    inbox: Inbox, field: str
) -> None:
    """Catalogue M2: vectors N-2 and N-3."""
    ann = person()

    reply = await inbox.takes(mail(ann.subject, subject=ann.subject, fields=f"{field}\r\n"), ROOT)

    assert reply.startswith("250 ")
    assert await inbox.events(ann) == []


ANSWER = "Auto-Submitted: auto-replied\r\nIn-Reply-To: <1@acme.example>"


@pytest.mark.parametrize(
    "field", [ANSWER, "Precedence: auto_reply", "X-Autoreply: yes", "Return-Path: <>"]
)
async def test_bounces_and_answers_do_nothing_in_the_forward_box_nor_inside_a_mail_there(
    inbox: Inbox, field: str
) -> None:
    """Catalogue M2, M5, M14."""
    ann = person()
    answer = mail(subject=ann.subject, fields=f"{field}\r\n")
    carrier = mail(
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{answer.decode()}\r\n--b--",
        fields="Content-Type: multipart/mixed; boundary=b\r\n",
    )

    await inbox.takes(answer, FORWARD_BOX)
    await inbox.takes(carrier, FORWARD_BOX)

    assert await inbox.events(ann) == []


@pytest.mark.parametrize(
    "subject", ["Automatic reply: Spring", "Re: {}", "Out of office: {}", "Auto: {}", "Abwesend"]
)
async def test_a_vacation_reply_to_our_mail_does_nothing_in_the_forward_box_whatever_it_quotes(
    inbox: Inbox, subject: str
) -> None:
    """Catalogue M2: what the brand's mailbox got and its rule handed on."""
    ann = person()
    body = f"I am away.\r\n\r\n> {ann.subject}\r\n> mailto:{ann.box}\r\n"

    await inbox.takes(
        mail(body, subject=subject.format(ann.subject), fields="Auto-Submitted: auto-replied\r\n"),
        FORWARD_BOX,
    )

    assert await inbox.events(ann) == []


async def test_what_the_mail_of_a_button_quotes_or_attaches_does_nothing_in_the_forward_box(
    inbox: Inbox,
) -> None:
    """Catalogue M2, M5: only the subject and the address fields are what the button writes."""
    ann, bob = person(), person()
    inside = (
        f"--b\r\n\r\n{bob.subject}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject:"
        f" {bob.subject}\r\n\r\n--b--\r\n"
    )

    await inbox.takes(
        mail(inside, subject=ann.subject, fields=f"Auto-Submitted: auto-replied\r\n{MIXED}"),
        FORWARD_BOX,
    )

    assert (await inbox.left(ann), await inbox.left(bob)) == (True, False)


REPORTS = [
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
    "Content-Type: message/delivery-status",
    "Content-Type: message/disposition-notification",
    "X-Failed-Recipients: a@b.example",
    "X-MS-Exchange-Message-Is-Ndr:  yes",
    "Return-Path: <>",
]


@pytest.mark.parametrize("field", REPORTS)
async def test_a_report_at_the_address_of_a_copy_does_nothing(inbox: Inbox, field: str) -> None:
    """Catalogue M2."""
    ann = person()

    replies = [await inbox.takes(mail(subject="unsubscribe", fields=f"{field}\r\n"), ann.box)]
    replies.append(await inbox.takes(mail(subject="unsubscribe"), ann.box, sender=""))

    assert {"250"} == {reply[:3] for reply in replies}
    assert await inbox.events(ann) == []


@pytest.mark.parametrize(
    "box", [ROOT, FORWARD_BOX, f"complaints@{DOMAIN}", f"abuse@{DOMAIN}", f"postmaster@{DOMAIN}"]
)
async def test_words_without_a_token_do_nothing_whoever_seems_to_send_them(
    inbox: Inbox, box: str
) -> None:
    """Catalogue M4, M13: vector N-4. That mode is off, and there is no setting that turns it on."""
    ann = person()

    await inbox.takes(
        mail("unsubscribe me please", subject="UNSUBSCRIBE", author=ann.address),
        box,
        sender=ann.address,
    )

    assert await inbox.events(ann) == []


@pytest.mark.parametrize("listed", [True, False])
async def test_a_newsletter_in_copy_to_the_root_does_nothing(inbox: Inbox, listed: bool) -> None:
    """Catalogue M5: vector N-5, also when its link fields were lost on the way and only the links
    in its text are left.
    """
    ann = person()
    text = (
        f"News! Leave: https://unsubscribe.example.com/u?qmoe={ann.token}\r\nor"
        f" <mailto:{ann.box}?subject=Unsubscribe>\r\n"
    )

    await inbox.takes(mail(text, subject="Spring", fields=links(ann) if listed else ""))

    assert await inbox.events(ann) == []


async def test_a_whole_newsletter_attached_and_sent_to_the_root_does_nothing(inbox: Inbox) -> None:
    """Catalogue M5."""
    ann = person()
    newsletter = (
        f"From: <news@acme.example>\r\n{links(ann)}Subject: {ann.subject}\r\n\r\n{ann.subject}"
    )
    content = mail(
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{newsletter}\r\n--b--",
        fields="Content-Type: multipart/mixed; boundary=b\r\n",
    )

    await inbox.takes(content)

    assert await inbox.events(ann) == []


@pytest.mark.parametrize("purpose", [Purpose.CALLBACK, Purpose.ONE_CLICK, Purpose.PREFERENCES])
async def test_a_token_for_something_else_does_nothing(inbox: Inbox, purpose: Purpose) -> None:
    """Catalogue M4, T4."""
    ann = person()

    await inbox.takes(mail(subject=ann.subject.replace(ann.token, ann.token_for(purpose))), ROOT)

    assert await inbox.events(ann) == []


async def test_a_token_under_a_foreign_key_does_nothing(inbox: Inbox) -> None:
    """Catalogue M4."""
    ann = person(codec=codec_of(b"f" * 32))

    reply = await inbox.takes(mail(subject=ann.subject))

    assert reply.startswith("250 ")
    assert await inbox.events(ann) == []


@pytest.mark.parametrize("box", [ROOT, FORWARD_BOX, f"complaints@{DOMAIN}", f"abuse@{DOMAIN}"])
async def test_a_complaint_unsubscribes_as_a_complaint(inbox: Inbox, box: str) -> None:
    """Catalogue B1: vector N-6. It goes its own way, and says so in its source."""
    ann = person()

    await inbox.takes(complaint(ann), box)

    (event,) = await inbox.events(ann)
    assert event.statement.source is Source.COMPLAINT


async def test_a_complaint_whose_links_were_taken_out_still_names_the_address_of_the_copy(
    inbox: Inbox,
) -> None:
    """Catalogue B1: sparse reports."""
    ann = person()
    sparse = (
        complaint(ann)
        .replace(ann.token.encode(), b"redacted")
        .replace(b"message/rfc822", b"text/rfc822-headers")
    )

    await inbox.takes(sparse, f"complaints@{DOMAIN}")

    assert await inbox.left(ann)


async def test_microsofts_own_form_of_a_complaint_is_read_in_the_box_for_complaints(
    inbox: Inbox,
) -> None:
    """Catalogue B1."""
    ann, bob = person(), person()

    def junk_report(who: Person) -> bytes:
        original = (
            f"X-HmXmrOriginalRecipient: <{who.address}>\r\nFrom:"
            f" <news@acme.example>\r\n{links(who)}\r\nHello"
        )
        body = f"--b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n--b--"
        return mail(body, subject="complaint", fields=MIXED, author="staff@hotmail.example")

    await inbox.takes(junk_report(ann), f"complaints@{DOMAIN}")
    await inbox.takes(junk_report(bob), ROOT)

    assert (await inbox.left(ann), await inbox.left(bob)) == (True, False)


@pytest.mark.parametrize("kind", ["not-spam", "fraud", "other"])
async def test_a_report_that_is_no_complaint_does_nothing(inbox: Inbox, kind: str) -> None:
    """Catalogue B1."""
    ann = person()

    await inbox.takes(complaint(ann, kind), f"complaints@{DOMAIN}")

    assert await inbox.events(ann) == []


@pytest.mark.parametrize(
    ("policy", "left_group", "left_all"),
    [
        (Complaints.IGNORE, False, False),
        (Complaints.UNSUBSCRIBE, True, False),
        (Complaints.UNSUBSCRIBE_ALL, False, True),
    ],
)
async def test_the_operator_decides_how_wide_a_complaint_reaches(
    valkey: RedisStore, policy: Complaints, left_group: bool, left_all: bool
) -> None:
    """Catalogue B1, B3."""
    ann = person(groups=("news",))

    async with receiving(valkey, complaints=policy) as inbox:
        await inbox.takes(complaint(ann), f"complaints@{DOMAIN}")

        state = await inbox.state(ann)
    assert (
        any(not said.subscribed for said in state.groups.values()),
        not state.everything.subscribed,
    ) == (left_group, left_all)


OF_A_QUOTED_MAIL = [
    "De: x <x@y>\r\nEnviado: lunes\r\nAsunto: {}\r\n",
    "De : x <x@y>\r\nEnvoyé : lundi\r\nÀ : y\r\nObjet : {}\r\n",
    "From: x\r\nCc: z\r\nSubject: {}\r\n",
    "*From:* x\r\n*Sent:* y\r\n*Subject:* {}\r\n",
    "From: x\r\n y\r\nTo: z\r\nSubject: {}\r\n",
    "差出人: x\r\n件名: {}\r\n",
    "发件人：x\r\n主题：{}\r\n",
    "Van: x\r\nVerzonden: y\r\nOnderwerp: {}\r\n",
    "Von: x\r\nAn: y\r\nBetreff: {}\r\n",
    "Från: x\r\nTill: y\r\nÄmne: {}\r\n",
    "Od: x\r\nDo: y\r\nTemat: {}\r\n",
    "От: x\r\nКому: y\r\nТема: {}\r\n",
    "> {}\r\n",
    "  >> {}\r\n",
    "Am 1.1. schrieb x:\r\n| {}\r\n",
    "-----Ursprüngliche Nachricht-----\r\n{}\r\n",
    "Return-Path: <n@acme.example>\r\nX: y\r\n{}\r\n",
    "List-Unsubscribe: <https://x.example>\r\n{}\r\n",
]


@pytest.mark.parametrize("quoted", OF_A_QUOTED_MAIL)
async def test_what_a_text_quotes_is_no_request_and_what_stands_above_it_is(
    inbox: Inbox, quoted: str
) -> None:
    """Catalogue M5: as mail software writes the head of a quoted mail, in many languages."""
    ann, bob = person(), person()
    utf8 = (
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding:"
        " 8bit\r\n"
    )

    await inbox.takes(
        mail("For your information\r\n\r\n" + quoted.format(ann.subject), fields=utf8), ROOT
    )
    await inbox.takes(
        mail(f"{bob.subject}\r\n\r\n" + quoted.format(ann.subject), fields=utf8), ROOT
    )

    assert not await inbox.left(ann)
    assert await inbox.left(bob)


QUOTED_HTML = [
    (
        "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt'><p><b>From:</b>"
        " x<br>{}</p></div>"
    ),
    '<div class="yahoo_quoted">{}</div>',
    "<div class='moz-cite-prefix'>x</div><pre>{}</pre>",
    "<div id='appendonsend'></div><hr>{}",
    '<div class="moz-forward-container"><table><tr><th>Subject:</th><td>{}</td></tr></table></div>',
    '<div dir="ltr" class="x gmail_quote y">{}</div>',
    '<BLOCKQUOTE type="cite">{}</BLOCKQUOTE>',
    '<div class="protonmail_quote">{}</div>',
    "<p>-----Original Message-----</p>{}",
]
UNSEEN_HTML = [
    "<style>{}</style>",
    "<!-- {} -->",
    "<script>{}</script>",
    "<title>{}</title>",
    "<p title='a>{}'>x</p>",
    '<p title="a > {}">x</p>',
]


@pytest.mark.parametrize("quoted", [*QUOTED_HTML, *UNSEEN_HTML])
async def test_nor_is_what_html_quotes_or_shows_to_nobody(inbox: Inbox, quoted: str) -> None:
    """Catalogue M5."""
    ann, bob = person(), person()
    html = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"

    await inbox.takes(
        mail("<p>For your information</p>" + quoted.format(ann.subject), fields=html), ROOT
    )
    await inbox.takes(mail(f"<p>{bob.subject}</p>" + quoted.format(ann.subject), fields=html), ROOT)

    assert not await inbox.left(ann)
    assert await inbox.left(bob)


@pytest.mark.parametrize(
    "text",
    [
        "https://unsubscribe.example.com/u?qmoe=\r\n{token}",
        "https://unsubscribe.example.com/u/\r\n{token}",
        "https://unsubscribe.example.com/u?qmoe='{token}'",
        "https://unsubscribe.example.com/u?qmoe=<wbr>{token}",
        "https://unsubscribe.example.com/u?qmoe=<\r\n{token}",
        "<https://unsubscribe.example.com/u?x=1&qmoe=  {token}>",
        "mailto:{box}?subject=Unsubscribe | cattr:SUQ=-{token}",
        "<mailto:{box}?subject=Unsubscribe%20|%20cattr:SUQ=-{token}>",
    ],
)
@pytest.mark.parametrize("kind", ["plain", "html"])
async def test_a_link_in_a_text_is_no_request_also_where_it_was_wrapped(
    inbox: Inbox, text: str, kind: str
) -> None:
    """Catalogue M5: a newsletter that somebody sends on must not unsubscribe its first reader."""
    ann = person()
    fields = f"MIME-Version: 1.0\r\nContent-Type: text/{kind}\r\n"

    await inbox.takes(
        mail("See " + text.format(token=ann.token, box=ann.box) + "\r\n", fields=fields), ROOT
    )

    assert not await inbox.left(ann)


@pytest.mark.parametrize(
    "prefix",
    [
        "Automatic reply: ",
        "Undeliverable: ",
        "Undelivered Mail Returned to Sender: ",
        "Automatische Antwort: ",
        "Réponse automatique : ",
    ],
)
async def test_a_subject_that_software_returned_is_no_request(inbox: Inbox, prefix: str) -> None:
    """Catalogue M2: no other field says that nobody wrote it; at the address of a token it is a
    request like any mail.
    """
    ann, bob = person(), person()

    await inbox.takes(mail("I am away", subject=prefix + ann.subject), ROOT)
    await inbox.takes(mail("I am away", subject=prefix + "x"), bob.box)

    assert not await inbox.left(ann)
    assert await inbox.left(bob)


async def test_a_report_of_two_kinds_is_no_complaint(inbox: Inbox) -> None:
    """Catalogue B1."""
    ann = person()

    await inbox.takes(complaint(ann, "abuse\r\nFeedback-Type: not-spam"), f"complaints@{DOMAIN}")

    assert not await inbox.left(ann)
