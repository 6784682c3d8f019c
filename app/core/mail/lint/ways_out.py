"""Which links of a text are a way to leave: named as one, and leading somewhere.

1. A link is named as a way out by its label, by its URL, or by the sentence around it: between the
   links beside it, within its block.
2. It leads somewhere when it is an absolute http or https URL with a public host, or a mailto with
   an address. A template's text in it is a placeholder that nobody has replaced.
"""

import re
import urllib.parse
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import NamedTuple

from app.core.address import checked
from app.core.address_policy import is_public_host
from app.core.errors import AddressInvalid
from app.core.mail.lint.html_text import Link, Piece
from app.core.mail.lint.languages import names_a_way_out, plain

MOST_LINKS = 20_000
_NEAR = 200  # characters of text on one side of a link that may name it
_LONGEST_LABEL = 2000
_LONGEST_URL = 8000

_WORDS_OF_URLS = (
    "unsub unsubs unsubscribe unsubscribes unsubscribing unsubscription unsubscribeme"
    " unsubscribeurl optout optouts preferences emailpreferences preferencecenter preferencecentre"
    " subscriptions abmelden abmeldung abbestellen austragen newsletterabmeldung desabonner"
    " desabonnement desabo desinscrire desinscription baja darsedebaja desuscribir desuscribirse"
    " cancelarsuscripcion descadastrar descadastro cancelarinscricao cancelarassinatura"
    " disiscriviti disiscrizione cancellazione afmelden afmelding uitschrijven uitschrijving"
    " avregistrera avprenumerera avmelding avmeld afmeld frameld wypisz odhlasit odhlaseni"
    " odhlasenie leiratkozas leiratkozom peruuta dezabonare otpiska otpisatsya vidpyska odjava"
    " baixa"
)
_PAIRS_OF_URLS = (
    "opt-out un-subscribe manage-subscription manage-subscriptions email-preference"
    " email-preferences preference-center preference-centre cancel-subscription wypisz-sie"
    " abonelikten-cik email-settings leave-list"
)
_WORDS, _PAIRS = frozenset(_WORDS_OF_URLS.split()), frozenset(_PAIRS_OF_URLS.split())
# of a path segment that begins with another word: longer ones are titles of articles
_MOST_WORDS = 3
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_PICTURE = re.compile(r"\.(?:png|gif|jpe?g|webp|svg|css|ico|bmp|woff2?)$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!](?=\s|$)|[。！|•·‧│¦]|\n\n+")
_MARKUP = re.compile(
    r"\*\|[^|*]{1,200}\|\*|%%[^%\s]{1,200}%%|\[\[[^\[\]]{1,200}\]\]|\$\{[^{}]{1,200}\}|\{[^{}]{1,200}\}|\{\{|\}\}|<%|%>|<\?|"
    r"###[^#\s]{1,200}###|^(?:https?://)?(?:::[\w.-]{1,200}::|\[(?![0-9a-f:.]+\])[^\[\]]{1,200}\]|%[^%\s]{2,200}%|[@#_]{1,2}[\w.-]{1,200}[@#_]{1,2})$"
    r"|%(?![0-9a-f]{2})[a-z_][\w.:-]{1,200}%",
    re.IGNORECASE,
)


class Fault(Enum):
    """Why a link leads nowhere."""

    PLACEHOLDER = "it holds a placeholder that was not replaced"
    RELATIVE = "it is no absolute URL, so mail software has nothing to add it to"
    SCHEME = "it is neither an http nor a mailto URL"
    PRIVATE = "its host is not on the public internet"
    ADDRESS = "it is a mailto without a public address"
    INVISIBLE = "it has no text that a reader could see"


class Named(NamedTuple):
    """A link that is named as a way to leave; `fault` is None for one that works."""

    link: Link
    fault: Fault | None


def ways_out(pieces: Sequence[Piece]) -> Iterator[Named]:
    """Yield the links of a text that are named as a way to leave, in their order."""
    links = (at for at, piece in enumerate(pieces) if isinstance(piece, Link))
    for at in islice(links, MOST_LINKS):
        link = pieces[at]
        if isinstance(link, Link) and _is_named(link, _before(pieces, at), _after(pieces, at)):
            yield Named(link, fault_of(link))


def fault_of(link: Link) -> Fault | None:
    """Return why a link leads nowhere; None when it leads somewhere."""
    if left_placeholder(link.url):
        return Fault.PLACEHOLDER
    if not link.visible:
        return Fault.INVISIBLE
    scheme, colon, rest = link.url.partition(":")
    match scheme.lower() if colon else "":
        case "http" | "https":
            return None if _has_public_host(link.url) else Fault.PRIVATE
        case "mailto":
            return (
                None if any(map(_is_address, rest.partition("?")[0].split(","))) else Fault.ADDRESS
            )
        case other:
            return Fault.SCHEME if re.fullmatch(r"[a-z][a-z0-9+.-]*", other) else Fault.RELATIVE


def left_placeholder(url: str) -> str:
    """Return the template's text that stands in a URL, as it is or percent-encoded; empty for
    none.
    """
    text = url[:_LONGEST_URL]
    for _ in range(3):
        if found := _MARKUP.search(text.strip()):
            return found[0] if len(found[0]) > len("{{") else text.strip()[:100]
        decoded = urllib.parse.unquote(text)
        if decoded == text:
            break
        text = decoded
    return ""


def _is_named(link: Link, before: str, after: str) -> bool:
    label = link.label[:_LONGEST_LABEL]
    if names_a_way_out(label) or _url_names_it(link.url[:_LONGEST_URL]):
        return not _is_denied(label)
    return names_a_way_out(f"{before}\u2026{after}") if before or after else False


def _is_denied(label: str) -> bool:
    """Tell whether the label says the opposite: `Don't unsubscribe`."""
    return "unsubscri" in (evened := plain(label)) and not names_a_way_out(evened)


def _url_names_it(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return False
    if parts.scheme.lower() == "mailto":
        return any(_has_word(text) for text in (parts.path, *_query(parts.query)))
    if _PICTURE.search(parts.path):
        return False
    places = [
        *parts.netloc.rpartition("@")[2].split("."),
        *parts.path.split("/"),
        *_query(parts.query),
        parts.fragment,
    ]
    return any(_has_word(urllib.parse.unquote(place)) for place in places)


def _query(query: str) -> Iterator[str]:
    """Yield names and values; a campaign's labels say nothing about the link."""
    for pair in query.split("&", 100):
        name, _, value = pair.partition("=")
        if not name.lower().startswith("utm_"):
            yield name
            yield urllib.parse.unquote_plus(value)


def _has_word(text: str) -> bool:
    words = [word for word in _NOT_WORD.split(plain(_CAMEL.sub("-", text[:500]))) if word]
    if not words:
        return False
    if len(words) > _MOST_WORDS and not _is_word(words[0], words[1]):
        return False
    return any(
        _is_word(word, following) for word, following in zip(words, [*words[1:], ""], strict=True)
    )


def _is_word(word: str, following: str) -> bool:
    return (
        word in _WORDS
        or f"{word}-{following}" in _PAIRS
        or f"{word}{following}" in ("optout", "darsede")
    )


def _before(pieces: Sequence[Piece], at: int) -> str:
    """Return the words of the sentence that ends in this link; a block that ends with a colon leads
    over to the next one.
    """
    piece = pieces[at - 1] if at else ""
    if isinstance(piece, Link):
        return ""
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", piece[-_NEAR:])
    text = re.sub(r"([:：?？])\s*\n\n\s*$", r"\1 ", text)
    end = max((found.end() for found in _SENTENCE_END.finditer(text)), default=0)
    text = text[end:]
    if at > 1 and "\n" in text:  # what stands on the line of the link before belongs to that one
        text = text.partition("\n")[2]
    return text


def _after(pieces: Sequence[Piece], at: int) -> str:
    """Return the words with which the sentence goes on behind this link, on its line; the next line
    only when the line goes on.
    """
    piece = pieces[at + 1] if at + 1 < len(pieces) else ""
    if isinstance(piece, Link):
        return ""
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", piece[:_NEAR])
    if found := _SENTENCE_END.search(text):
        text = text[: found.start()]
    line, _, rest = text.partition("\n")
    return f"{line} {rest}" if line.strip() else ""


def _has_public_host(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.netloc != "" and parts.port != 0 and is_public_host(parts.hostname or "")
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        address = checked(urllib.parse.unquote(text))
    except AddressInvalid:
        return False
    return is_public_host(address.rpartition("@")[2])
