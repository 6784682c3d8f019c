"""Which bytes of a text are which characters, as far as placeholders ask: all of theirs are ASCII.

Four kinds of charsets (RFC 2046 4.1.2, names as Python and mail software know them):

1. Plain: a byte below 128 is that ASCII character wherever it stands. UTF-8, the ISO 8859 and
   Windows families, the EUC ones.
2. Shifting: it is, unless a byte or an escape before it says otherwise (ISO-2022-JP, Shift_JIS, GB
   18030, Big5). What looks like a placeholder is one only if the charset's own decoder says so,
   told everything that stands before.
3. Wide: UTF-16 and UTF-32, by their name or by a byte order mark. The placeholder and what replaces
   it are written in the same codec.
4. Any other: nothing can be replaced. A text in it that looks as if it held a placeholder is
   refused, never sent with it (catalogue X11).
"""

import codecs
import re
from functools import lru_cache

from app.core.errors import PlaceholderUnusable
from app.core.mail.macros import Hit, find_all, likely

ASCII = "ascii"

# 864 has another percent sign
_CODE_PAGES = (437, 720, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 865, 866, 869, 874)
_PLAIN = frozenset(
    (
        *(
            "ascii",
            "utf-8",
            "utf-8-sig",
            "koi8-r",
            "koi8-u",
            "koi8-t",
            "kz1048",
            "tis-620",
            "hp-roman8",
            "ptcp154",
            "gb2312",
        ),
        *(f"iso8859-{number}" for number in range(1, 17)),
        *(f"cp{number}" for number in (*_CODE_PAGES, *range(1250, 1259))),
        *(f"mac-{name}" for name in ("roman", "latin2", "cyrillic", "greek", "turkish", "iceland")),
        *(f"euc_{name}" for name in ("jp", "jis_2004", "jisx0213", "kr")),
    )
)
_SHIFTING = frozenset(
    (
        *(
            "shift_jis",
            "shift_jis_2004",
            "shift_jisx0213",
            "cp932",
            "cp949",
            "cp950",
            "gbk",
            "gb18030",
            "big5",
            "big5hkscs",
            "johab",
        ),
        *(f"iso2022_{name}" for name in ("jp", "jp_1", "jp_2", "jp_2004", "jp_3", "jp_ext", "kr")),
    )
)
_WIDE = {  # what to search in turn; the first with a hit is the one that the sender means
    "utf-16-le": ("utf-16-le",),
    "utf-16-be": ("utf-16-be",),
    "utf-32-le": ("utf-32-le",),
    "utf-32-be": ("utf-32-be",),
    # RFC 2781 4.3: big-endian without a mark, which not all software keeps to
    "utf-16": ("utf-16-be", "utf-16-le"),
    "utf-32": ("utf-32-be", "utf-32-le"),
}
# Can be read, to see a placeholder, but not be written into: shifts with rules of their own, and
# EBCDIC.
_READABLE = frozenset(
    ["utf-7", "hz", "cp037", "cp273", "cp424", "cp500", "cp864", "cp875", "cp1026", "cp1140"]
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ALL_MARKS = tuple(mark for mark, _ in _MARKS)
_WRITABLE = _PLAIN | _SHIFTING | _WIDE.keys()
_OTHER_NAMES = {
    "": ASCII,  # RFC 2045 5.2
    "unknown-8bit": ASCII,  # RFC 1428 3: ASCII and bytes that nobody knows
    "x-unknown": ASCII,
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "iso-8859-6-e": "iso8859-6",
    "windows-874": "cp874",
    "x-sjis": "shift_jis",
    "x-gbk": "gbk",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac-roman",
    "utf8mb4": "utf-8",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9._:()+-]{0,39}")


def find_in_charset(text: bytes, charset: str, *, html: bool) -> tuple[str, list[Hit]]:
    """Return the codec to write in, and the placeholders of a text without its transfer encoding,
    in order and apart.

    Raises PlaceholderUnusable for one in a charset that nobody can write to here.
    """
    name = _known_name(charset)
    for codec in _codecs_to_search(text, name):
        words = likely(text, codec)
        hits = find_all(text, codec, words, html=html) if words else []
        if hits and (codec != ASCII or name in _SHIFTING):
            hits = _confirmed(text, hits, codec, name if codec == ASCII else codec)
        if hits:
            return codec, hits
    if name not in _WRITABLE:
        _refuse_if_readable(text, name, html=html)
    return ASCII, []


@lru_cache(maxsize=256)
def _known_name(charset: str) -> str:
    """Return Python's name of a charset, or the given one in lower case when Python has none."""
    given = charset.strip(" \t").lower()
    name = _OTHER_NAMES.get(given, given)
    if not _NAME.fullmatch(name):
        return given
    try:
        return codecs.lookup(name).name
    except LookupError:
        return given


def _codecs_to_search(text: bytes, name: str) -> tuple[str, ...]:
    if name in _SHIFTING:
        return (ASCII,)
    if name in _PLAIN:
        return (*_by_mark(text), ASCII)
    return (_by_mark(text) or _WIDE[name]) if name in _WIDE else ()


def _by_mark(text: bytes) -> tuple[str, ...]:
    if not text.startswith(_ALL_MARKS):
        return ()
    return next((codec,) for mark, codec in _MARKS if text.startswith(mark))


def _confirmed(text: bytes, hits: list[Hit], codec: str, decoder_name: str) -> list[Hit]:
    """Return those hits that the decoder, told all that stands before, reads as the characters that
    they look like.
    """
    decoder = codecs.getincrementaldecoder(decoder_name)("replace")
    at, confirmed = 0, []
    for hit in hits:
        decoder.decode(text[at : hit.start])
        octets = text[hit.start : hit.end]
        # the words between the marks may be of any alphabet
        marks = octets[: octets.index(hit.link)] if hit.is_labelled else octets
        if decoder.decode(octets).partition(marks.decode(codec, "replace"))[1]:
            confirmed.append(hit)
        at = hit.end
    return confirmed


def _refuse_if_readable(text: bytes, name: str, *, html: bool) -> None:
    """Raise PlaceholderUnusable when the text, read as the charset says or as ASCII, holds a
    placeholder.
    """
    readings = [text]
    if name in _READABLE:
        readings.append(text.decode(name, "replace").encode("ascii", "replace"))
    for reading in readings:
        words = likely(reading, ASCII)
        if words and (hits := find_all(reading, ASCII, words, html=html)):
            raise PlaceholderUnusable(
                f"{hits[0].written} stands in a text of a charset that cannot be written"
            )
