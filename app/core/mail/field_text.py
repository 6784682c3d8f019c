"""What a field that others define says: its text, its one word, its parts, whatever software wrote
around them.

1. Mail software encodes and folds what it does not know. So encoded words (RFC 2047) are read
   wherever they stand, in quotes and JSON too, with blanks in them or cut in the middle of a
   character; a fold is a blank.
2. A field of one word, or of parts with semicolons between them, may hold comments and quoted
   strings (RFC 5322 3.2.2, 3.2.4).
3. What cannot be read is U+FFFD, or an error where the caller is strict. Nothing here raises
   otherwise, and all of it is linear.

No charset is looked up by the name that a stranger gives.
"""

import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from app.core.mail.message import Field

_WORD = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]*)?\?([bqBQ])\?([^?]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_MARK = re.compile(r'\\.|[()";]', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NO_PART_OF_NAME = re.compile(r"[^a-z0-9]+")

_SAME = (
    "ascii",
    "utf-8",
    "latin-1",
    "koi8-r",
    "koi8-u",
    "iso-2022-jp",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "gb18030",
    "big5",
    "tis-620",
)
# by names without punctuation, in which software differs
_CODECS: Mapping[str, str] = MappingProxyType(
    {_NO_PART_OF_NAME.sub("", name): name for name in _SAME}
    | {f"iso8859{number}": f"iso8859-{number}" for number in range(1, 17) if number != 12}  # noqa: PLR2004 - there is no part 12
    | {
        f"{prefix}{number}": f"cp{number}"
        for prefix in ("windows", "cp")
        for number in range(1250, 1259)
    }
    | {"usascii": "ascii", "sjis": "shift_jis", "windows31j": "cp932", "ksc56011987": "euc-kr"}
    | {"gb2312": "gb18030", "gbk": "gb18030"}  # texts named so hold letters of the larger set
)
_AS_IT_STANDS = ""  # the charset of what is no encoded word


def decoded(text: str, *, errors: Literal["strict", "replace"]) -> str:
    """Return a text with its encoded words read, white space between two of them dropped (RFC 2047
    6.2).

    With `errors="replace"` what cannot be read is U+FFFD; with "strict" it is a ValueError whose
    text says what is wrong.
    """
    if "=?" not in text:
        return text
    runs: list[tuple[str, bytearray]] = []
    at = 0
    for word in _WORD.finditer(text):
        between = text[at : word.start()]
        if not at or between.strip(" \t"):
            runs.append((_AS_IT_STANDS, bytearray(between.encode("utf-8", "surrogatepass"))))
        # else a character may be cut between this word and the one before
        if runs[-1][0] != word[1].lower():
            runs.append((word[1].lower(), bytearray()))
        runs[-1][1].extend(_octets(word[2].lower(), word[3], errors))
        at = word.end()
    runs.append((_AS_IT_STANDS, bytearray(text[at:].encode("utf-8", "surrogatepass"))))
    return "".join(_characters(charset, octets, errors) for charset, octets in runs)


def text_of(field: Field) -> str:
    """Return the value of a field that is addressed to somebody else, without the white space
    around it; what cannot be read is U+FFFD.
    """
    return decoded(
        field.value.decode("utf-8", "replace").replace("\t", " ").strip(" "), errors="replace"
    ).strip()


def word_of(field: Field) -> str:
    """Return the one word of a field in lower case, without comments, quotes, and the parameters
    behind a semicolon.
    """
    return unquoted(parts_of(text_of(field))[0]).lower()


def parts_of(text: str) -> list[str]:
    """Return a text cut at its semicolons, at least one part, without comments; quoted strings stay
    as they are.

    A comment or a quoted string that nobody closes goes to the end.
    """
    if "(" not in text and '"' not in text:
        return [part.strip() for part in text.split(";")]
    parts: list[list[str]] = [[]]
    at, depth, quoted = 0, 0, False
    for mark in _MARK.finditer(text):
        if depth:
            depth += {"(": 1, ")": -1}.get(mark[0], 0)
            at = mark.end()
        elif mark[0] == '"':
            quoted = not quoted
        elif not quoted and mark[0] in {"(", ";"}:
            parts[-1].append(text[at : mark.start()])
            at = mark.end()
            if mark[0] == "(":
                depth = 1
            else:
                parts.append([])
    if not depth:
        parts[-1].append(text[at:])
    return ["".join(part).strip() for part in parts]


def unquoted(text: str) -> str:
    """Return what a quoted string says, and any other text as it is; nothing for a quote that is
    open or closed too early.
    """
    if not text.startswith('"'):
        return text
    found = _QUOTED.fullmatch(text)
    return _ESCAPED.sub(r"\1", found[1]).strip() if found else ""


def _octets(encoding: str, text: str, errors: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if encoding == "q":
        return _HEX.sub(
            lambda octet: bytes.fromhex(octet[1].decode("ascii")), raw.replace(b"_", b" ")
        )
    raw = b"".join(raw.split())
    try:
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    except binascii.Error as exc:
        if errors == "strict":
            raise ValueError("holds an encoded word that is not Base64") from exc
        return b"\xff"


def _characters(charset: str, octets: bytearray, errors: str) -> str:
    if charset == _AS_IT_STANDS:
        return octets.decode("utf-8", "surrogatepass")
    codec = _CODECS.get(_NO_PART_OF_NAME.sub("", charset))
    if codec is None and errors == "strict":
        raise ValueError("holds an encoded word in a charset that is not read here")
    try:
        return octets.decode(codec or "ascii", errors)
    except UnicodeDecodeError as exc:
        if errors == "strict":
            raise ValueError("holds an encoded word that is not in its charset") from exc
        # some codecs of Python raise for what they are told to replace
        return octets.decode("ascii", "replace")
