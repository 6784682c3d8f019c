"""What a reader sees: a link to leave, and no template's text left over."""

import re
from collections.abc import Iterator, Sequence

from app.core.mail.inbound_parts import Entity, parts
from app.core.mail.lint.charsets import DecodedText, text_of
from app.core.mail.lint.html_text import Link, Piece, of_html, of_plain, references
from app.core.mail.lint.rules import Finding
from app.core.mail.lint.ways_out import Fault, Named, left_placeholder, ways_out

_PLACEHOLDERS = re.compile(
    r"\*(?:\||%7C)[A-Z0-9_:]{1,100}(?:\||%7C)\*"  # ours, CleverTap's and Mailchimp's form
    r"|\{\{\s{0,9}amazonSESUnsubscribeUrl\s{0,9}\}\}"
    r"|<%\s{0,9}asm_\w{1,100}\s{0,9}%>"
    r"|%(?:tag_|mailing_list_)?unsubscribe_(?:url|email)%"
    r"|\{\{\{\s{0,9}pm:unsubscribe[^{}]{0,200}\}\}\}"
    r"|\{\{\s{0,9}(?:unsubscribe_?(?:url|link)?|UserAttribute\[[^\]]{0,200}\])[^{}]{0,200}\}\}"
    r"|(?:\{\{\{?|\{\$|\$\{|\{%|<%|%%|\[\[|###|::|#\{)[\s=-]{0,9}[\w.:/-]{0,50}(?:unsub|opt_?-?out)[\w.:/|-]{0,50}\s{0,9}"
    r"(?:\}\}\}?|\}|%\}|%>|%%|\]\]|###|::)",
    re.IGNORECASE,
)
_NOT_READ = frozenset(
    (
        "text/calendar",
        "text/css",
        "text/csv",
        "text/vcard",
        "text/x-vcard",
        "text/x-amp-html",
        "text/javascript",
    )
)
_MOST_CHARS = 2 * 1024 * 1024  # of all texts of a mail; bounds the time on any input
_QUOTED = 100


def judge(mail: Entity) -> Iterator[Finding]:
    """Yield what is wrong with the text parts."""
    texts, whole = _texts(mail)
    pieces = [of_html(text.text) if text.is_html else of_plain(text.text) for text in texts]
    if left := _left(texts, pieces):
        yield Finding("placeholder-left", f"the body still holds {left}")
    named = [found for text in pieces for found in _until_good(text)]
    if not any(found.fault is None for found in named):
        private = bool(named) and named[0].fault is Fault.PRIVATE
        yield Finding("body-host-not-public" if private else "body-no-link", _why(named))
    if not whole:
        yield Finding(
            "text-not-read",
            "the text is so long that only its beginning and its end were looked at",
        )


def _texts(mail: Entity) -> tuple[list[DecodedText], bool]:
    found: list[DecodedText] = []
    room, whole = _MOST_CHARS, True
    for part in parts(mail).texts:
        if part.media_type in _NOT_READ:
            continue
        if room <= 0:
            return found, False
        text = text_of(part)
        whole = whole and text.whole
        room -= len(text.text)
        found.append(text)
    return found, whole


def _until_good(text: Sequence[Piece]) -> Iterator[Named]:
    """Yield the links that are named as a way out, up to the first one that works."""
    for found in ways_out(text):
        yield found
        if found.fault is None:
            return


def _left(texts: Sequence[DecodedText], pieces: Sequence[Sequence[Piece]]) -> str:
    """Return a placeholder that was not replaced: one that is known, or whatever looks like one
    where a link leads to.
    """
    for text in texts:
        if found := _PLACEHOLDERS.search(references(text.text) if text.is_html else text.text):
            return found[0][:_QUOTED]
    links = (piece for text in pieces for piece in text if isinstance(piece, Link))
    return next((left[:_QUOTED] for link in links if (left := left_placeholder(link.url))), "")


def _why(named: Sequence[Named]) -> str:
    if not named or (fault := named[0].fault) is None:
        return "no link in the body is named as a way to leave"
    link = named[0].link
    label = " ".join(link.label.split())[:_QUOTED]
    words = f'the link "{label}"' if label else "the link to leave"
    place, mark, _ = link.url[:_QUOTED].partition("?")  # what follows may be a token
    return f'{words} leads to "{place}{mark and "?…"}": {fault.value}'
