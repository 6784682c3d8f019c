"""One JSON document, as the services' interfaces give theirs: an array, the array within an object,
or objects over several lines.

`["a@x.com"]`, `[{"email":…}]`, `{"Suppressions":[{"EmailAddress":…}]}`, `{"data":{"results":[…]}}`,
and the answer about one person, with whatever lists stand in it. Elements are read one by one as
they come, so the memory is that of one. What is no JSON ends the reading, since nobody knows where
the next element begins; that is said, and at which line.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

HEAD_CHARS = 4_096  # so much decides whether a file is such a document
MAX_DEPTH = 6  # of objects within an element that are looked into
MAX_LINE_CHARS = 65_536  # of a line, or of one element

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_SCALAR = rf"(?:{_STRING}|[-+.0-9eE]+|true|false|null)"
_OPENING = re.compile(
    rf'\s*(?:\[\s*(?=["{{\]])|(?:\{{\s*(?:{_STRING}\s*:\s*{_SCALAR}\s*,\s*)*({_STRING})\s*:\s*)+\[\s*(?=\{{|"[^"\n]*@))'
)
_QUOTED = re.compile(_STRING)
_ADDRESS = re.compile(r'"[^"\s]+@[^"\s]+"')
# lists of what one has left
_OF_ONE_PERSON = frozenset(
    ('"TopicPreferences"', '"TopicDefaultPreferences"', '"subscriptionStatuses"')
)
_OF_WHO_STAYED = frozenset(
    (
        "subscribed",
        "active",
        "confirmed",
        "enabled",
        "optin",
        "opted_in",
        "opt_in",
        "allowed",
        "active_subscribers",
    )
)
_GOES_ON = ("{", "[", ",")  # the end of a line of an object that is written over several
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


class Record(NamedTuple):
    """One record of a file: the cells of a CSV line, the members of a JSON object, or why it is
    neither.
    """

    line: int
    cells: tuple[str, ...] = ()
    members: Mapping[str, str] | None = None
    problem: str = ""


class Opening(NamedTuple):
    """How a document begins: so many characters open its list; `alone`: no list, but objects one
    after another.
    """

    characters: int
    alone: bool = False
    name: str = ""  # of the list, in small letters


def opening_of(head: str) -> Opening | None:
    """Return how the document that begins so is opened; None when it is none, but a table or an
    object a line.
    """
    first = head.lstrip().partition("\n")[0].rstrip()
    whole = _decoded(first)
    if isinstance(whole, dict) and any(
        isinstance(value, str) and "@" in value for value in whole.values()
    ):
        return None  # one recipient, whatever lists stand beside the address
    found = _OPENING.match(head)
    if found and not (found[1] in _OF_ONE_PERSON or _ADDRESS.search(found[0])):
        return Opening(found.end(), name=(found[1] or "").strip('"').casefold())
    return Opening(0, alone=True) if first.startswith("{") and first.endswith(_GOES_ON) else None


def record_of(value: object, line: int) -> Record:
    """Return the record that a JSON value is."""
    if isinstance(value, str):
        return Record(line, cells=(value.strip(),))
    if not isinstance(value, dict):
        return Record(line, problem="not a JSON object")
    while (
        len(value) == 1
        and isinstance(inner := next(iter(value.values())), dict)
        and "attributes" not in value
    ):
        # `{"SuppressedDestination": {…}}`; `attributes` is part of the names that a format knows
        value = inner
    return Record(line, members=dict(_flattened(value, "", MAX_DEPTH)))


def _flattened(value: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the members of an object as text, those of objects within it by their path; a list
    stays JSON.
    """
    for name, one in value.items():
        if isinstance(one, dict) and depth:
            yield from _flattened(one, f"{prefix}{name}.", depth - 1)
        else:
            yield (
                prefix + name,
                (
                    ""
                    if one is None
                    else one
                    if isinstance(one, str)
                    else json.dumps(one, ensure_ascii=False)
                ),
            )


def object_record(text: str, line: int) -> Record:
    """Return the record of a line that should be a JSON object."""
    value = _decoded(text)
    return record_of(value if isinstance(value, dict) else None, line)


class DocumentReader:
    """Takes what follows the opening of a document, in pieces of any size."""

    def __init__(self, opening: str, *, alone: bool, name: str = "") -> None:
        self._alone = alone
        self._problem = f'the list is called "{name}"' if name in _OF_WHO_STAYED else ""
        # the other members of what the list stands in say nothing
        self._before = '{"":' * _QUOTED.sub("", opening).count("{") + "["
        self._line = opening.count("\n") + 1
        self._text = ""
        self._closed = False
        self._over = False

    def feed(self, text: str, *, final: bool) -> Iterator[Record]:
        """Yield the elements that are complete with this piece, and what keeps the rest from being
        read.
        """
        self._text += text
        yield from self._elements(final=final)
        if self._closed and not self._over and (final or len(self._text) > MAX_LINE_CHARS):
            self._over = True
            if not self._ends_well():
                yield Record(self._line, problem="what stands behind the list was not read")
        if self._over:
            self._text = ""

    def _elements(self, *, final: bool) -> Iterator[Record]:
        at = 0
        while not (self._closed or self._over):
            at = self._skipped(at)
            if self._text[at : at + 1] == "]" and not self._alone:
                self._closed = True
                break
            if self._alone and at == len(self._text):
                break
            value, end = self._element(at)
            # a number may go on in the next piece
            complete = at < end and (final or end < len(self._text))
            if not complete and not final and len(self._text) - at <= MAX_LINE_CHARS:
                break
            if not complete or end - at > MAX_LINE_CHARS:
                self._over = True
                yield Record(
                    self._line,
                    problem=(
                        "no JSON from here on, or too early an end: nothing behind this was read"
                    ),
                )
                break
            yield (
                Record(self._line, problem=self._problem)
                if self._problem
                else record_of(value, self._line)
            )
            self._line += self._text.count("\n", at, end)
            at = end
        self._text = self._text[at:]

    def _skipped(self, at: int) -> int:
        found = _BETWEEN.match(self._text, at)
        end = found.end() if found else at
        self._line += self._text.count("\n", at, end)
        return end

    def _element(self, start: int) -> tuple[object, int]:
        """Return the element that begins there and its end; the beginning for its end when it is
        not whole.
        """
        try:
            value, end = _DECODER.raw_decode(self._text, start)
        except (ValueError, RecursionError):
            return None, start
        return value, end

    def _ends_well(self) -> bool:
        """Tell whether what follows the elements closes the list and what it stands in, and nothing
        else.
        """
        return _decoded(f"{self._before}{self._text}") is not None


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
