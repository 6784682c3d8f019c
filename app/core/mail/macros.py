"""The placeholders that a sender writes into a text: how they look, and where they stand.

Ours are CleverTap's; those of other senders work too, so that moving here means changing a host
name. Each stands for a page of one recipient, never for the one-click URL (catalogue T4), or for
the address to which that recipient writes to leave. There is no other table: the relay fills in
what this one lists, and `signoff check` finds what is left of it.

1. A placeholder may have gone through an editor: each of its marks may be percent-encoded as in a
   link (`*%7CUNSUBSCRIBE%7C*`), in HTML also a character reference (`*&#124;UNSUBSCRIBE&#124;*`,
   `&lt;%…%&gt;`), and white space may be one that does not break.
2. A text is bytes without their transfer encoding, in a codec that is ASCII, or a wide one with its
   byte order.
3. `likely` is all that most texts pay: a few searches in C. `find_all` looks for the core of a
   placeholder, which no editor changes, then at the marks around it. Both are linear; candidates
   are capped, so that no text makes more than C work.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from app.core.errors import PlaceholderUnusable

MOST_CANDIDATES = 20_000  # cores with the right marks behind them; no genuine mail comes near


class Placeholder(StrEnum):
    """What a placeholder asks for."""

    UNSUBSCRIBE = "unsubscribe"
    GROUP_UNSUBSCRIBE = "group_unsubscribe"
    GLOBAL_UNSUBSCRIBE = "global_unsubscribe"
    MANAGE_PREFERENCES = "manage_preferences"
    UNSUBSCRIBE_EMAIL = "unsubscribe_email"


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write a placeholder: marks, core, marks. A space among the marks stands for any
    white space, or none.

    `word` is a part of the core that several may share. `link`: where the sender's system makes a
    link, its words, in the text of an HTML part; in an attribute and in plain text it is the URL.
    `labelled`: the sender writes the words, behind the core.
    """

    before: str
    core: str
    after: str
    word: str
    placeholder: Placeholder
    link: str = ""
    labelled: bool = False

    @property
    def written(self) -> str:
        """Return the placeholder as documentation writes it."""
        label = ' label="..."' if self.labelled else ""
        return f"{self.before}{self.core}{label}{self.after}"


class Hit(NamedTuple):
    """One placeholder in a text, by its offsets; `written` names it to people, `link` holds the
    words of its link as octets of the text.
    """

    start: int
    end: int
    placeholder: Placeholder
    written: str = ""
    link: bytes = b""
    is_labelled: bool = False


SPELLINGS = (
    Spelling("*|", "UNSUBSCRIBE", "|*", "UNSUBSCRIBE", Placeholder.UNSUBSCRIBE),
    Spelling("*|", "CT_GROUP_UNSUBSCRIBE", "|*", "UNSUBSCRIBE", Placeholder.GROUP_UNSUBSCRIBE),
    Spelling("*|", "CT_MANAGE_PREFERENCES", "|*", "_PREFERENCES", Placeholder.MANAGE_PREFERENCES),
    # Amazon SES, whose templates may also write three braces
    Spelling(
        "{{ ", "amazonSESUnsubscribeUrl", " }}", "amazonSESUnsubscribeUrl", Placeholder.UNSUBSCRIBE
    ),
    Spelling(
        "{{{ ",
        "amazonSESUnsubscribeUrl",
        " }}}",
        "amazonSESUnsubscribeUrl",
        Placeholder.UNSUBSCRIBE,
    ),
    # SendGrid: `raw` is a URL, the others are links
    Spelling(
        "<% ", "asm_group_unsubscribe_raw_url", " %>", "unsubscribe_", Placeholder.GROUP_UNSUBSCRIBE
    ),
    Spelling(
        "<% ",
        "asm_group_unsubscribe_url",
        " %>",
        "unsubscribe_",
        Placeholder.GROUP_UNSUBSCRIBE,
        link="Unsubscribe",
    ),
    Spelling(
        "<% ",
        "asm_global_unsubscribe_raw_url",
        " %>",
        "unsubscribe_",
        Placeholder.GLOBAL_UNSUBSCRIBE,
    ),
    Spelling(
        "<% ",
        "asm_global_unsubscribe_url",
        " %>",
        "unsubscribe_",
        Placeholder.GLOBAL_UNSUBSCRIBE,
        link="Unsubscribe from all",
    ),
    Spelling(
        "<% ", "asm_preferences_raw_url", " %>", "asm_preferences_", Placeholder.MANAGE_PREFERENCES
    ),
    Spelling(
        "<% ",
        "asm_preferences_url",
        " %>",
        "asm_preferences_",
        Placeholder.MANAGE_PREFERENCES,
        link="Manage preferences",
    ),
    # Mailgun: from all mail of the domain, from that with this tag, from this mailing list; and an
    # address to write to
    Spelling("%", "unsubscribe_url", "%", "unsubscribe_", Placeholder.GLOBAL_UNSUBSCRIBE),
    Spelling("%", "tag_unsubscribe_url", "%", "unsubscribe_", Placeholder.GROUP_UNSUBSCRIBE),
    Spelling(
        "%", "mailing_list_unsubscribe_url", "%", "unsubscribe_", Placeholder.GROUP_UNSUBSCRIBE
    ),
    Spelling("%", "unsubscribe_email", "%", "unsubscribe_", Placeholder.UNSUBSCRIBE_EMAIL),
    # Postmark: from this message stream
    Spelling(
        "{{{ ",
        "pm:unsubscribe",
        " }}}",
        "pm:unsubscribe",
        Placeholder.UNSUBSCRIBE,
        link="Unsubscribe",
    ),
    Spelling(
        "{{{ ", "pm:unsubscribe", " }}}", "pm:unsubscribe", Placeholder.UNSUBSCRIBE, labelled=True
    ),
    Spelling("{{{ ", "pm:unsubscribe_url", " }}}", "pm:unsubscribe", Placeholder.UNSUBSCRIBE),
)
_WORDS = tuple(dict.fromkeys(spelling.word for spelling in SPELLINGS))

_NAMED = {  # character references of HTML
    "*": ("ast", "midast"),
    "|": ("vert", "verbar", "VerticalLine"),
    "<": ("lt", "LT"),
    ">": ("gt", "GT"),
    "%": ("percnt",),
    "{": ("lbrace", "lcub"),
    "}": ("rbrace", "rcub"),
    " ": ("nbsp",),
}
_MAX_WHITE = 32
_MAX_LABEL = 200
_QUOTES = ('"', "'")
_QUOTES_IN_HTML = (*_QUOTES, "&quot;", "&#34;", "&#39;", "&apos;", "&ldquo;", "&rdquo;", "%22")

# How a character may look: alternatives, each a sequence of sets of characters, so that `%7C` in
# either case is ("%", "7", "cC").
_Look = tuple[str, ...]


def likely(text: bytes, codec: str) -> frozenset[str]:
    """Return which words of placeholders occur in a text; without any it holds no placeholder."""
    return frozenset([word for word, encoded in _encoded_words(codec) if encoded in text])


def find_all(text: bytes, codec: str, words: frozenset[str], *, html: bool) -> list[Hit]:
    """Return the placeholders with one of these words, in order and apart. Raises
    PlaceholderUnusable for a text made to be slow.
    """
    hits: list[Hit] = []
    candidates = 0
    for spelling in SPELLINGS:
        if spelling.word not in words:
            continue
        shape = _shape(spelling, codec, html)
        for found in shape.candidate.finditer(text):
            candidates += 1
            if candidates > MOST_CANDIDATES:
                raise PlaceholderUnusable("a text with too many half placeholders")
            hits += shape.around(text, found.start(), spelling, codec)
    return _apart(sorted(hits))


@lru_cache(maxsize=16)
def _encoded_words(codec: str) -> Sequence[tuple[str, bytes]]:
    return [(word, word.encode(codec)) for word in _WORDS]


def _apart(hits: list[Hit]) -> list[Hit]:
    """Drop what begins inside the one before: `*|UNSUBSCRIBE|*|UNSUBSCRIBE|*` is one placeholder
    and some text.
    """
    end, apart = 0, []
    for hit in hits:
        if hit.start >= end:
            apart.append(hit)
            end = hit.end
    return apart


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """One spelling as bytes: what must stand before and behind the core."""

    # begins with the core: a literal, which is what makes the search fast
    candidate: re.Pattern[bytes]
    core_octets: int
    reach: int  # no marks before a core are longer
    before: re.Pattern[bytes]
    after: re.Pattern[bytes]

    def around(self, text: bytes, at: int, spelling: Spelling, codec: str) -> list[Hit]:
        """Return the placeholder whose core begins at this offset, if it is one."""
        tail = self.after.match(text, at + self.core_octets)
        head = self.before.search(text, max(0, at - self.reach), at) if tail else None
        if not head or not tail:
            return []
        link = tail["label"] if spelling.labelled else spelling.link.encode(codec)
        return [
            Hit(
                head.start(),
                tail.end(),
                spelling.placeholder,
                spelling.written,
                link,
                spelling.labelled,
            )
        ]


@lru_cache(maxsize=256)
def _shape(spelling: Spelling, codec: str, html: bool) -> _Shape:
    core = spelling.core.encode(codec)
    way = _in_html if html else _in_plain_text
    label = _label(codec, html) if spelling.labelled else b""
    before, after = _marks(spelling.before, way, codec), label + _marks(spelling.after, way, codec)
    end = _marks(" ", way, codec) + "label".encode(codec) if spelling.labelled else after
    return _Shape(
        candidate=re.compile(re.escape(core) + b"(?=%s)" % end),
        core_octets=len(core),
        reach=_widest(spelling.before, way) * len("*".encode(codec)),
        before=re.compile(b"(?:%s)\\Z" % before),
        after=re.compile(after),
    )


def _label(codec: str, html: bool) -> bytes:
    """Return the pattern of `label="…"`, whose words are the group `label`."""
    white = b"(?:%s){0,%d}+" % (b"|".join(_one_of(char, codec) for char in " \t\r\n"), _MAX_WHITE)
    quotes = b"(?:%s)" % b"|".join(
        re.escape(quote.encode(codec)) for quote in (_QUOTES_IN_HTML if html else _QUOTES)
    )
    any_char = b"(?s:%s)" % (b"." * len(" ".encode(codec)))
    word, equals = "label".encode(codec), _one_of("=", codec)
    return (
        white
        + word
        + white
        + equals
        + white
        + quotes
        + b"(?P<label>%s{0,%d}?)" % (any_char, _MAX_LABEL)
        + quotes
    )


def _marks(marks: str, way: Callable[[str], list[_Look]], codec: str) -> bytes:
    return b"".join(
        _mark(way(char), codec, _unseen(codec) if char == " " else ()) for char in marks
    )


def _mark(looks: list[_Look], codec: str, unseen: Sequence[bytes]) -> bytes:
    written = [b"".join(_one_of(chars, codec) for chars in look) for look in looks]
    return b"(?:%s)" % b"|".join([*written, *map(re.escape, unseen)]) + (
        b"{0,%d}+" % _MAX_WHITE if unseen else b""
    )


def _unseen(codec: str) -> Sequence[bytes]:
    """Return the white space beyond ASCII that editors leave: no-break space, zero width space,
    word joiner, byte order mark.
    """
    chars = "\u00a0\u200b\u2060\ufeff"
    return (
        [*(char.encode("utf-8") for char in chars), b"\xa0"]
        if codec == "ascii"
        else [char.encode(codec) for char in chars]
    )


def _one_of(chars: str, codec: str) -> bytes:
    return b"(?:%s)" % b"|".join(re.escape(char.encode(codec)) for char in chars)


def _widest(marks: str, way: Callable[[str], list[_Look]]) -> int:
    """Return how many characters the marks take at most."""
    return sum(
        max(len(look) for look in way(char)) * (_MAX_WHITE if char == " " else 1) for char in marks
    )


def _in_plain_text(char: str) -> list[_Look]:
    """Return a mark percent-encoded (RFC 3986 2.1), and as itself; the longer look first, for the
    percent sign begins both.
    """
    itself: list[_Look] = [(white,) for white in " \t\r\n"] if char == " " else [(char,)]
    return [("%", *_either_case(f"{ord(char):02x}")), *itself]


def _in_html(char: str) -> list[_Look]:
    """Return a mark as in plain text, and as the character references of HTML."""
    codes = (0x20, 0xA0) if char == " " else (ord(char),)
    decimal = [tuple(f"&#{code};") for code in codes]
    hexadecimal = [("&", "#", "xX", *_either_case(f"{code:x}"), ";") for code in codes]
    return [
        *_in_plain_text(char),
        *decimal,
        *hexadecimal,
        *(tuple(f"&{name};") for name in _NAMED.get(char, ())),
    ]


def _either_case(text: str) -> _Look:
    return tuple(char.lower() + char.upper() if char.isalpha() else char for char in text)
