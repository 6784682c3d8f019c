"""What stands around a placeholder decides what it becomes: a link in a text, a URL in an
attribute, or a refusal.

1. A scheme directly before it (`http://`, `https://`, `//`) is part of what is replaced: editors
   put it before whatever is no URL.
2. Behind any other piece of a URL it is never right, for what comes in its place is a whole one:
   `https://www.example.com/PLACEHOLDER`.
3. An address stands alone or behind `mailto:`.
4. A placeholder that stands for a link becomes one only in the text of an HTML part: never in a
   tag, nor between `<a …>` and `</a>`.
5. What stands before counts across placeholders: behind one that became a URL, a second one without
   a gap is a piece of that URL.
6. Cost: one pass over the text for its links, and a bounded piece before each placeholder, read
   once.
"""

import re
from functools import lru_cache

from app.core.errors import PlaceholderUnusable
from app.core.mail.macros import Hit, Placeholder

_WINDOW_OCTETS = 4096  # before a placeholder; divisible by the width of every codec
_SCHEME = re.compile(
    r"(?:https?(?::|&#58;|&colon;|%3a))?(?:/|&#47;|&sol;|%2f){2}\Z|https?:\Z", re.IGNORECASE
)
_MAILTO = re.compile(r"mailto(?::|&#58;|&colon;|%3a)\Z", re.IGNORECASE)
_SCHEME_CHARS = 40
# What a reader's software takes for one URL, backwards. Scripts that write no spaces end one, with
# their punctuation (from U+2E80 on).
_RUN = re.compile(r"[^\s<>\"'()\[\]{}|\u2e80-\U0010ffff]*")
_BEGINS_URL = ("www.", "//", "mailto:", "http:", "https:", "ftp:", "javascript:", "tel:")
# A name begins where none goes on: else each letter of a long one would be tried.
_ATTRIBUTE = re.compile(
    r"(?<![a-z0-9:-])([a-z][a-z0-9:-]*+)\s*+=\s*+"
    r"(?:\"(?P<double>[^\"]*+)\"?|'(?P<single>[^']*+)'?|(?P<bare>[^\s\"'<>]++|\Z))",
    re.IGNORECASE,
)
_BEGINS_VALUE = re.compile(r"=\s*[\"']?\Z")
_OF_URLS = frozenset(
    ("href", "src", "action", "formaction", "xlink:href", "cite", "background", "poster")
)
_LINK = '<a href="https://link.invalid/">x</a>'
_FILLED_IN = dict.fromkeys(Placeholder, "https://link.invalid/x") | {
    Placeholder.UNSUBSCRIBE_EMAIL: "x@link.invalid"
}


def in_context(text: bytes, hits: list[Hit], *, codec: str, html: bool) -> list[Hit]:
    """Return the placeholders of a text: with the scheme before them, and with the words of a link
    only where one can stand.

    Raises PlaceholderUnusable.
    """
    settled: list[Hit] = []
    filled = ""  # the end of the text so far, as a reader will get it
    anchor = _Anchor(text, codec) if html else None
    end = 0
    for hit in hits:
        if hit.start - end > _WINDOW_OCTETS:
            end, filled = hit.start - _WINDOW_OCTETS, ""
        before = (filled + text[end : hit.start].decode(codec, "replace"))[-_WINDOW_OCTETS:]
        in_link = anchor is not None and anchor.is_open(hit.start)
        scheme = _scheme(hit, before)
        one = _settled(
            hit,
            before[: len(before) - len(scheme)],
            len(scheme.encode(codec)),
            in_link=in_link,
            html=html,
        )
        filled = before[: len(before) - len(scheme)] + (
            _LINK if one.link else _FILLED_IN[hit.placeholder]
        )
        end = hit.end
        settled.append(one)
    return settled


class _Anchor:
    """Tells whether a link is open at a place of a text; asked in the order of the text, and read
    once.
    """

    def __init__(self, text: bytes, codec: str) -> None:
        self._marks = iter(
            [(found.start(), not found[1]) for found in _anchors(codec).finditer(text)]
        )
        self._next = next(self._marks, None)
        self._open = False

    def is_open(self, at: int) -> bool:
        while self._next is not None and self._next[0] < at:
            self._open = self._next[1]
            self._next = next(self._marks, None)
        return self._open


@lru_cache(maxsize=16)
def _anchors(codec: str) -> re.Pattern[bytes]:
    """Return the pattern of the beginning and of the end of a link, as octets of this codec."""
    octets = [re.escape(char.encode(codec)) for char in "</aA"]
    after = b"|".join(re.escape(char.encode(codec)) for char in " \t\r\n/>")
    return re.compile(b"%s(%s)?(?:%s|%s)(?=%s)" % (*octets, after))


def _settled(hit: Hit, rest: str, scheme_octets: int, *, in_link: bool, html: bool) -> Hit:
    """Return one placeholder as it is to be filled in; `rest` is the text before it and before the
    scheme that goes.
    """
    tag = _open_tag(rest) if html else None
    piece = _piece_of_url(rest) if tag is None else _attribute_piece(tag)
    if piece:
        raise PlaceholderUnusable(
            f"{hit.written} stands behind a piece of another URL, where a whole URL comes in its"
            " place"
        )
    if hit.placeholder is not Placeholder.UNSUBSCRIBE_EMAIL:
        hit = hit._replace(start=hit.start - scheme_octets)
    in_text = (
        html and tag is None and not in_link and not _BEGINS_VALUE.search(rest[-_SCHEME_CHARS:])
    )
    return hit if in_text else hit._replace(link=b"")


def _scheme(hit: Hit, before: str) -> str:
    """Return the scheme directly before a placeholder: `mailto:` before an address, one of the web
    before a URL.
    """
    pattern = _MAILTO if hit.placeholder is Placeholder.UNSUBSCRIBE_EMAIL else _SCHEME
    found = pattern.search(before[-_SCHEME_CHARS:])
    return found[0] if found else ""


def _open_tag(before: str) -> str | None:
    """Return the tag that is open at the end of a text, None when none is."""
    at = before.rfind("<")
    return before[at:] if at > before.rfind(">") else None


def _piece_of_url(before: str) -> bool:
    """Say whether a text ends within a URL, as far as a reader's software would take it for one."""
    backwards = _RUN.match(before[::-1])
    run = backwards[0][::-1].lower() if backwards else ""
    return "://" in run or run.startswith(_BEGINS_URL)


def _attribute_piece(tag: str) -> bool:
    """Say whether an open tag ends within a URL: in an attribute that holds one, anything before
    the placeholder is a piece of it.
    """
    last = None
    for found in _ATTRIBUTE.finditer(tag):
        last = found
    if last is None or last.end() < len(tag):
        return False
    value = next((one for one in (last["double"], last["single"], last["bare"]) if one), "")
    return bool(value.strip()) if last[1].lower() in _OF_URLS else _piece_of_url(value)
