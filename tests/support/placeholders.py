"""Mails with placeholders, and what becomes of them."""

import email
import email.policy
import html
from collections.abc import Mapping
from email.message import EmailMessage

from app.core.mail.macros import SPELLINGS, Placeholder
from app.core.mail.macros_plan import plan_body
from app.core.mail.message import parse

URLS = {
    kind: f"https://pages.example.com/{kind.replace('_', '-')}?e={'Tok-3n_' * 16}&x=1"
    for kind in Placeholder
}
WRITTEN = {
    spelling.written: spelling for spelling in sorted(SPELLINGS, key=lambda one: -len(one.written))
}
MEANINGS = {written: spelling.placeholder for written, spelling in WRITTEN.items()}


def replacement(written: str, kind: str, urls: Mapping[Placeholder, str]) -> str:
    """Return what stands for a placeholder in the text of a part of this kind."""
    spelling = WRITTEN[written]
    url = (
        html.escape(urls[spelling.placeholder])
        if kind == "text/html"
        else urls[spelling.placeholder]
    )
    words = "..." if spelling.labelled else spelling.link
    return f'<a href="{url}">{words}</a>' if kind == "text/html" and words else url


HEAD = b"From: news@acme.example\r\n"


def part(text: bytes, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit") -> bytes:
    """Return a mail of one part, its text already in this transfer encoding."""
    return (
        HEAD
        + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        + text
    )


def filled(mail: bytes, urls: dict[Placeholder, str] = URLS) -> bytes | None:
    """Return the mail with its placeholders replaced, None when it has none to be replaced."""
    message = parse(mail)
    plan = plan_body(message, url_chars=max(len(url) + 8 for url in urls.values()))
    return None if plan is None else message.head + message.separator + plan.fill(urls)


def texts(mail: bytes) -> list[str]:
    """Return the text parts of a mail as the standard library's parser reads them."""
    parsed = email.message_from_bytes(mail, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    return [str(one.get_content()) for one in parsed.walk() if one.get_content_maintype() == "text"]
