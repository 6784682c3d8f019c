"""Records become entries: who, whether they have left, what, and when; or why a line says none of
it.

Without a named format the columns decide (`app.core.lists.formats`). Without a header it is the
first cell with an address in it; under a header of other names, as in `Kontakt;Datum`, the first
line with an address decides. Only what a line says was left is left: a column of groups, tags or
topics is never passed over, and a group is meant by its id or its name.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.core.errors import RuleViolation
from app.core.lists.columns import plain_name
from app.core.lists.documents import Record
from app.core.lists.formats import LEAVING_TIMES, FormatRules, ListFormat, recognised
from app.core.lists.scopes import (
    Alternatives,
    have_a_status,
    refuse_unplaced,
    scope_columns,
    scope_of,
    topics,
)
from app.core.lists.status import (
    LineVerdict,
    Silent,
    is_answer,
    questions_by_group,
    read_word,
    verdict_of,
)
from app.core.lists.times import EPOCH, read_time
from app.core.visible import visible


class Entry(NamedTuple):
    """One line of a list.

    `groups` is what was left: empty when the line does not say, `all` for all mail. `at_ms` is None
    when no time of leaving can be read.
    """

    line: int
    address: str = ""
    digest: str = ""  # in hex, in our own exports of a brand that stores no addresses
    groups: tuple[Alternatives, ...] = ()
    at_ms: int | None = None
    subscribed: bool = False  # the line says that they have not left
    problem: str = ""
    # cells of a table without a header: one that is a group of the brand would be passed over
    others: tuple[str, ...] = ()


_ESCAPED = re.compile(r"^'(?=[=+\-@\t\r'])")
_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")
_SINGLE = FormatRules(marks=frozenset())


class ListReader:
    """Turns records into entries. The first record may be a header; a JSON object names its own
    columns.
    """

    def __init__(self, format: ListFormat | None = None) -> None:
        self._format = format
        self._header: Sequence[str] | None = None
        self._spelled: Mapping[str, str] = {}  # columns as the file spells them
        self._address_at = 0
        self._nameless = False  # a header that does not tell which column holds the addresses
        self._ours = False  # a table that we wrote, whose cells are marked for spreadsheets
        self._unreadable = False  # the first line, which may be the header, cannot be read

    def read(self, record: Record) -> Entry | None:
        """Return the entry of a record, with a problem when it is none; None for the header."""
        if record.problem:
            self._unreadable = self._unreadable or (
                self._header is None and record.members is None and record.line == 1
            )
            return Entry(record.line, problem=record.problem)
        if record.members is not None:
            self._spelled = {plain_name(name): name for name in record.members}
            pairs = [(plain_name(name), value) for name, value in record.members.items()]
            return self._entry(record.line, dict(pairs), problem=_differing(pairs))
        if self._unreadable:
            return Entry(
                record.line, problem="the first line, which may be the header, cannot be read"
            )
        if self._header is None or (self._nameless and self._is_header(record)):
            return self._first(record)
        if not self._header:
            return self._bare(record)
        cells = (
            [_ESCAPED.sub("", cell) for cell in record.cells] if self._ours else list(record.cells)
        )
        if self._nameless:
            self._name_column(cells)
        pairs = list(zip(self._header, cells, strict=False))
        return self._entry(
            record.line, dict(pairs), problem=_misfit(self._header, cells) or _differing(pairs)
        )

    def _is_header(self, record: Record) -> bool:
        """Say whether a line is the header of the table, below a title that was taken for one."""
        names = frozenset(plain_name(cell) for cell in record.cells)
        return recognised(names, self._format) is not None and not any(
            _ADDRESS.fullmatch(cell) for cell in record.cells
        )

    def _first(self, record: Record) -> Entry | None:
        names = [plain_name(cell) for cell in record.cells]
        row = recognised(frozenset(names), self._format)
        addresses = [at for at, cell in enumerate(record.cells) if _ADDRESS.fullmatch(cell)]
        if not addresses and (row is not None or len(record.cells) > 1):
            self._header, self._nameless = names, row is None
            self._spelled = dict(zip(names, record.cells, strict=True))
            self._ours = bool(row and row.digest)
            return None
        if not addresses:  # a title, perhaps: the next line may be the header
            return Entry(record.line, problem="no address")
        self._header = ()
        self._address_at = addresses[0]
        return self._bare(record)

    def _name_column(self, cells: Sequence[str]) -> None:
        """Give the first column with an address in it the name that it should have had, under a
        header that names none.
        """
        at = next((at for at, cell in enumerate(cells) if _ADDRESS.fullmatch(cell)), None)
        if self._header and at is not None and at < len(self._header):
            self._header = [*self._header[:at], "email", *self._header[at + 1 :]]
            self._nameless = False

    def _bare(self, record: Record) -> Entry:
        """Read a line of a table without a header: an address, and perhaps a word of a status in
        another cell.
        """
        if len(record.cells) <= self._address_at or not record.cells[self._address_at]:
            return Entry(record.line, problem="no address")
        others = [cell for at, cell in enumerate(record.cells) if at != self._address_at]
        words = {read_word(cell, _SINGLE) for cell in others}
        answer = next((cell for cell in others if is_answer(cell)), None)
        if answer is not None and words == {None}:
            return Entry(
                record.line,
                address=record.cells[self._address_at],
                problem=(
                    f'"{visible(answer)}" in a table without a header: what it answers is not known'
                ),
            )
        return Entry(
            record.line,
            address=record.cells[self._address_at],
            subscribed=LineVerdict.SUBSCRIBED in words,
            others=tuple(filter(None, others)),
        )

    def _entry(self, line: int, cells: Mapping[str, str], *, problem: str = "") -> Entry:
        row = recognised(frozenset(cells), self._format)
        if row is None:
            return Entry(line, problem="no column of addresses")
        address = next((cells[name] for name in row.address if cells.get(name)), "")
        digest = cells.get(row.digest, "") if row.digest else ""
        if not (address or digest):
            return Entry(line, problem="no address")
        if problem and "@" in address:
            return Entry(line, address=address, digest="" if address else digest, problem=problem)
        if row.within:
            cells = {
                name: value for name, value in cells.items() if not name.startswith(row.within)
            }
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

    def _said(
        self, cells: Mapping[str, str], row: FormatRules
    ) -> tuple[tuple[Alternatives, ...], bool]:
        """Return what a line says was left, and whether it says that nothing was. Raises
        RuleViolation.
        """
        scopes = scope_columns(cells, row)
        judged = [name for names in scopes for name in names if have_a_status(cells[name])]
        listed = [
            (group, said)
            for name in (*row.topics, *judged)
            if cells.get(name)
            for group, said in topics(cells[name], row)
        ]
        listed += [
            (group, LineVerdict.LEFT)
            for name in row.left_lists
            if cells.get(name)
            for group, _ in topics(cells[name], row)
        ]
        listed += [
            ((self._group_in(column),), said) for column, said in questions_by_group(cells, row)
        ]
        some = tuple(group for group, said in listed if said is LineVerdict.LEFT)
        try:
            verdict = verdict_of(cells, row)
        except Silent:
            if not listed:
                raise
            verdict = LineVerdict.SUBSCRIBED
        if verdict is not LineVerdict.LEFT and (some or listed):
            return some, not some
        scope = tuple(scope_of(cells, [names for names in scopes if not set(names) & set(judged)]))
        if not scope and verdict is not LineVerdict.SUBSCRIBED:
            refuse_unplaced(cells, row, said=verdict is LineVerdict.LEFT)
        return scope, verdict is LineVerdict.SUBSCRIBED

    def _group_in(self, group: str) -> str:
        """Return a group as the header spells it, before or behind its colon."""
        for plain, name in self._spelled.items():
            before, _, after = plain.partition(":")
            if group in (before, after):
                spelled = name.partition(":")[0] if group == before else name.partition(":")[2]
                return spelled.strip() or group
        return group


def _time_of(cells: Mapping[str, str], row: FormatRules) -> int | None:
    for name in (*row.times, *LEAVING_TIMES, "unsubscribed", "optedout"):
        said = cells.get(name, "")
        if said and name in row.times and row.epoch_only and not EPOCH.fullmatch(said):
            continue
        if said and (at_ms := read_time(said)) is not None:
            return at_ms
    return None


def _misfit(header: Sequence[str], cells: Sequence[str]) -> str:
    """Return what is wrong with a row that has not a cell for each column; empty cells at its end
    are none.
    """
    while len(cells) > len(header) and not cells[-1]:
        cells = cells[:-1]
    return "" if len(cells) == len(header) else f"{len(cells)} cells below {len(header)} columns"


def _differing(pairs: Sequence[tuple[str, str]]) -> str:
    """Return what is wrong with a line in which two columns of one name say different things."""
    seen: dict[str, str] = {}
    for name, value in pairs:
        if name and seen.setdefault(name, value) != value:
            return f"two columns are called {visible(name, most=40)}, and say different things"
    return ""
