"""What a person wrote, out of what mail software made of it: encoded words, HTML, and quoted mail.

Only ASCII matters here, since tokens are ASCII: so no character set is ever looked up by the name
that a stranger gives. Everything is linear (catalogue M11), and no text makes any of it raise.
"""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

from app.core.mail import inbound_quotes

MAX_SUBJECT_CHARS = 4096

_WORD = re.compile(r"=\?[^?\s]{1,80}\?([QqBb])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?=\=\?)")
_Q_OCTET = re.compile(r"=([0-9A-Fa-f]{2})")
_LEADING_ZEROS = re.compile(r"(&#[xX]?)0+(?=[0-9A-Fa-f])")
# beyond Unicode; int() raises on thousands of digits
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9A-Fa-f]{7,}+);?")
# A tag; a mark of its end may stand in the quotes of a few attributes.
_TAG = re.compile(
    r"<[a-z/!?](?:[^<>\"']++|\"[^\"<]{0,2000}+\"|'[^'<]{0,2000}+'){0,40}+>|<[^<>]*+>", re.IGNORECASE
)
# Markup that no reader sees as text, with what is in it.
_UNSEEN = re.compile(
    r"<(style|script|title|template)\b[^<>]*+>.*?(?:</\1\b|\Z)", re.IGNORECASE | re.DOTALL
)


def subject_readings(value: str) -> Iterator[str]:
    """Yield the ways in which a Subject value can be read: decoded (RFC 2047), with `_` of encoded
    words kept, and percent-decoded.

    Clients are known to leave `_` in a Q word, where it stands for a space, and to hand a mailto
    URI on without decoding it.
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
    return inbound_quotes.QUOTED_LINE.sub("", text[: inbound_quotes.beginning_in_text(text)])


def whole_text(text: str) -> str:
    """Return a plain text with its quote marks taken off."""
    return inbound_quotes.QUOTE_MARKS.sub("", text)


def text_of_html(source: str, *, quoted: bool) -> str:
    """Return the text between the tags; with `quoted` also that of mail inside, else only what
    stands above it.
    """
    shown = source if quoted else source[: inbound_quotes.beginning_in_html(source)]
    text = unescaped(_TAG.sub(" ", _UNSEEN.sub(" ", shown)))
    return text if quoted else text[: inbound_quotes.beginning_in_text(text)]


def unescaped(source: str) -> str:
    """Return a text with its character references replaced, one that can be no character by
    U+FFFD.
    """
    return html.unescape(
        _NO_CHARACTER.sub("\ufffd", _LEADING_ZEROS.sub(r"\1", source)) if "&#" in source else source
    )


def _decoded(value: str, *, underscore: str) -> str:
    # RFC 2047 6.2: white space between encoded words is no part of the text
    joined = _BETWEEN_WORDS.sub("", value)
    return _WORD.sub(
        lambda word: _octets(word[1], word[2], underscore).decode("utf-8", "replace"), joined
    )


def _octets(encoding: str, text: str, underscore: str) -> bytes:
    if encoding in "Bb":
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return b""
    text = _Q_OCTET.sub(lambda octet: chr(int(octet[1], 16)), text.replace("_", underscore))
    return text.encode("latin-1", "replace")
