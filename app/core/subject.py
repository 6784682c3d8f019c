"""The subject of a mail-to unsubscribe: `Unsubscribe | cattr:<identifier>-<token>` (MoEngage), and
the tokens that a text may hold.

The identifier is standard Base64, whose alphabet has no hyphen, so a brand finds its user between
`cattr:` and the first hyphen. It is a help for the brand only: the token behind the hyphen is the
authority (catalogue M4, M8).

A token that went through mail software may have been folded, wrapped, quoted or followed by other
words, and nothing in it says where it ends. So a text is read as a series of guesses (`readings`),
and the seal of the token tells which one is right (catalogue M7).
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from app.core.errors import TokenMalformed
from app.core.token import MAX_TOKEN_CHARS

_PATTERN = re.compile(r"cattr:\s*([A-Za-z0-9+/=\s]*)-\s*(\S.*)", re.IGNORECASE | re.DOTALL)

_SHORTEST = 40  # characters of a token for a@b
_MARK = re.compile(r"cattr:", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[^-]{0,1000}+-")
# A token on its own: its first octets are the version and a key's number, so it begins with A and
# one of Q to f.
_ALONE = re.compile(r"(?<![^\s<>(\[\"'|:,;])A[Q-Za-f][A-Za-z0-9_-]{14}")
# What stands in a URL does not count, also where the URL was wrapped: a newsletter whose links
# somebody sends on asks for nothing.
_IN_URL = re.compile(r"[=/&?%#](?:<wbr>|[\s\"'<>(])*\Z")
_IN_MAILTO = re.compile(r"(?:mailto:|[?&;](?:subject|body)=)[^<>\"]*\Z", re.IGNORECASE)
_BEFORE = 120  # characters that are looked at
_RUN = re.compile(r"[A-Za-z0-9_-]*")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_WINDOW = 600  # of text behind the beginning of a token, more than any folding makes of it
_MOST_PIECES = 40


def encode(identifier: str, token: str) -> str:
    """Return the subject line for an identifier in the brand's words and a qmoe."""
    return f"Unsubscribe | cattr:{base64.b64encode(identifier.encode()).decode('ascii')}-{token}"


def decode(subject: str) -> tuple[str, str]:
    """Return identifier and token text of a decoded subject; white space that folding left inside
    is dropped (catalogue M7).

    Raises TokenMalformed when there is no `cattr:` part or its identifier is not Base64 of UTF-8.
    """
    found = _PATTERN.search(subject)
    if found is None:
        raise TokenMalformed("no cattr part in the subject")
    try:
        identifier = base64.b64decode("".join(found[1].split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise TokenMalformed("the identifier of the subject is not Base64 of UTF-8") from exc
    return identifier, "".join(found[2].split())


def _always() -> bool:
    return True


def readings(text: str, *, may_begin: Callable[[], bool] = _always) -> Iterator[str]:
    """Yield everything in the text that may be a qmoe: behind each `cattr:` first, then what stands
    alone; of each the shortest first.

    `may_begin` is asked before each beginning of one is looked at; the first no is the end.
    """
    for mark in _MARK.finditer(text):
        if not may_begin():
            return
        if _IN_MAILTO.search(text[max(0, mark.start() - _BEFORE) : mark.start()]):
            continue
        if identifier := _IDENTIFIER.match(text, mark.end()):
            yield from _grown(text[identifier.end() : identifier.end() + _WINDOW])
    for start in _ALONE.finditer(text):
        if not may_begin():
            return
        if not _IN_URL.search(text[max(0, start.start() - _BEFORE) : start.start()]):
            yield from _grown(text[start.start() : start.start() + _WINDOW])


def _grown(tail: str) -> Iterator[str]:
    """Yield the beginning of the tail, longer by one piece each time: white space inside a token is
    what a fold has left there.
    """
    token = ""
    for piece in tail.translate(_INVISIBLE).split(maxsplit=_MOST_PIECES)[:_MOST_PIECES]:
        bare = piece.lstrip("<>")
        run = _RUN.match(bare)
        token += run[0] if run else ""
        if len(token) > MAX_TOKEN_CHARS:
            return
        if len(token) >= _SHORTEST:
            yield token
        # a line that ends with `=` is a soft break nobody undid
        if token and bare[run.end() if run else 0 :] not in ("", "="):
            return
