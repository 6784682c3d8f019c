"""What a person wrote, out of what mail software made of it: encoded words, HTML, and quoted mail.

Only ASCII matters here, since tokens are ASCII: so no character set is ever looked up by the name that a stranger gives. Everything is
linear (catalogue M11), and no text makes any of it raise.
"""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

MAX_SUBJECT_CHARS = 4096

_WORD = re.compile(r"=\?[^?\s]{1,80}\?([QqBb])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?=\=\?)")
_Q_OCTET = re.compile(r"=([0-9A-Fa-f]{2})")
_LEADING_ZEROS = re.compile(r"(&#[xX]?)0+(?=[0-9A-Fa-f])")
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9A-Fa-f]{7,}+);?")  # beyond Unicode; int() raises on thousands of digits
_TAG = re.compile(r"<[^<>]*+>")
_HTML_QUOTE = re.compile(r"<(?:blockquote|div[^<>]*(?:gmail_quote|divRplyFwdMsg))|-----\s*Original", re.IGNORECASE)
# Where other people's words begin in a plain text: the line that mail software puts above a mail it quotes or forwards.
_TEXT_QUOTE = re.compile(
    r"^[ \t]*(?:-{2,}[^\n-]{3,80}-{2,}|_{10,}|Begin forwarded message:"
    r"|(?:From|Von|De|Da|Van): [^\n]*\n(?:Sent|Date|To|Subject|Gesendet|Datum)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED_LINE = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_QUOTE_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)


def subject_readings(value: str) -> Iterator[str]:
    """Yield the ways in which a Subject value can be read: decoded (RFC 2047), with `_` of encoded words kept, and percent-decoded.

    Clients are known to leave `_` in a Q word, where it stands for a space, and to hand a mailto URI on without decoding it.
    """
    value = value[:MAX_SUBJECT_CHARS]
    decoded = _decoded(value, underscore=" ")
    yield decoded
    if "?" in value:
        yield _decoded(value, underscore="_")
    if "%" in decoded:
        yield unquote(decoded)


def own_text(text: str) -> str:
    """Return a plain text without the lines and the mail that it quotes (catalogue M5)."""
    quote = _TEXT_QUOTE.search(text)
    return _QUOTED_LINE.sub("", text[: quote.start()] if quote else text)


def whole_text(text: str) -> str:
    """Return a plain text with its quote marks taken off."""
    return _QUOTE_MARKS.sub("", text)


def text_of_html(source: str, *, quoted: bool) -> str:
    """Return the text between the tags; with `quoted` also that of mail inside, else only what stands above it."""
    quote = None if quoted else _HTML_QUOTE.search(source)
    return unescaped(_TAG.sub(" ", source[: quote.start()] if quote else source))


def unescaped(source: str) -> str:
    """Return a text with its character references replaced, one that can be no character by U+FFFD."""
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _LEADING_ZEROS.sub(r"\1", source)) if "&#" in source else source)


def _decoded(value: str, *, underscore: str) -> str:
    joined = _BETWEEN_WORDS.sub("", value)  # RFC 2047 6.2: white space between encoded words is no part of the text
    return _WORD.sub(lambda word: _octets(word[1], word[2], underscore).decode("utf-8", "replace"), joined)


def _octets(encoding: str, text: str, underscore: str) -> bytes:
    if encoding in "Bb":
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return b""
    text = _Q_OCTET.sub(lambda octet: chr(int(octet[1], 16)), text.replace("_", underscore))
    return text.encode("latin-1", "replace")
