"""What a placeholder becomes by what stands around it, and mail in which nobody fills it in."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.core.mail.macros import SPELLINGS, Placeholder, Spelling
from app.core.model import Brand, Management, StrayPlaceholder
from tests.support.relay import ACME, PROMOTIONAL, relaying, without_trace

HEAD = PROMOTIONAL.partition(b"\r\n\r\n")[0] + b"\r\n"
PLAIN = HEAD.replace(b"X-Signoff-Campaign: spring-24\r\n", b"")
HTML = b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
URL = re.compile(r"https://unsubscribe\.example\.com/(?:unsubscribe|preferences)\?e=[\w-]+")
BOX = re.compile(r"u-[a-z2-7]+@in\.example\.com")
INBOX = "in.example.com"


async def body_of(text: str, *, html: bool = True) -> str:
    """Return what becomes of a text, each URL as `URL` and each address to write to as `BOX`; the
    reply where it is refused.
    """
    async with relaying(inbox_domain=INBOX) as relay:
        reply = await relay.relayed(
            HEAD + (HTML if html else b"") + b"\r\n" + text.encode() + b"\r\n"
        )
    if not relay.sink.received:
        return reply
    body = relay.sink.received[0].content.partition(b"\r\n\r\n")[2].decode().removesuffix("\r\n")
    return BOX.sub("BOX", URL.sub("URL", body))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<a href="http://*|UNSUBSCRIBE|*">leave</a>', '<a href="URL">leave</a>'),
        ('<a href="https://{{{ pm:unsubscribe }}}">leave</a>', '<a href="URL">leave</a>'),
        ("<a href='HTTPS://%unsubscribe_url%'>leave</a>", "<a href='URL'>leave</a>"),
        ("<a href=http://*|UNSUBSCRIBE|*>leave</a>", "<a href=URL>leave</a>"),
        ('<a href = "//*|UNSUBSCRIBE|*">leave</a>', '<a href = "URL">leave</a>'),
        ('<a href="https:*|UNSUBSCRIBE|*">leave</a>', '<a href="URL">leave</a>'),
        ('<a href="http&#58;//*|UNSUBSCRIBE|*">leave</a>', '<a href="URL">leave</a>'),
        ('<a href="http%3A%2F%2F*%7CUNSUBSCRIBE%7C*">leave</a>', '<a href="URL">leave</a>'),
        (
            '<a title="a > b" href="http://*|UNSUBSCRIBE|*">leave</a>',
            '<a title="a > b" href="URL">leave</a>',
        ),
        (
            '<a href="https://&lt;%asm_group_unsubscribe_raw_url%&gt;">leave</a>',
            '<a href="URL">leave</a>',
        ),
        ("Leave: http://*|UNSUBSCRIBE|* now", "Leave: URL now"),
        ("Leave:*|UNSUBSCRIBE|*", "Leave:URL"),
        (
            "See (*|UNSUBSCRIBE|*), or https://www.acme.example/ *|CT_MANAGE_PREFERENCES|*",
            "See (URL), or https://www.acme.example/ URL",
        ),
        # links of other senders' systems
        ("<p>{{{ pm:unsubscribe }}}</p>", '<p><a href="URL">Unsubscribe</a></p>'),
        ('<p>{{{ pm:unsubscribe label="Leave & go" }}}</p>', '<p><a href="URL">Leave & go</a></p>'),
        ("<p>{{{pm:unsubscribe label='Abmelden'}}}</p>", '<p><a href="URL">Abmelden</a></p>'),
        (
            "<p>{{{ pm:unsubscribe label=&quot;D&eacute;sabonner&quot; }}}</p>",
            '<p><a href="URL">D&eacute;sabonner</a></p>',
        ),
        (
            '<a href="{{{ pm:unsubscribe label=&quot;x&quot; }}}">leave</a>',
            '<a href="URL">leave</a>',
        ),
        ("<p>{{{ pm:unsubscribe_url }}}</p>", "<p>URL</p>"),
        ('<a href="{{{ pm:unsubscribe_url }}}">leave</a>', '<a href="URL">leave</a>'),
        ("<p><%asm_group_unsubscribe_url%></p>", '<p><a href="URL">Unsubscribe</a></p>'),
        ("<p><% asm_preferences_url %></p>", '<p><a href="URL">Manage preferences</a></p>'),
        (
            "<p>&lt;%asm_global_unsubscribe_url%&gt;</p>",
            '<p><a href="URL">Unsubscribe from all</a></p>',
        ),
        ('<a href="<%asm_global_unsubscribe_url%>">leave</a>', '<a href="URL">leave</a>'),
        (
            '<a href="https://acme.example"><%asm_group_unsubscribe_url%></a>',
            '<a href="https://acme.example">URL</a>',
        ),
        (
            "<a href='x'>x</a> <%asm_group_unsubscribe_url%>",
            "<a href='x'>x</a> <a href=\"URL\">Unsubscribe</a>",
        ),
        ("<p>%mailing_list_unsubscribe_url%</p>", "<p>URL</p>"),
        (
            '<a href="mailto:%unsubscribe_email%">write</a> %unsubscribe_email%',
            '<a href="mailto:BOX">write</a> BOX',
        ),
        ('<a href="%unsubscribe_email%">write</a>', '<a href="BOX">write</a>'),
        ('<p title="*|UNSUBSCRIBE|*">x</p>', '<p title="URL">x</p>'),
        # what an earlier placeholder has opened or closed
        (
            '<a href="<%asm_group_unsubscribe_raw_url%>">\r\n<%asm_group_unsubscribe_url%></a>',
            '<a href="URL">\r\nURL</a>',
        ),
        (
            '<a href="*|UNSUBSCRIBE|*">x</a> {{{ pm:unsubscribe }}}',
            '<a href="URL">x</a> <a href="URL">Unsubscribe</a>',
        ),
        (
            '<A\thref="x"><b>{{{ pm:unsubscribe }}}</b></A>{{{ pm:unsubscribe }}}',
            '<A\thref="x"><b>URL</b></A><a href="URL">Unsubscribe</a>',
        ),
        (
            '<a href="x">' + "y\r\n" * 3000 + "{{{ pm:unsubscribe }}}</a>",
            '<a href="x">' + "y\r\n" * 3000 + "URL</a>",
        ),
        (
            "<p>{{{ pm:unsubscribe }}}{{{ pm:unsubscribe }}}</p>",
            '<p><a href="URL">Unsubscribe</a><a href="URL">Unsubscribe</a></p>',
        ),
        ("退订：*|UNSUBSCRIBE|*，偏好：*|CT_MANAGE_PREFERENCES|*。", "退订：URL，偏好：URL。"),
    ],
)
async def test_a_placeholder_becomes_one_absolute_url_a_link_or_an_address(
    text: str, expected: str
) -> None:
    """Catalogue N6."""
    assert expected == await body_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Leave: https://{{{ pm:unsubscribe }}}", "Leave: URL"),
        ('{{{ pm:unsubscribe label="x" }}}', "URL"),
        ("<%asm_group_unsubscribe_url%>", "URL"),
        ("mailto:%unsubscribe_email%", "mailto:BOX"),
        ("%unsubscribe_email%", "BOX"),
    ],
)
async def test_in_plain_text_there_are_no_links(text: str, expected: str) -> None:
    """Catalogue N6."""
    assert expected == await body_of(text, html=False)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ('<a href="https://www.acme.example/*|UNSUBSCRIBE|*">x</a>', True),
        ('<a href="/*|UNSUBSCRIBE|*">x</a>', True),
        ('<a href="?u=*|UNSUBSCRIBE|*">x</a>', True),
        ("<a href='https://click.example/?to=%2A%7CUNSUBSCRIBE%7C%2A'>x</a>", True),
        ('<a href="https://click.example/?to=http://%unsubscribe_url%">x</a>', True),
        ('<a href="mailto:*|UNSUBSCRIBE|*">x</a>', True),
        ('<a href="http://%unsubscribe_email%">x</a>', True),
        ('<a href="mailto:a@acme.example?cc=%unsubscribe_email%">x</a>', True),
        ("<a href=https://acme.example/{{amazonSESUnsubscribeUrl}}>x</a>", True),
        ("see https://www.acme.example/*|UNSUBSCRIBE|*", False),
        ("see www.acme.example/*|UNSUBSCRIBE|*", False),
        ("see www.acme.example/*|UNSUBSCRIBE|*", True),
        ("mailto:{{{ pm:unsubscribe }}}", False),
        # a piece of a URL that an earlier placeholder became
        ('<a href="*|UNSUBSCRIBE|**|UNSUBSCRIBE|*">x</a>', True),
        ('<a href="%unsubscribe_url%%unsubscribe_url%">x</a>', True),
        ('<a href="*|UNSUBSCRIBE|*\r\n*|UNSUBSCRIBE|*">x</a>', True),
        ('<a href="%unsubscribe_url%&amp;to={{{ pm:unsubscribe_url }}}">x</a>', True),
        ("*|UNSUBSCRIBE|*/x/{{{ pm:unsubscribe_url }}}", False),
        ("*|UNSUBSCRIBE|*?next=%unsubscribe_url%", True),
        ("%unsubscribe_url%%unsubscribe_url%", False),
    ],
)
async def test_a_placeholder_behind_a_piece_of_another_url_is_refused_by_name(
    text: str, html: bool
) -> None:
    """Catalogue N6."""
    reply = await body_of(text, html=html)

    assert reply.startswith("554 5.6.0 A placeholder cannot be filled in (docs/placeholders.md): ")
    assert "stands behind a piece of another URL" in reply
    assert any(spelling.core in reply for spelling in SPELLINGS)


@pytest.mark.parametrize(
    "subject",
    [
        "Leave *|UNSUBSCRIBE|*",
        "=?utf-8?q?=2A=7CUNSUBSCRIBE=7C=2A?=",
        f"=?utf-8?b?{base64.b64encode(b'%unsubscribe_url%').decode()}?=",
    ],
)
async def test_a_placeholder_in_the_subject_is_refused_by_name(subject: str) -> None:
    """Catalogue N6: only bodies are filled in."""
    async with relaying() as relay:
        reply = await relay.relayed(
            HEAD.replace(b"Subject: Spring", f"Subject: {subject}".encode()) + b"\r\nHello\r\n"
        )

    assert reply.startswith("554 5.6.0 ")
    assert "stands in the Subject field" in reply
    assert relay.sink.received == []


@pytest.mark.parametrize(
    "brand",
    [
        ACME,
        replace(
            ACME, management=Management.SELF_MANAGED, one_click_url="https://www.acme.example/u"
        ),
    ],
)
async def test_an_address_to_write_to_needs_an_inbox_of_ours(brand: Brand) -> None:
    """Catalogue N6."""
    inbox = "" if brand is ACME else INBOX
    async with relaying(brand, inbox_domain=inbox) as relay:
        reply = await relay.relayed(HEAD + b"\r\n%unsubscribe_email%\r\n")

    assert reply.endswith(
        "%unsubscribe_email% asks for an address to write to, and this brand has none here"
    )


def stray() -> dict[str, float]:
    return {
        way: REGISTRY.get_sample_value("signoff_stray_placeholders_total", {"result": way}) or 0.0
        for way in StrayPlaceholder
    }


@pytest.mark.parametrize("spelling", SPELLINGS, ids=[spelling.written for spelling in SPELLINGS])
async def test_a_placeholder_in_mail_that_is_not_promotional_is_refused(spelling: Spelling) -> None:
    """Catalogue N6: nobody would fill it in."""
    written = spelling.written
    async with relaying() as relay:
        reply = await relay.relayed(PLAIN + f"\r\nLeave: {written}\r\n".encode())

    assert reply.startswith("554 5.6.0 ")
    assert written in reply
    assert "is filled in in promotional mail alone" in reply
    assert relay.sink.received == []


HIDDEN = {
    "quoted-printable": (
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nleave *|UNSUB=\r\nSCRIBE=7C*\r\n"
    ),
    "base64": (
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(b"leave *|UNSUBSCRIBE|*").replace(b"\n", b"\r\n")
    ),
    "html": HTML + b"\r\n<a href='*&#124;UNSUBSCRIBE&#124;*'>x</a>\r\n",
    "utf-16": (
        b"Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes("*|UNSUBSCRIBE|*".encode("utf-16-le")).replace(b"\n", b"\r\n")
    ),
    "inside": (
        b"Content-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\n*|UNSUBSCRIBE|*\r\n--z--\r\n"
    ),
}


@pytest.mark.parametrize("rest", HIDDEN.values(), ids=HIDDEN.keys())
@pytest.mark.parametrize("policy", StrayPlaceholder)
async def test_a_stray_placeholder_is_found_in_every_encoding_and_counted(
    policy: StrayPlaceholder, rest: bytes
) -> None:
    """Catalogue N6: refused, or sent as it came with a line in the log, as the brand wants it."""
    before = stray()
    with capture_logs() as lines:
        async with relaying(replace(ACME, stray_placeholder=policy)) as relay:
            reply = await relay.relayed(PLAIN + rest)

    told = [line for line in lines if line["event"] == "placeholder_stray"]
    if policy is StrayPlaceholder.REJECT:
        assert (reply[:9], relay.sink.received, told) == ("554 5.6.0", [], [])
    else:
        assert without_trace(relay.sink.received[0].content) == PLAIN + rest
        assert ["*|UNSUBSCRIBE|*"] == [line["placeholder"] for line in told]
    assert stray() == before | {policy: before[policy] + 1}


@pytest.mark.parametrize(
    "mail",
    [
        b"Comments: *|UNSUBSCRIBE|*\r\n" + PLAIN + b"\r\nhello\r\n",
        PLAIN + b"Content-Transfer-Encoding: x-uuencode\r\n\r\n*|UNSUBSCRIBE|*\r\n",
    ],
)
async def test_a_stray_placeholder_that_could_not_be_filled_in_has_the_same_reason(
    mail: bytes,
) -> None:
    """Catalogue N6: one sentence, wherever it stands."""
    async with relaying() as relay:
        reply = await relay.relayed(mail)

    assert reply.startswith("554 5.6.0 ")
    assert "): *|UNSUBSCRIBE|* is filled in in promotional mail alone" in reply


QUOTING = {
    "attachment": (
        b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n*|UNSUBSCRIBE|*\r\n"
    ),
    "signed": (
        b"Content-Type: multipart/signed; boundary=z\r\n\r\n--z\r\n\r\n*|UNSUBSCRIBE|*\r\n--z--\r\n"
    ),
    "a word": b"\r\nUNSUBSCRIBE, unsubscribe_url, 100% unsubscribe_url and 50%\r\n",
}


@pytest.mark.parametrize("rest", QUOTING.values(), ids=QUOTING.keys())
async def test_what_is_no_placeholder_of_a_text_passes(rest: bytes) -> None:
    """Catalogue H9, H10."""
    async with relaying() as relay:
        reply = await relay.relayed(PLAIN + rest)

    assert reply.startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == PLAIN + rest


@pytest.mark.parametrize(
    ("field", "sender"), [(b"", ""), (b"Auto-Submitted: auto-replied\r\n", "bounce@acme.example")]
)
async def test_a_bounce_or_an_automatic_reply_may_quote_a_placeholder(
    field: bytes, sender: str
) -> None:
    """Catalogue N4, N6."""
    mail = PLAIN + field + b"\r\n> *|UNSUBSCRIBE|*\r\n"
    async with relaying() as relay:
        reply = await relay.relayed(mail, sender=sender)

    assert reply.startswith("250 ")
    assert without_trace(relay.sink.received[0].content) == mail


def test_every_placeholder_stands_in_the_documentation() -> None:
    page = (
        (Path(__file__).parents[2] / "docs/placeholders.md")
        .read_text()
        .replace("\\|", "|")
        .replace(" ", "")
    )
    for spelling in SPELLINGS:
        assert spelling.written.replace(" ", "") in page, spelling.written
    assert set(Placeholder) == {spelling.placeholder for spelling in SPELLINGS}
