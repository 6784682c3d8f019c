"""Bytes of a file, as they come, into records: CSV (RFC 4180) with any usual separator, or a JSON object a line.

1. Memory is bounded whatever the file: a line longer than MAX_LINE_CHARS is refused and skipped to its end.
2. A byte order mark decides between UTF-8 and UTF-16. Bytes that are no UTF-8 stay in their cell as lone surrogates, so they spoil the line
   only when they stand where something is read from.
3. A quoted cell may hold line ends. A quote that is not closed within MAX_RECORD_LINES is a broken line of its own, and the lines after it
   are read as if it had not been there: one bad quote must not swallow a thousand people.
4. A record has the number of its first line, which is what an editor shows.
"""

import codecs
import csv
import io
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MAX_LINE_CHARS = 65_536
MAX_RECORD_LINES = 20

_SEPARATORS = ",;\t|"
_OBJECTS = "{"  # in the place of a separator: each line is a JSON object
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LONGEST_MARK = 3


class Record(NamedTuple):
    """One record: the cells of a CSV line, the members of a JSON object, or why it is neither."""

    line: int
    cells: Sequence[str] = ()
    members: Mapping[str, str] | None = None
    problem: str = ""


class RecordReader:
    """Takes a file in pieces of any size, and gives its records. Blank lines are none."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._undecoded = b""
        self._text = ""
        self._skipping = False
        self._line = 0
        self._open: deque[tuple[int, str]] = deque()  # lines of a record whose last quote is not closed
        self._separator = ""

    def feed(self, piece: bytes) -> Iterator[Record]:
        """Yield the records that are complete with this piece."""
        yield from self._take(self._decoded(piece, final=False), final=False)

    def end(self) -> Iterator[Record]:
        """Yield what is left when the file has ended."""
        yield from self._take(self._decoded(b"", final=True), final=True)
        while self._open:
            yield from self._give_up()

    def _decoded(self, piece: bytes, *, final: bool) -> str:
        if self._decoder is None:
            piece = self._undecoded + piece
            if len(piece) < _LONGEST_MARK and not final:
                self._undecoded = piece
                return ""
            mark, encoding = next((pair for pair in _MARKS if piece.startswith(pair[0])), (b"", "utf-8"))
            errors = "surrogateescape" if encoding == "utf-8" else "replace"
            self._decoder = codecs.getincrementaldecoder(encoding)(errors)
            piece = piece[len(mark) :]
        return self._decoder.decode(piece, final)

    def _take(self, text: str, *, final: bool) -> Iterator[Record]:
        *lines, self._text = (self._text + text).replace("\r\n", "\n").split("\n")
        for line in lines:
            yield from self._physical(line)
        if final and self._text:
            last, self._text = self._text, ""
            yield from self._physical(last)
        elif len(self._text) > MAX_LINE_CHARS and not self._skipping:
            yield self._too_long()
            self._skipping, self._text = True, ""
        elif self._skipping:
            self._text = ""

    def _physical(self, line: str) -> Iterator[Record]:
        if self._skipping:
            self._skipping = False
            return
        if len(line) > MAX_LINE_CHARS:
            yield self._too_long()
            return
        self._line += 1
        self._open.append((self._line, line.removesuffix("\r")))
        yield from self._close()

    def _too_long(self) -> Record:
        self._line += 1
        return Record(self._line, problem=f"longer than {MAX_LINE_CHARS} characters")

    def _close(self) -> Iterator[Record]:
        """Yield a record when its quotes are closed, or when they will not be."""
        text = "\n".join(line for _, line in self._open)
        if not text.strip():
            self._open.clear()
            return
        if not self._separator:  # the first line decides for the whole file
            self._separator = _OBJECTS if text.lstrip().startswith("{") else max(_SEPARATORS, key=text.count)
        if self._separator == _OBJECTS or text.count('"') % 2 == 0:
            first = self._open[0][0]
            self._open.clear()
            yield self._read(first, text)
        elif len(self._open) > MAX_RECORD_LINES or len(text) > MAX_LINE_CHARS:
            yield from self._give_up()

    def _give_up(self) -> Iterator[Record]:
        """Yield the first open line as broken, and read those after it anew."""
        (first, _), *rest = self._open
        self._open.clear()
        yield Record(first, problem="a quote that is never closed")
        for numbered in rest:
            self._open.append(numbered)
            yield from self._close()

    def _read(self, line: int, text: str) -> Record:
        if self._separator == _OBJECTS:
            return _object(line, text)
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=self._separator, strict=True), [])
        except csv.Error as exc:
            return Record(line, problem=f"not CSV: {exc}")
        return Record(line, cells=[cell.strip() for cell in cells])


def _object(line: int, text: str) -> Record:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        return Record(line, problem="not a JSON object")
    return Record(line, members={key: "" if value is None else str(value) for key, value in members.items()})
