"""How senders name the way out, in the languages of their readers.

1. A phrase is written as readers write it. Case, accents, the kind of apostrophe, and white space
   do not matter (`plain`).
2. `*` at the end of a phrase stands for any ending of the word. Words begin where the phrase
   begins, except in scripts that run words together or put prefixes on them (Arabic, Hebrew, Thai,
   Chinese, Japanese, Korean).
3. The second kind are phrases that contain one of the first kind and name no way out.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from app.core.mail.lint.phrases import PHRASES

_MARKS = re.compile("[\u0300-\u036f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_WHITE = re.compile(r"\s+")
_LETTERS = str.maketrans(
    {
        "đ": "d",
        "ł": "l",
        "ø": "o",
        "ı": "i",
        "’": "'",
        "‘": "'",
        "ʼ": "'",
        "`": "'",
        "\u2010": "-",
        "\u2011": "-",
    }
)
_RUN_TOGETHER = re.compile("[\u0590-\u06ff\u0900-\u0eff\u1100-\u11ff\u3040-\u9fff\uac00-\ud7af]")


def plain(text: str) -> str:
    """Return text with everything evened out that no reader minds: case, accents, width, white
    space, invisible characters.
    """
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return _WHITE.sub(" ", text.casefold().translate(_LETTERS))


def names_a_way_out(text: str) -> bool:
    """Tell whether a text says, in one of the languages, that here one leaves."""
    out, other = _patterns()
    evened = plain(text)
    return bool(out.search(evened)) and bool(out.search(other.sub(" ", evened)))


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    out, other = zip(*PHRASES.values(), strict=True)
    return _pattern(out), _pattern(other)


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Return the phrases as one pattern, the longest first; those of scripts that run together
    match inside words.
    """
    inside: set[str] = set()
    words: set[str] = set()
    for phrase in (phrase for text in texts for phrase in text.split(", ") if phrase):
        evened = plain(phrase)
        stem = re.escape(evened.removesuffix("*"))
        if _RUN_TOGETHER.search(evened):
            inside.add(stem)
        else:
            words.add(stem if evened.endswith("*") else stem + r"(?!\w)")
    ordered = [sorted(found, key=lambda one: (-len(one), one)) for found in (words, inside)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(ordered[0])})|{'|'.join(ordered[1])}")
