"""Any mail at all: it is answered 250, leaves no traceback, and is looked at within its budget."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import NotFound, TokenMalformed
from app.core.mail import inbound_budget
from app.core.mail.inbound import Incoming
from app.core.mail.inbound_budget import ReadingBudget
from app.core.mail.inbound_mailbox import Mailboxes, Role
from app.core.token import TokenCodec
from app.usecases.mailto import MailtoVerdict, Outcome
from tests.support.inbox import Inbox, mailto_of, receiving
from tests.support.memory_store import MemoryStore
from tests.support.people import DOMAIN, mail, person

CORPUS = Path(__file__).parents[1] / "corpus/inbound"
BOXES = tuple(
    f"{name}@{DOMAIN}"
    for name in ("unsubscribe", "unsubscribe-dc01", "complaints", "abuse", "postmaster")
)
HTML = "Content-Type: text/html\r\n"
MIXED = "Content-Type: multipart/mixed; boundary=b\r\n"
MILLION = 1_000_000


def judged(
    content: bytes, *recipients: str, budget: ReadingBudget | None = None
) -> list[MailtoVerdict]:
    """Return the verdicts on a mail, without a listener."""
    return list(
        mailto_of(MemoryStore()).judge(
            recipients or BOXES, Incoming.read(content, null_sender=False, budget=budget)
        )
    )


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.eml")))
async def test_no_mail_of_the_corpus_is_put_off(
    inbox: Inbox, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue M6, N16."""
    ann = person()
    content = (
        (CORPUS / name)
        .read_bytes()
        .replace(b"u-TOKEN@in.acme.example", ann.box.encode())
        .replace(b"TOKEN", ann.token.encode())
    )

    replies = [await inbox.takes(content, box) for box in (*BOXES, ann.box)]

    assert {"250"} == {reply[:3] for reply in replies}
    said = "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert "mailto_unreadable" not in said


REFERENCES = [
    "&#" + "1" * 4301 + ";",
    "&#x" + "f" * 6000 + ";",
    "&#" + "0" * 6000 + "65;",
    "&#55296;",
    "&#x110000;",
    "&#-1;",
    "&#;",
    "&;",
]
ODD_HEADS = [
    "Content-Type: text/plain; charset=\"no'such\"\r\n",
    "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n",
    "Content-Type: text/plain; charset=idna\r\n",
    "Content-Type: text/plain; charset=unicode_escape\r\n",
    "Content-Type: text/plain; charset=zlib\r\nContent-Transfer-Encoding: x-uuencode\r\n",
    "Content-Type: multipart/mixed; boundary=\"\"\r\n",
    "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n",
    "Content-Type: " + "multipart/" * 500 + "\r\n",
    "Content-Length: " + "9" * 5000 + "\r\n",
    "Subject: =?utf-8?B?" + "=" * 300 + "?=\r\n",
    "Subject: =?utf-8?B?A?= =?x?Q?=ZZ=?=\r\n",
    "Subject: =?utf-16?B?2AA=?=\r\n",
    "Subject: %ff%fe%D8%00 cattr:\r\n",
    "From: a@xn--\r\nFrom: b@xn--a.xn--b\r\nFrom: c@\u0378.\u0600\r\n",
    "From: d@" + "\u00fc" * 120 + "\r\n",
    "From: e@\u2488com, f@a\u3002b, g@\ufdfa.example\r\n",
    "To: u-\u00df\u0130@in.example.com, u-@\uff49n.example.com\r\n",
    "Date: " + "1" * 5000 + "\r\nX-Priority: " + "1" * 5000 + "\r\n",
    "\u00a0: x\r\n: y\r\n",
    "Auto-Submitted: " + ";" * 5000 + "\r\n",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFERENCES) + len(ODD_HEADS)))
async def test_no_conversion_makes_a_mail_come_again(
    inbox: Inbox, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue M6: huge digits, charsets nobody knows, broken words, domains that are none."""
    ann = person()
    is_head = number >= len(REFERENCES)
    fields = ODD_HEADS[number - len(REFERENCES)] if is_head else HTML
    body = "x" if is_head else f"<p>{REFERENCES[number]}</p>\r\n"

    replies = [await inbox.takes(mail(body, fields=fields), box) for box in (*BOXES, ann.box)]

    assert {"250"} == {reply[:3] for reply in replies}
    assert await inbox.left(ann)
    said = "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert "mailto_unreadable" not in said


PIECES = st.sampled_from(
    (*REFERENCES, *ODD_HEADS, HTML, "\r\n", "\r\n\r\n", "--b\r\n", "--b--", "<", ">", "cattr:", "-",
     " AQxxxxxxxxxxxxxx",
     "@", "\u00ad",
     "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: message/rfc822\r\n",
     "Content-Transfer-Encoding: base64\r\n",
     "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n",
     "Content-Type: message/feedback-report\r\n", "Feedback-Type: abuse\r\n",
     "List-Unsubscribe: <https://x/u?qmoe=", "Subject: ", "To: u-", f"@{DOMAIN}",
     "X-HmXmrOriginalRecipient: a\r\n")
)  # fmt: skip
ANY_MAIL = st.lists(
    PIECES
    | st.text(max_size=30)
    | st.binary(max_size=30).map(lambda octets: octets.decode("latin-1")),
    max_size=30,
)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(ANY_MAIL, st.sampled_from(["utf-8", "latin-1", "utf-16"]), st.booleans())
def test_any_mail_can_be_judged_in_every_mailbox(
    pieces: list[str], charset: str, null_sender: bool
) -> None:
    """Reading a mail never raises, whatever its octets are."""
    content = "".join(pieces).encode(charset, "replace")
    verdicts = mailto_of(MemoryStore()).judge(
        (*BOXES, person().box), Incoming.read(content, null_sender=null_sender)
    )

    # complaints@ and abuse@ are one mailbox, and the token's is one more
    assert len(BOXES) == len(verdicts)


async def test_a_defect_in_reading_puts_one_mail_aside_and_obeys_an_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catalogue M6: 250, one line of what happened and none of what the mail said."""
    ann = person()

    def broken(*_: object, **__: object) -> Iterator[str]:
        raise ValueError("the mail's own words")

    async with receiving(MemoryStore(), maildir=tmp_path / "people") as inbox:
        with monkeypatch.context() as patched:
            patched.setattr(Incoming, "subjects", broken)
            reply = await inbox.takes(mail(subject="x"), f"unsubscribe@{DOMAIN}", ann.box)
        filed = inbox.filed()

        assert await inbox.left(ann)
    assert reply.startswith("250 ")
    assert 1 == len(filed)


HOSTILE = {
    "tokens": ("", " AQxxxxxxxxxxxxxx"),
    "long tokens": ("", " AQ" + "x" * 60),
    "foreign addresses": ("", "a@ü.ö "),
    "our addresses": ("", f"u-a@{DOMAIN} "),
    "at signs": ("", "@"),
    "marks": ("", "cattr:"),
    "marks with an end": ("", "cattr:-AQ "),
    "tokens in HTML": (HTML, "<p>cattr:-AQ&shy;"),
    "attached mails": (
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nTo: a@b\r\n\r\n\r\n",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_candidates_is_looked_at_within_the_budget(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue N16, M11: also for a hundred recipients. Counted, since timing decides no test."""
    fields, piece = HOSTILE[name]
    opened = count()
    monkeypatch.setattr(TokenCodec, "open", lambda *_, **__: refused(opened))
    budget = ReadingBudget(lambda: 0.0)
    content = mail(piece * (MILLION // len(piece)), fields=fields)

    verdicts = judged(content, *BOXES, *(person().box for _ in range(95)), budget=budget)

    assert inbound_budget.MOST_CANDIDATES >= next(opened)
    assert 98 <= len(verdicts) <= 100
    assert any(verdict.outcome is Outcome.QUARANTINED for verdict in verdicts)
    assert [Outcome.OBEYED] * 95 == [
        verdict.outcome for verdict in verdicts if verdict.role is Role.TOKEN
    ]


def refused(opened: "count[int]") -> object:
    next(opened)
    raise TokenMalformed("counted")


def test_a_hundred_spellings_of_one_mailbox_are_judged_once() -> None:
    """Catalogue N16."""
    name = "unsubscribe-dc01"
    spellings = [
        "".join(c.upper() if n >> at & 1 else c for at, c in enumerate(name)) + f"@{DOMAIN}"
        for n in range(100)
    ]
    ann = person()

    verdicts = judged(mail(ann.subject), *spellings, ann.box, ann.box.upper())

    assert [Role.FORWARD, Role.TOKEN] == [verdict.role for verdict in verdicts]
    assert spellings[0] == verdicts[0].recipient


def test_the_reading_ends_with_its_time() -> None:
    """Catalogue N16."""
    ticks = count(0, 0.1)

    forward, token = judged(
        mail(" AQ" + "x" * 60 + "\r\n" * 200),
        BOXES[1],
        person().box,
        budget=ReadingBudget(lambda: next(ticks)),
    )
    slow = judged(
        mail(" AQxxxxxxxxxxxxxx" * 2000), BOXES[1], budget=ReadingBudget(lambda: next(ticks))
    )

    assert Outcome.OBEYED is token.outcome
    assert Outcome.IGNORED is forward.outcome
    assert [(Outcome.QUARANTINED, "too_slow")] == [
        (verdict.outcome, verdict.reason) for verdict in slow
    ]


def test_more_requests_than_a_mail_may_make_are_told() -> None:
    """Catalogue M5: the first hundred are obeyed, and people see that there are more."""
    many = "\r\n".join(person().subject for _ in range(120))

    (verdict,) = judged(mail(many), BOXES[1])

    assert (Outcome.OBEYED, 100, "too_many_requests") == (
        verdict.outcome,
        len(verdict.requests),
        verdict.reason,
    )


@pytest.mark.parametrize(
    "spelling",
    ["in.example.com", "IN.Example.COM", "\uff49n.example.com", "in\u3002example\u3002com"],
)
def test_our_domain_is_known_in_every_spelling(spelling: str) -> None:
    assert Role.ROOT is Mailboxes(domain=DOMAIN, data_centre=1).of(f"unsubscribe@{spelling}").role


@pytest.mark.parametrize(
    "spelling",
    ["xn--bcher-kva.example", "bücher.example", "BÜCHER.example", "bu\u0308cher.example"],
)
def test_our_international_domain_is_known_in_every_spelling(spelling: str) -> None:
    assert (
        Role.ROOT
        is Mailboxes(domain="xn--bcher-kva.example", data_centre=1)
        .of(f"unsubscribe@{spelling}")
        .role
    )


def test_no_foreign_domain_costs_idna(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue N16."""
    mailboxes = Mailboxes(domain="xn--bcher-kva.example", data_centre=1)
    looked = count()
    monkeypatch.setattr(
        "app.core.mail.inbound_mailbox.ascii_domain",
        lambda domain: json.dumps([domain, next(looked)]),
    )

    for domain in ("ü.ö", "bücher.exämple", "büche.example", "x.bücher.example"):
        with pytest.raises(NotFound):
            mailboxes.of(f"u-a@{domain}")

    assert 0 == next(looked)
