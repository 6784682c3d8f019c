"""The text of a part, in whatever character set it was written.

The name of a character set comes from a stranger, so it is looked up in the table here and never
handed to Python's registry, which also knows `zip` and `unicode_escape`. What is not in the table
is UTF-8 where it can be, else Windows-1252, as mail software reads it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.core.mail.inbound_parts import Entity, decoded_body

# read of each end of a part: a link to leave stands at the foot, now and then at the top
END_BYTES = 512 * 1024
_CHARSET = re.compile(r"""(?:^|;)\s*+charset\s*+=\s*+(?:"([^"]*+)"|([^\s;"]++))""", re.IGNORECASE)
_META_CHARSET = re.compile(
    rb"""<meta[^<>]{0,200}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9_:.-]{1,40})""", re.IGNORECASE
)
_META_BYTES = 4096
_FALLBACK = "cp1252"
_HTML_TYPES = frozenset(("text/html", "application/xhtml+xml"))

_SAME = (
    "big5 cp866 euc-jp euc-kr gb18030 gb2312 gbk hz iso-2022-jp iso-2022-kr johab koi8-r koi8-u"
    " ptcp154 shift-jis tis-620 utf-7 utf-8"
)
_OTHER = {
    "ascii": _FALLBACK,
    "us-ascii": _FALLBACK,
    "ansi-x3.4-1968": _FALLBACK,
    "latin1": _FALLBACK,
    "utf8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
    "utf-32le": "utf-32-le",
    "utf-32be": "utf-32-be",
    "big5-hkscs": "big5hkscs",
    "cp932": "cp932",
    "cp949": "cp949",
    "cp936": "gbk",
    "cp950": "cp950",
    "eucjp": "euc-jp",
    "euckr": "euc-kr",
    "euc-cn": "gb2312",
    "gb-2312-80": "gb2312",
    "gb2312-80": "gb2312",
    "hz-gb-2312": "hz",
    "iso-2022-jp-1": "iso2022-jp-1",
    "iso-2022-jp-2": "iso2022-jp-2",
    "iso-2022-jp-3": "iso2022-jp-3",
    "iso-2022-jp-ext": "iso2022-jp-ext",
    "iso-2022-jp-ms": "iso2022-jp-ext",
    "koi8-ru": "koi8-u",
    "koi8": "koi8-r",
    "ks-c-5601-1987": "cp949",
    "ks-c-5601": "cp949",
    "ksc5601": "cp949",
    "macintosh": "mac-roman",
    "mac": "mac-roman",
    "mac-cyrillic": "mac-cyrillic",
    "ms-kanji": "cp932",
    "sjis": "cp932",
    # with the letters that Windows adds, as everybody reads it (WHATWG Encoding)
    "shift-jis": "cp932",
    "gb2312": "gb18030",  # likewise: texts named so hold letters of the larger sets
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "windows-936": "gb18030",
    "unicode-1-1-utf-7": "utf-7",
}
_CODECS: Mapping[str, str] = MappingProxyType(
    {name: name for name in _SAME.split()}
    | {f"iso-8859-{number}": f"iso8859-{number}" for number in range(1, 17) if number != 12}  # noqa: PLR2004 - there is no part 12
    # RFC 1556: the order is the reader's
    | {f"iso-8859-{number}-{order}": f"iso8859-{number}" for number in (6, 8) for order in "ie"}
    | {
        f"latin{number}": f"iso8859-{part}"
        for number, part in zip(range(2, 11), (2, 3, 4, 9, 10, 13, 14, 15, 16), strict=True)
    }
    | {
        f"{prefix}{number}": f"cp{number}"
        for prefix in ("windows-", "cp")
        for number in range(1250, 1259)
    }
    | {
        f"{prefix}{number}": f"cp{number}"
        for prefix in ("ibm", "cp")
        for number in (437, 850, 852, 855, 857, 858, 862, 864, 866)
    }
    | {"iso-8859-1": _FALLBACK}  # WHATWG Encoding: what calls itself Latin-1 is Windows-1252
    | _OTHER
)
_UNITS: Mapping[str, int] = MappingProxyType(
    {"utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 4, "utf-32-le": 4, "utf-32-be": 4}
)
_SEVEN_BIT = frozenset(("us-ascii", "ascii", "ansi-x3.4-1968", ""))


class DecodedText(NamedTuple):
    """The text of one part; `whole` tells whether nothing between its two ends was left out."""

    text: str
    is_html: bool
    whole: bool


def text_of(part: Entity) -> DecodedText:
    """Return the text of a part as its reader sees it, entities of HTML not yet replaced. Never
    raises.
    """
    octets = decoded_body(part)
    is_html = part.media_type in _HTML_TYPES
    name = _declared(part) or (_meta(octets) if is_html else "")
    whole = len(octets) <= 2 * END_BYTES
    pieces = [octets] if whole else _ends(octets, _UNITS.get(_CODECS.get(name, ""), 1))
    return DecodedText("\n".join(decoded(piece, name) for piece in pieces), is_html, whole)


def decoded(octets: bytes, charset: str) -> str:
    """Return octets as text; `charset` is the name that the mail gives, empty for none. Never
    raises.
    """
    name = normal_name(charset)
    codec = _CODECS.get(name)
    if codec is None or name in _SEVEN_BIT:
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            codec = codec or _FALLBACK
    try:
        return octets.decode(codec, "replace")
    except UnicodeDecodeError:  # some codecs of Python raise for what they are told to replace
        return octets.decode(_FALLBACK, "replace")


def normal_name(charset: str) -> str:
    """Return the name of a character set as the table has it."""
    name = (
        charset.strip().strip("'\"").lower().replace("_", "-").removeprefix("x-").removeprefix("cs")
    )
    return re.sub(r"^iso-?8859-?(?=\d)", "iso-8859-", name)


def _declared(part: Entity) -> str:
    found = _CHARSET.search(part.value(b"content-type")[:2000])
    return normal_name(found[1] or found[2] or "") if found else ""


def _meta(octets: bytes) -> str:
    found = _META_CHARSET.search(octets[:_META_BYTES])
    name = normal_name(found[1].decode("ascii")) if found else ""
    return "" if name in _UNITS else name  # it was read as ASCII, so it is none of those


def _ends(octets: bytes, unit: int) -> list[bytes]:
    """Return both ends, cut between lines, where no character is cut and ISO-2022 is back in
    ASCII.
    """
    head, tail = octets[:END_BYTES], octets[len(octets) - len(octets) % unit - END_BYTES :]
    if unit > 1:
        return [head, tail]
    return [head[: head.rfind(b"\n") + 1 or len(head)], tail[tail.find(b"\n") + 1 :]]
