"""Whose file it is: which column holds the address and which the time, in the exports of SendGrid, Mailgun, Postmark, SES, and our own.

Without a named format the first line decides: known column names, or an address in one of its cells, which then is the column. Under a
header of other names, as in `E-Mail-Adresse;Datum`, the first line with an address decides. A column `group` says what was left.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

from app.core.lists.documents import Record


class ListFormat(StrEnum):
    """A kind of file."""

    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    SES = "ses"
    PLAIN = "plain"
    SIGNOFF = "signoff"


class Entry(NamedTuple):
    """One line of a list. `at_ms` is None when the line gives no time; `undated` tells that it gives one nobody can read."""

    line: int
    address: str = ""
    digest: str = ""  # in hex, in our own exports of a brand that stores no addresses
    group: str = ""
    at_ms: int | None = None
    undated: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    address: tuple[str, ...]
    at: tuple[str, ...] = ()
    digest: str = ""
    group: str = "group"


# Names without case, spaces and underscores.
_FORMATS = {
    ListFormat.SENDGRID: _Columns(address=("email",), at=("created", "createdat")),
    ListFormat.MAILGUN: _Columns(address=("address", "recipient"), at=("createdat",)),
    ListFormat.POSTMARK: _Columns(address=("emailaddress", "email", "recipient"), at=("createdat", "date", "bouncedat")),
    ListFormat.SES: _Columns(address=("emailaddress",), at=("lastupdatetime", "lastupdatedtimestamp")),
    ListFormat.SIGNOFF: _Columns(address=("address",), at=("since",), digest="recipient"),
    ListFormat.PLAIN: _Columns(
        address=("email", "emailaddress", "e-mail", "mail", "address", "recipient", "subscriber"),
        at=("unsubscribedat", "unsubscribed", "createdat", "created", "date", "timestamp", "lastupdatetime", "optouttime", "unsubtime"),
    ),
}
_ESCAPED = re.compile(r"^'(?=[=+\-@\t\r'])")
_EPOCH = re.compile(r"\d{9,13}(?:\.\d+)?")
_MILLISECONDS_FROM = 100_000_000_000  # an epoch this large cannot be seconds: it would be the year 5138


class ListReader:
    """Turns records into entries. The first record may be a header; a JSON object names its own columns."""

    def __init__(self, format: ListFormat | None = None) -> None:
        self._format = format
        self._header: Sequence[str] | None = None
        self._address_at = 0
        self._nameless = False  # a header that does not tell which column holds the addresses
        self._ours = False  # a table that we wrote, whose cells are marked for spreadsheets

    def read(self, record: Record) -> Entry | None:
        """Return the entry of a record, with a problem when it is none; None for the header."""
        if record.problem:
            return Entry(record.line, problem=record.problem)
        if record.members is not None:
            return self._entry(record.line, {_plain(name): value for name, value in record.members.items()})
        if self._header is None:
            return self._first(record)
        if not self._header:
            return self._bare(record)
        cells = [_ESCAPED.sub("", cell) for cell in record.cells] if self._ours else record.cells
        if self._nameless:
            self._name_column(cells)
        return self._entry(record.line, dict(zip(self._header, cells, strict=False)))

    def _first(self, record: Record) -> Entry | None:
        names = [_plain(cell) for cell in record.cells]
        columns = self._columns(set(names))
        if columns is not None and not any("@" in cell for cell in record.cells):
            self._header = names
            self._ours = columns is _FORMATS[ListFormat.SIGNOFF]
            return None
        addresses = [at for at, cell in enumerate(record.cells) if "@" in cell]
        if not addresses and len(record.cells) > 1:
            self._header, self._nameless = names, True
            return None
        self._header = ()
        self._address_at = addresses[0] if addresses else 0
        return self._bare(record)

    def _name_column(self, cells: Sequence[str]) -> None:
        """Give the first column with an address in it the name that it should have had, under a header that names none."""
        at = next((at for at, cell in enumerate(cells) if "@" in cell), None)
        if self._header and at is not None and at < len(self._header):
            self._header = [*self._header[:at], _FORMATS[self._format or ListFormat.PLAIN].address[0], *self._header[at + 1 :]]
            self._nameless = False

    def _bare(self, record: Record) -> Entry:
        if len(record.cells) <= self._address_at or not record.cells[self._address_at]:
            return Entry(record.line, problem="no address")
        return Entry(record.line, address=record.cells[self._address_at])

    def _columns(self, names: set[str]) -> _Columns | None:
        if self._format is not None:
            columns = _FORMATS[self._format]
            return columns if columns.digest in names or not names.isdisjoint(columns.address) else None
        if {"recipient", "group", "since"} <= names:
            return _FORMATS[ListFormat.SIGNOFF]
        return next((columns for columns in _FORMATS.values() if not names.isdisjoint(columns.address)), None)

    def _entry(self, line: int, cells: dict[str, str]) -> Entry:
        columns = self._columns(set(cells))
        if columns is None:
            return Entry(line, problem="no column of addresses")
        # each format's own column of times first; where the file has another one, better that than none
        times = (*columns.at, *_FORMATS[ListFormat.PLAIN].at)
        address = next((cells[name] for name in columns.address if cells.get(name)), "")
        digest = cells.get(columns.digest, "") if columns.digest else ""
        if not (address or digest):
            return Entry(line, problem="no address")
        said = next((cells[name] for name in times if cells.get(name)), "")
        at_ms = read_time(said) if said else None
        return Entry(
            line,
            address=address,
            digest="" if address else digest,
            group=cells.get(columns.group, ""),
            at_ms=at_ms,
            undated=bool(said) and at_ms is None,
        )


def read_time(text: str) -> int | None:
    """Return UTC milliseconds of an epoch (seconds or milliseconds), ISO 8601, or the date of a mail; None for anything else.

    A time without a zone is UTC.
    """
    if _EPOCH.fullmatch(text):
        number = float(text)
        return int(number if number >= _MILLISECONDS_FROM else number * 1000)
    text = text.removesuffix(" UTC")
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))
        except (ValueError, IndexError, OverflowError):
            continue
    return None


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "").strip("\"'")
