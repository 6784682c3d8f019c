"""Records become entries: who, whether they have left, what, and when; or why a line says none of it.

Without a named format the columns decide (`app.core.lists.formats`). Without a header it is the first cell with an address in it; under a
header of other names, as in `Kontakt;Datum`, the first line with an address decides. Only what a line says was left is left: a column of
groups, tags or topics is never passed over, and a group is meant by its id or its name.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from app.core.errors import RuleViolation
from app.core.groups import ALL
from app.core.lists.documents import Record
from app.core.lists.formats import LEAVING_TIMES, Format, ListFormat, recognised
from app.core.lists.status import Verdict, is_answer, questions_by_group, read_word, verdict_of
from app.core.lists.times import EPOCH, read_time

Alternatives = tuple[str, ...]  # words for one group: the first that the brand knows is meant


class Entry(NamedTuple):
    """One line of a list.

    `groups` is what was left: empty when the line does not say, `all` for all mail. `at_ms` is None when no time of leaving can be read.
    """

    line: int
    address: str = ""
    digest: str = ""  # in hex, in our own exports of a brand that stores no addresses
    groups: tuple[Alternatives, ...] = ()
    at_ms: int | None = None
    subscribed: bool = False  # the line says that they have not left
    problem: str = ""


_SCOPE = (
    ("group", "groups", "groupname", "groupid"),
    ("asmgroupid",),
    ("tag", "tags"),
    ("topic", "topics", "topicname"),
    ("list", "lists", "listname", "listid", "listids"),
    ("stream", "messagestream"),
    ("audience", "audiences", "audiencename", "segment", "segments", "subscriptiontype", "subscriptiontypes"),
    ("newsletter", "newsletters", "mailinglist", "mailinglists", "category", "categories", "unsubscribedfrom"),
    ("subscriptiongroup", "subscriptiongroups", "suppressiongroup", "unsubscribegroup", "asmgroup"),
    ("preference", "preferences", "emailpreference", "emailpreferences"),
)
_NAMES_OF_GROUP = ("topicname", "name", "title", "id")
_STATUS_OF_GROUP = ("subscriptionstatus", "status", "state")
_STATUS_IS_OPEN = frozenset(("", "unconfirmed", "not_specified"))  # nobody has decided yet
_EVERYTHING = frozenset(("*", ALL, "any", "everything", "global"))
_ESCAPED = re.compile(r"^'(?=[=+\-@\t\r'])")
_PYTHON_LIST = re.compile(r"\[(?:'[^']*'(?:, ?'[^']*')*)?\]")
_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")
_SINGLE = Format(marks=frozenset())


class ListReader:
    """Turns records into entries. The first record may be a header; a JSON object names its own columns."""

    def __init__(self, format: ListFormat | None = None) -> None:
        self._format = format
        self._header: Sequence[str] | None = None
        self._spelled: Mapping[str, str] = {}  # columns as the file spells them
        self._address_at = 0
        self._nameless = False  # a header that does not tell which column holds the addresses
        self._ours = False  # a table that we wrote, whose cells are marked for spreadsheets

    def read(self, record: Record) -> Entry | None:
        """Return the entry of a record, with a problem when it is none; None for the header."""
        if record.problem:
            return Entry(record.line, problem=record.problem)
        if record.members is not None:
            self._spelled = {plain_name(name): name for name in record.members}
            return self._entry(record.line, {plain_name(name): value for name, value in record.members.items()})
        if self._header is None:
            return self._first(record)
        if not self._header:
            return self._bare(record)
        cells = [_ESCAPED.sub("", cell) for cell in record.cells] if self._ours else record.cells
        if self._nameless:
            self._name_column(cells)
        return self._entry(record.line, dict(zip(self._header, cells, strict=False)))

    def _first(self, record: Record) -> Entry | None:
        names = [plain_name(cell) for cell in record.cells]
        row = recognised(frozenset(names), self._format)
        addresses = [at for at, cell in enumerate(record.cells) if _ADDRESS.fullmatch(cell)]
        if not addresses and (row is not None or len(record.cells) > 1):
            self._header, self._nameless = names, row is None
            self._spelled = dict(zip(names, record.cells, strict=True))
            self._ours = bool(row and row.digest)
            return None
        self._header = ()
        self._address_at = addresses[0] if addresses else 0
        return self._bare(record)

    def _name_column(self, cells: Sequence[str]) -> None:
        """Give the first column with an address in it the name that it should have had, under a header that names none."""
        at = next((at for at, cell in enumerate(cells) if _ADDRESS.fullmatch(cell)), None)
        if self._header and at is not None and at < len(self._header):
            self._header = [*self._header[:at], "email", *self._header[at + 1 :]]
            self._nameless = False

    def _bare(self, record: Record) -> Entry:
        """Read a line of a table without a header: an address, and perhaps a word of a status in another cell."""
        if len(record.cells) <= self._address_at or not record.cells[self._address_at]:
            return Entry(record.line, problem="no address")
        others = [cell for at, cell in enumerate(record.cells) if at != self._address_at]
        words = {read_word(cell, _SINGLE) for cell in others}
        answer = next((cell for cell in others if is_answer(cell)), None)
        if answer is not None and words == {None}:
            return Entry(
                record.line,
                address=record.cells[self._address_at],
                problem=f'"{answer}" in a table without a header: what it answers is not known',
            )
        return Entry(record.line, address=record.cells[self._address_at], subscribed=Verdict.SUBSCRIBED in words)

    def _entry(self, line: int, cells: Mapping[str, str]) -> Entry:
        row = recognised(frozenset(cells), self._format)
        if row is None:
            return Entry(line, problem="no column of addresses")
        address = next((cells[name] for name in row.address if cells.get(name)), "")
        digest = cells.get(row.digest, "") if row.digest else ""
        if not (address or digest):
            return Entry(line, problem="no address")
        if row.within:
            cells = {name: value for name, value in cells.items() if not name.startswith(row.within)}
        try:
            groups, subscribed = self._said(cells, row)
        except RuleViolation as exc:
            return Entry(line, address=address, digest="" if address else digest, problem=str(exc))
        return Entry(
            line,
            address=address,
            digest="" if address else digest,
            groups=groups,
            at_ms=None if subscribed else _time_of(cells, row),
            subscribed=subscribed,
        )

    def _said(self, cells: Mapping[str, str], row: Format) -> tuple[tuple[Alternatives, ...], bool]:
        """Return what a line says was left, and whether it says that nothing was. Raises RuleViolation."""
        listed = [(group, said) for name in row.topics if cells.get(name) for group, said in _topics(cells[name], row)]
        listed += [((self._group_in(column),), said) for column, said in questions_by_group(cells)]
        some = tuple(group for group, said in listed if said is Verdict.LEFT)
        try:
            verdict = verdict_of(cells, row)
        except RuleViolation:
            if not listed:
                raise
            verdict = Verdict.SUBSCRIBED
        if verdict is not Verdict.LEFT and (some or listed):
            return some, not some
        scope = tuple(_scope(cells, row))
        unplaced = next((name for name in row.placed if name in cells and not scope), None)
        if unplaced and verdict is not Verdict.SUBSCRIBED:
            raise RuleViolation(f"the column {unplaced} is empty, so the line does not say what was left")
        return scope, verdict is Verdict.SUBSCRIBED

    def _group_in(self, group: str) -> str:
        """Return a group as the header spells it behind its colon."""
        spelled = next((name for plain, name in self._spelled.items() if plain.endswith(f":{group}")), group)
        return spelled.rpartition(":")[2].strip() or group


def plain_name(name: str) -> str:
    """Return the name of a column without case, spaces and punctuation, but for a colon."""
    return "".join(char for char in name.casefold() if char.isalnum() or char == ":")


def _time_of(cells: Mapping[str, str], row: Format) -> int | None:
    for name in (*row.times, *LEAVING_TIMES, "unsubscribed", "optedout"):
        said = cells.get(name, "")
        if said and name in row.times and row.epoch_only and not EPOCH.fullmatch(said):
            continue
        if said and (at_ms := read_time(said)) is not None:
            return at_ms
    return None


def _scope(cells: Mapping[str, str], row: Format) -> Iterator[Alternatives]:
    for columns in (*row.scope, *_SCOPE):
        named = [name for name in columns if name not in row.silent or columns in row.scope]
        words = [_items(cells[name]) for name in named if cells.get(name)]
        if not words:
            continue
        if columns in row.scope or columns == _SCOPE[0]:  # several columns for the same group: its id, its name
            yield tuple(word for items in words for word in items)
        else:
            yield from ((word,) for items in words for word in items)


def _items(text: str) -> list[str]:
    """Return the groups in a cell: those of a JSON list, or the one text, which may hold several with commas between them."""
    found = _decoded(text)
    if isinstance(found, list):
        items = [_name_of(one) for one in found]
        return [ALL if item.casefold() in _EVERYTHING else item for item in items if item]
    return [ALL if text.strip().casefold() in _EVERYTHING else text.strip()]


def _name_of(one: object) -> str:
    if isinstance(one, dict):
        members = {plain_name(name): value for name, value in one.items()}
        return str(next((members[name] for name in _NAMES_OF_GROUP if members.get(name)), ""))
    return str(one)


def _topics(text: str, row: Format) -> Iterator[tuple[Alternatives, Verdict]]:
    """Yield the groups in a JSON list and what it says of each: a list of names, or objects with a name and a status."""
    found = _decoded(text)
    if not isinstance(found, list):
        raise RuleViolation("a list of topics that is none")
    for one in found:
        if not isinstance(one, dict):
            yield (str(one),), Verdict.LEFT
            continue
        members = {plain_name(name): value for name, value in one.items()}
        names = tuple(str(members[name]) for name in _NAMES_OF_GROUP if members.get(name) not in (None, ""))
        said = next((str(members[name]) for name in _STATUS_OF_GROUP if members.get(name)), "")
        verdict = read_word(said, row)
        if not names or (verdict is None and said.casefold() not in _STATUS_IS_OPEN):
            raise RuleViolation(f"a topic whose status nobody knows: {json.dumps(said)[:60]}")
        if verdict:
            yield names, verdict


def _decoded(text: str) -> object:
    if not text.startswith("["):
        return None
    if _PYTHON_LIST.fullmatch(text):
        text = text.replace('"', "").replace("'", '"')
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
