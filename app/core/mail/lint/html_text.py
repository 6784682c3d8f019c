"""HTML and plain text as one thing: what a reader sees between links, and the links.

1. HTML is cut as browsers cut it (WHATWG HTML 13.2.5), as far as it decides what is seen: comments,
   style and script, quoted attributes.
2. Linear: the reader never goes back, and what has no end (a comment, a style, a tag) ends the
   text, as it does in a browser.
3. A text is a sequence of `str` (what is seen; a line end is a break, an empty line ends a block)
   and `Link`.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

BREAK, BLOCK = "\n", "\n\n"

_TAG = re.compile(
    r"<(?:(?P<comment>!--)|(?P<bogus>[!?]|/(?=[^A-Za-z>]))|(?P<close>/)?(?P<name>[A-Za-z][^\s/>]*+))"
)
# Up to the `>` that ends a tag: one inside a quoted value does not.
_REST = re.compile(r"""(?:[^>="']++|=\s*+(?:"[^"]*+"|'[^']*+')|[="'])*+>""")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)\s*+(?:=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>"']++)))?""")
_COMMENT_END = re.compile(r"--!?>")
_UNSEEN = ("style", "script", "title", "textarea", "noframes", "template")
_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _UNSEEN}
_BLOCK_NAMES = (
    "address article aside blockquote body center dd div dl dt fieldset footer form h1 h2 h3 h4 h5"
    " h6 header hr li main nav ol p pre section table tbody tfoot thead tr ul"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_BREAKS = frozenset(("br", "td", "th"))
_INVISIBLE = re.compile(
    r"display\s*+:\s*+none|visibility\s*+:\s*+hidden|font-size\s*+:\s*+0(?![.\d]*[1-9])",
    re.IGNORECASE,
)
_LONG_REFERENCE = re.compile(r"&#(?:0{5,}+|([xX])0{5,}+)")
_HUGE_REFERENCE = re.compile(r"&#(?:[0-9]{9,}+|[xX][0-9A-Fa-f]{9,}+);?")
_WHITE = re.compile(r"\s+")
_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"'\u201c\u201d\u3002\uff0c]++", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n|\r")
_MOST_URL = 8000
_OPENING = {")": "(", "]": "[", "}": "{"}
_CLOSING = ".,;:!?)]}>\u00bb"


class Link(NamedTuple):
    """A link: where it leads to, and the words that a reader clicks (those of an image are its
    `alt`).
    """

    url: str
    label: str
    visible: bool


Piece = str | Link


def of_plain(text: str) -> list[Piece]:
    """Return a plain text in pieces; its links are the URLs that stand in it, without a label of
    their own.
    """
    text = _LINE_ENDS.sub("\n", text)
    pieces: list[Piece] = []
    at = 0
    for found in _URL.finditer(text):
        url = _without_closing(found[0])
        pieces += [text[at : found.start()], Link(url, "", True)]
        at = found.start() + len(url)
    return [*pieces, text[at:]]


def of_html(source: str) -> list[Piece]:
    """Return what is seen of HTML in pieces."""
    reader = _Reader()
    for kind, value in _tokens(source):
        reader.take(kind, value)
    return reader.end()


def references(text: str) -> str:
    """Return text with the character references of HTML replaced. `html.unescape` raises for a
    number of thousands of digits.
    """
    if "&" not in text:
        return text
    text = _LONG_REFERENCE.sub(lambda found: f"&#{found[1] or ''}0", text)
    return html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))


def _without_closing(url: str) -> str:
    """Return a URL without the punctuation of the sentence around it; a bracket that closes one
    inside stays.
    """
    if len(url) > _MOST_URL:
        return url.rstrip(_CLOSING)
    while url and url[-1] in _CLOSING:
        opening = _OPENING.get(url[-1])
        if opening and url.count(url[-1]) <= url.count(opening):
            break
        url = url[:-1]
    return url


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    """Yield ("text", words), ("open" or "close" and the name of a tag), ("a", "area" or "img" and
    the whole tag).
    """
    at = 0
    while found := _TAG.search(source, at):
        if found.start() > at:
            yield "text", source[at : found.start()]
        at = found.end()
        if found["name"] is None:
            at = _markup_end(source, at, comment=bool(found["comment"]))
            continue
        rest = _REST.match(source, at)
        if rest is None:
            return
        name, at = found["name"].lower(), rest.end()
        if found["close"]:
            yield "close", name
        elif name in _RAW:
            end = _RAW[name].search(source, at)
            at = end.start() if end else len(source)
        else:
            yield (name, rest[0]) if name in ("a", "area", "img") else ("open", name)
    yield "text", source[at:]


def _markup_end(source: str, at: int, *, comment: bool) -> int:
    """Return where a comment or a bogus one ends; one without an end takes the rest."""
    if not comment:
        return source.find(">", at) + 1 or len(source)
    if source.startswith((">", "->"), at):
        return at  # an abruptly closed comment
    end = _COMMENT_END.search(source, at)
    return end.end() if end else len(source)


class _Reader:
    """Puts the pieces together; between `<a>` and `</a>` words belong to the link."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._words: list[str] = []
        self._url: str | None = None
        self._visible = True
        self._has_image = False

    def take(self, kind: str, value: str) -> None:
        if kind == "text":
            self._words.append(_WHITE.sub(" ", value))
        elif kind == "img":
            attributes = _attributes(value)
            self._has_image = self._has_image or "src" in attributes
            if self._url is not None:  # outside a link a picture's words lead nowhere
                self._words.append(f" {attributes.get('alt', '')} ")
        elif kind == "area":
            attributes = _attributes(value)
            if "href" in attributes:
                self._flush()
                self._pieces.append(
                    Link(attributes["href"].strip(), attributes.get("alt", ""), True)
                )
        elif kind == "a":
            self._flush()
            attributes = _attributes(value)
            self._url = attributes["href"].strip() if "href" in attributes else None
            self._visible = "hidden" not in attributes and not _INVISIBLE.search(
                attributes.get("style", "")
            )
        elif value == "a":
            self._flush()
        elif value in _BREAKS:
            self._words.append(BREAK)
        elif value in _BLOCKS:
            self._words.append(BLOCK)

    def end(self) -> list[Piece]:
        self._flush()
        return self._pieces

    def _flush(self) -> None:
        words = references("".join(self._words))
        if self._url is not None:
            seen = self._visible and (self._has_image or bool(words.strip()))
            self._pieces.append(Link(self._url, words, seen))
        elif words:
            self._pieces.append(words)
        self._words, self._url, self._has_image = [], None, False


def _attributes(tag: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(tag):
        found.setdefault(name.lower(), references(double or single or bare))
    return found
