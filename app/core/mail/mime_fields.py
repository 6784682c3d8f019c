"""What the fields of a MIME part say: type, parameters, transfer encoding, disposition (RFC 2045 5
and 6, RFC 2183, RFC 2231).

Readers differ about broken fields. So a value is either read in the one way that all agree on, or
it is unreadable: `None`, never a guess. Linear: one pass over a value that `app.core.mail.message`
has capped.
"""

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.core.mail.message import Field

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+"|\((?:[^()\\]|\\.)*+\)|[^"();]++|;')
_WORD = r"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]+"
_TYPE = re.compile(rf"{_WORD}/{_WORD}")
# boundaries with `=`, `:` or `/` in them come unquoted from real software
_LOOSE_VALUE = re.compile(r"[^\s\"\\;,()<>]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_ESCAPED = re.compile(r"\\(.)")
_EXTENDED = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*)?)?")  # RFC 2231: name*, name*0, name*0*

CONTENT_TYPE, TRANSFER_ENCODING, DISPOSITION = (
    b"content-type",
    b"content-transfer-encoding",
    b"content-disposition",
)
_SINGLE = frozenset((CONTENT_TYPE, TRANSFER_ENCODING, DISPOSITION))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFields:
    """The three fields that decide what a part is. `kind` is `type/subtype` in lower case,
    parameter names are in lower case too.
    """

    kind: str
    parameters: Mapping[str, str]
    encoding: str  # lower case, "7bit" when absent (RFC 2045 6.1)
    attached: bool  # Content-Disposition: attachment


def part_fields(fields: Sequence[Field], *, default_kind: str) -> PartFields | None:
    """Return what the fields say, or None when they stand twice or cannot be read in exactly one
    way.
    """
    found = [field for field in fields if field[0] in _SINGLE]
    values = {field.name: field.value.decode("latin-1").strip(" \t") for field in found}
    if len(values) < len(found):
        return None
    typed = _with_parameters(values.get(CONTENT_TYPE, default_kind))
    disposed = _with_parameters(values.get(DISPOSITION, "inline"))
    encoded = _with_parameters(values.get(TRANSFER_ENCODING, "7bit"))
    if typed is None or disposed is None or encoded is None or not _TYPE.fullmatch(typed[0]):
        return None
    return PartFields(
        kind=typed[0],
        parameters=typed[1],
        encoding=encoded[0],
        attached=disposed[0] == "attachment",
    )


@lru_cache(maxsize=256)  # the mails of a campaign say the same, but for their boundaries
def _with_parameters(value: str) -> tuple[str, Mapping[str, str]] | None:
    """Return what stands before the first semicolon, in lower case, and the parameters behind
    it.
    """
    pieces = _split(value)
    if pieces is None:
        return None
    parameters = _parameters([piece for piece in pieces[1:] if piece])
    return None if parameters is None else (pieces[0].lower(), parameters)


def _split(value: str) -> list[str] | None:
    """Return the value cut at its semicolons, without comments; None when a quote or a comment
    stays open.
    """
    pieces, at = [""], 0
    while at < len(value):
        found = _PIECE.match(value, at)
        if found is None:
            return None
        at = found.end()
        if found[0] == ";":
            pieces.append("")
        elif not found[0].startswith("("):
            pieces[-1] += found[0]
    return [piece.strip(" \t") for piece in pieces]


def _parameters(pieces: Sequence[str]) -> Mapping[str, str] | None:
    plain: dict[str, str] = {}
    for piece in pieces:
        name, mark, raw = piece.partition("=")
        value = _unquoted(raw.strip(" \t"))
        name = name.strip(" \t").lower()
        if not mark or value is None or plain.setdefault(name, value) != value:
            return None
    return _joined(plain)


def _unquoted(raw: str) -> str | None:
    quoted = _QUOTED.fullmatch(raw)
    if quoted:
        return _ESCAPED.sub(r"\1", quoted[1])
    return raw if _LOOSE_VALUE.fullmatch(raw) else None


def _joined(plain: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the parameters with those of RFC 2231 decoded and put together."""
    if not any("*" in name for name in plain):
        return plain
    joined = {name: value for name, value in plain.items() if "*" not in name}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in plain.items():
        if "*" not in name:
            continue
        found = _EXTENDED.fullmatch(name)
        if found is None or found[1] in joined:
            return None
        number, encoded = int(found[2] or 0), found[2] is None or found[3] is not None
        if sections.setdefault(found[1], {}).setdefault(number, (value, encoded)) != (
            value,
            encoded,
        ):
            return None
    for name, numbered in sections.items():
        if sorted(numbered) != list(range(len(numbered))):
            return None
        joined[name] = "".join(
            _decoded(*numbered[number], first=number == 0) for number in range(len(numbered))
        )
    return joined


def _decoded(value: str, encoded: bool, *, first: bool) -> str:
    if not encoded:
        return value
    return urllib.parse.unquote(value.split("'", 2)[-1] if first else value, encoding="latin-1")
