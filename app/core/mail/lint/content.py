"""What a reader sees: a link to leave, and no template's text left over."""

import re
from collections.abc import Iterator
from itertools import islice

from app.core.mail.inbound_parts import Entity, decoded_text, parts
from app.core.mail.lint.rules import Finding

_PLACEHOLDERS = re.compile(
    r"\*(?:\||%7C)[A-Z0-9_:]+(?:\||%7C)\*"  # ours, CleverTap's and Mailchimp's form
    r"|\{\{\s*amazonSESUnsubscribeUrl\s*\}\}"
    r"|<%\s*asm_\w+\s*%>"
    r"|%(?:tag_|mailing_list_)?unsubscribe_(?:url|email)%"
    r"|\{\{\{\s*pm:unsubscribe(?:_url)?\s*\}\}\}"
    r"|\{\{\s*(?:unsubscribe_?(?:url|link)?|UserAttribute\[[^\]]*\])[^{}]*\}\}",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://[^\s<>\"']+|mailto:[^\s<>\"']+", re.IGNORECASE)
_ANCHOR = re.compile(r"<a\b[^>]{0,500}?href\s*=\s*[\"']?([^\"'\s>]+)[^>]{0,500}>(.{0,300}?)</a", re.IGNORECASE | re.DOTALL)
# How senders name the way out, in the languages of our pages and of the largest lists.
_WORDS = re.compile(
    r"unsubscri|opt[ -]?out|preference|abmeld|abbestell|austragen|désabonn|desabonn|désinscri|darse de baja|cancelar la susc"
    r"|descadastr|cancelar inscri|disiscriv|annulla l.iscrizione|afmeld|uitschrijv|avregistrer"
    r"|отпис|सदस्यता|取消订阅|退订|配信停止|수신거부",
    re.IGNORECASE,
)
_NEAR = 200  # characters of text around a link that may name it
_MOST_TEXT = 512 * 1024  # of one part; bounds the time on any input, as the counts above do
_MOST_LINKS = 2000


def judge(mail: Entity) -> Iterator[Finding]:
    """Yield what is wrong with the text parts."""
    texts = [(part.media_type, decoded_text(part)[:_MOST_TEXT]) for part in parts(mail).texts]
    for _, text in texts:
        if found := _PLACEHOLDERS.search(text):
            yield Finding("placeholder-left", f"the body still holds {found[0]}")
            break
    if not any(_has_link(kind, text) for kind, text in texts):
        yield Finding("body-no-link", "no link in the body is named as a way to leave")


def _has_link(kind: str, text: str) -> bool:
    if kind == "text/html" and any(_WORDS.search(f"{url} {label}") for url, label in _ANCHOR.findall(text)):
        return True
    return any(_WORDS.search(text[max(0, link.start() - _NEAR) : link.end() + _NEAR]) for link in islice(_LINK.finditer(text), _MOST_LINKS))
