"""What stands around a placeholder decides what it becomes: a link in a text, a URL in an attribute, or a refusal.

1. A scheme directly before it (`http://`, `https://`, `//`) is part of what is replaced: editors put it before whatever is no URL.
2. Behind any other piece of a URL it is never right, for what comes in its place is a whole one: `https://www.example.com/PLACEHOLDER`.
3. An address stands alone or behind `mailto:`.
4. A placeholder that stands for a link becomes one only in the text of an HTML part: never in a tag, nor between `<a …>` and `</a>`.
5. Cost: a bounded piece of text before each placeholder, read once.
"""

import re

from app.core.errors import PlaceholderUnusable
from app.core.mail.macros import Hit, Placeholder

_WINDOW_OCTETS = 4096  # before a placeholder; divisible by the width of every codec
_SCHEME = re.compile(r"(?:https?(?::|&#58;|&colon;|%3a))?(?:/|&#47;|&sol;|%2f){2}\Z|https?:\Z", re.IGNORECASE)
_MAILTO = re.compile(r"mailto(?::|&#58;|&colon;|%3a)\Z", re.IGNORECASE)
_SCHEME_CHARS = 40
_RUN = re.compile(r"[^\s<>\"'()\[\]{}|]*")  # what a reader's software takes for one URL, backwards
_BEGINS_URL = ("www.", "//", "mailto:", "http:", "https:", "ftp:", "javascript:", "tel:")
_ATTRIBUTE = re.compile(
    r"([a-z][a-z0-9:-]*+)\s*+=\s*+(?:\"(?P<double>[^\"]*+)\"?|'(?P<single>[^']*+)'?|(?P<bare>[^\s\"'<>]++|\Z))", re.IGNORECASE
)
_BEGINS_VALUE = re.compile(r"=\s*[\"']?\Z")
_OF_URLS = frozenset(("href", "src", "action", "formaction", "xlink:href", "cite", "background", "poster"))
_ANCHOR = re.compile(r"<(/?)a(?=[\s>])", re.IGNORECASE)


def in_context(text: bytes, hits: list[Hit], *, codec: str, html: bool) -> list[Hit]:
    """Return the placeholders of a text: with the scheme before them, and with the words of a link only where one can stand.

    Raises PlaceholderUnusable.
    """
    settled: list[Hit] = []
    for hit in hits:
        end = settled[-1].end if settled else 0
        before = text[max(end, hit.start - _WINDOW_OCTETS) : hit.start].decode(codec, "replace")
        settled.append(_settled(hit, before, codec, html=html))
    return settled


def _settled(hit: Hit, before: str, codec: str, *, html: bool) -> Hit:
    scheme = _scheme(hit, before)
    rest = before[: len(before) - len(scheme)]
    tag = _open_tag(rest) if html else None
    piece = _piece_of_url(rest) if tag is None else _attribute_piece(tag)
    if piece:
        raise PlaceholderUnusable(f"{hit.written} stands behind a piece of another URL, where a whole URL comes in its place")
    if hit.placeholder is not Placeholder.UNSUBSCRIBE_EMAIL:
        hit = hit._replace(start=hit.start - len(scheme.encode(codec)))
    in_text = html and tag is None and not _BEGINS_VALUE.search(rest[-_SCHEME_CHARS:]) and not _in_anchor(rest)
    return hit if in_text else hit._replace(link=b"")


def _scheme(hit: Hit, before: str) -> str:
    """Return the scheme directly before a placeholder: `mailto:` before an address, one of the web before a URL."""
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
    """Say whether an open tag ends within a URL: in an attribute that holds one, anything before the placeholder is a piece of it."""
    last = None
    for found in _ATTRIBUTE.finditer(tag):
        last = found
    if last is None or last.end() < len(tag):
        return False
    value = next((one for one in (last["double"], last["single"], last["bare"]) if one), "")
    return bool(value.strip()) if last[1].lower() in _OF_URLS else _piece_of_url(value)


def _in_anchor(before: str) -> bool:
    """Say whether a text ends between the tags of a link."""
    tags = [found[1] for found in _ANCHOR.finditer(before)]
    return bool(tags) and not tags[-1]
