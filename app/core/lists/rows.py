"""Our own lists: one row for each thing that a recipient has left, as CSV or as a JSON object a
line.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and
`+bob@example.com` is an address: such a cell gets an apostrophe before it, and so does one that
begins with an apostrophe, so that our own import takes exactly one away.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import NamedTuple

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")


class Row(NamedTuple):
    """One row of an export; `address` is empty when it is not stored."""

    recipient: str  # the digest in hex
    address: str
    group: str  # its id, or `all`
    source: str
    since: str
    last: str
    sequence: int


def csv_header() -> bytes:
    """Return the first line of a CSV export."""
    return _line(Row._fields)


def csv_row(row: Row) -> bytes:
    """Return one row as CSV (RFC 4180: CRLF)."""
    return _line(safe_cell(str(value)) for value in row)


def json_row(row: Row) -> bytes:
    """Return one row as a line of NDJSON; without a member for an address that is not stored."""
    members = {name: value for name, value in row._asdict().items() if value != ""}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8", "surrogateescape")
