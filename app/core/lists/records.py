"""Bytes of a file, as they come, into records: CSV (RFC 4180) with any usual separator, a JSON
object a line, or a JSON document of a list.

1. Memory is bounded whatever the file: a line longer than MAX_LINE_CHARS is refused and skipped to
   its end.
2. A byte order mark decides between UTF-8 and UTF-16. Bytes that are no UTF-8 stay in their cell as
   lone surrogates, so they spoil the line only when they stand where something is read from.
3. A quoted cell may hold line ends; LF, CRLF and CR are all one. A quote that is not closed within
   MAX_RECORD_LINES, or not as it must be, is a broken line of its own, and the lines after it are
   read as if it had not been there: one bad quote must not swallow a thousand people. A quote
   within a cell that began without one is a character like any other.
4. A record has the number of its first line, which is what an editor shows.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator

from app.core.lists.documents import (
    HEAD_CHARS,
    MAX_LINE_CHARS,
    DocumentReader,
    Record,
    object_record,
    opening_of,
)

MAX_RECORD_LINES = 20

_SEPARATORS = ",;\t|"
_OBJECTS = "{"  # in the place of a separator: each line is a JSON object
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK = 3
# what Excel writes above a table for itself
_SEPARATOR_LINE = re.compile(rf'"?sep=([{_SEPARATORS}])"?', re.IGNORECASE)
# csv's word for it; nothing else tells it from a quote that is closed wrongly
_OPEN_QUOTE = "unexpected end of data"


class RecordReader:
    """Takes a file in pieces of any size, and gives its records. Blank lines are none."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._undecoded = b""
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._head: str | None = ""  # None once it is decided what this is
        self._document: DocumentReader | None = None
        self._text = ""
        self._skipping = False
        self._line = 0
        # lines of a record whose last quote is not closed
        self._open: deque[tuple[int, str]] = deque()
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
            mark, encoding = next(
                (pair for pair in _MARKS if piece.startswith(pair[0])), (b"", "utf-8")
            )
            errors = "surrogateescape" if encoding == "utf-8" else "replace"
            self._decoder = codecs.getincrementaldecoder(encoding)(errors)
            piece = piece[len(mark) :]
        return self._newlines.decode(self._decoder.decode(piece, final), final)

    def _take(self, text: str, *, final: bool) -> Iterator[Record]:
        if self._head is not None:
            self._head += text
            if len(self._head) < HEAD_CHARS and not final:
                return
            text, self._head = self._decided(self._head), None
        if self._document is not None:
            yield from self._document.feed(text, final=final)
        else:
            yield from self._lines(text, final=final)

    def _decided(self, text: str) -> str:
        """Decide by its beginning whether the file is a document, and return what is still to be
        read.
        """
        opening = opening_of(text[:HEAD_CHARS])
        if opening is None:
            return text
        self._document = DocumentReader(
            text[: opening.characters], alone=opening.alone, name=opening.name
        )
        return text[opening.characters :]

    def _lines(self, text: str, *, final: bool) -> Iterator[Record]:
        *lines, self._text = (self._text + text).split("\n")
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
        self._open.append((self._line, line))
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
            told = _SEPARATOR_LINE.fullmatch(text.strip(" "))
            self._separator = (
                told[1]
                if told
                else _OBJECTS
                if text.lstrip().startswith("{")
                else max(_SEPARATORS, key=text.count)
            )
            if told:
                self._open.clear()
                return
        first = self._open[0][0]
        try:
            record = (
                object_record(text, first)
                if self._separator == _OBJECTS
                else self._row(text, first)
            )
        except csv.Error as exc:
            is_open = _OPEN_QUOTE in str(exc)
            if is_open and len(self._open) <= MAX_RECORD_LINES and len(text) <= MAX_LINE_CHARS:
                return
            yield from self._give_up(
                "a quote that is never closed"
                if is_open or len(self._open) > 1
                else f"not CSV: {exc}"
            )
        else:
            self._open.clear()
            yield record

    def _give_up(self, problem: str = "a quote that is never closed") -> Iterator[Record]:
        """Yield the first open line as broken, and read those after it again."""
        (first, _), *rest = self._open
        self._open.clear()
        yield Record(first, problem=problem)
        for numbered in rest:
            self._open.append(numbered)
            yield from self._close()

    def _row(self, text: str, line: int) -> Record:
        """Return the record of a line, or of several when its quotes span them. Raises
        csv.Error.
        """
        (cells,) = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self._separator,
            skipinitialspace=True,
            strict=True,
        )
        return Record(line, cells=tuple(cell.strip() for cell in cells))
