"""Whether a line says that somebody has left: by words, by yes and no, by a time of leaving. What
nobody understands is an error.

1. A column of a status holds a word: `unsubscribed`, `active`. Another word is refused.
2. A column of a question holds yes or no, in any usual spelling: `unsubscribed=false`, `opted out =
   0`, `Accepts Marketing: yes`. An empty answer is no. Where it holds a time, that is the answer
   yes.
3. A column that is called like either and that nobody knows is read all the same, and refused where
   its value cannot be.
4. Two columns that contradict each other are refused.
5. Where nothing else in a line says whether they have left, yes or no in a column that nobody knows
   is refused: `Receives mail: yes`.
"""

from collections.abc import Iterator, Mapping
from enum import Enum

from app.core.errors import RuleViolation
from app.core.lists.columns import (
    SCOPES,
    Asks,
    asks,
    is_member_of_groups,
    is_of_channel,
    is_of_groups,
    says_when_they_came,
)
from app.core.lists.formats import LEAVING_TIMES, FormatRules
from app.core.lists.times import read_time
from app.core.lists.words import (
    ANSWERS,
    ASKS_FOR_MAIL,
    DATE,
    LEFT_IF_NO,
    LEFT_IF_YES,
    LEFT_WORDS,
    NO,
    NO_VALUE,
    OPEN_STATES,
    SAYS_NOTHING,
    STATUS,
    SUBSCRIBED_IF_YES,
    SUBSCRIBED_WORDS,
    YES,
)
from app.core.visible import visible


class LineVerdict(Enum):
    """What a line says of a person."""

    LEFT = "left"
    SUBSCRIBED = "subscribed"


class Silent(RuleViolation):
    """Nothing in the line of a list of contacts says whether they have left."""


def verdict_of(cells: Mapping[str, str], row: FormatRules) -> LineVerdict | None:
    """Return what the columns of a line say; None when none of them says anything. Raises
    RuleViolation, naming the column.
    """
    if any(cells.get(column, "[]") not in ("", "[]") for column in row.suppressions):
        return LineVerdict.LEFT
    found: dict[LineVerdict, str] = {}
    doubts: dict[str, str] = {}
    for column, value in cells.items():
        if column in row.silent:
            continue
        said = _said(column, value, row)
        if said:
            found[said] = column
        elif said is None and value and _is_doubtful(column, row):
            doubts[column] = value
    if len(found) > 1:
        raise RuleViolation(f"{' and '.join(sorted(found.values()))} contradict each other")
    _refuse_doubts(doubts, next(iter(found), None))
    if found:
        return next(iter(found))
    times = {
        column: cells[column]
        for column in LEAVING_TIMES
        if column in cells and column not in row.silent
    }
    if times:
        return (
            LineVerdict.LEFT
            if any(_is_time(column, value) for column, value in times.items())
            else LineVerdict.SUBSCRIBED
        )
    if row.contacts:
        raise Silent(
            "the file lists contacts, and nothing in this line says whether they have left"
        )
    if not row.marks:
        _refuse_contacts(cells)
        _refuse_answers(cells, row)
    return None


def _refuse_contacts(cells: Mapping[str, str]) -> None:
    """Refuse a line that says when they subscribed, and nowhere that they have left."""
    column = next(filter(says_when_they_came, cells), None)
    if column:
        raise RuleViolation(
            f"the column {visible(column, most=40)} says when they subscribed, and nothing in this"
            " line says that they have left"
        )


def _is_doubtful(column: str, row: FormatRules) -> bool:
    if column in row.scope_columns or column in LEAVING_TIMES or ":" in column:
        return False
    asked = asks(column)
    return asked is Asks.KEPT_GROUPS or (
        asked is Asks.SOMETHING and not SAYS_NOTHING.search(column)
    )


def _refuse_doubts(doubts: Mapping[str, str], said: LineVerdict | None) -> None:
    """Refuse what is asked about a group or channel of its own, unless the line says for all mail
    that they have left.
    """
    for column, value in doubts.items():
        if said is LineVerdict.LEFT or (said and word(value) in NO):
            continue
        raise RuleViolation(
            f"the column {visible(column, most=40)} is about something of its own, and what that"
            " means for the mail is not known"
        )


def _is_time(column: str, value: str) -> bool:
    """Say whether a column of a time of leaving has one. Raises RuleViolation for what is neither a
    time nor nothing.
    """
    if word(value) in NO_VALUE:
        return False
    if read_time(value) is not None or DATE.search(value):
        return True
    raise RuleViolation(f'the column {column} holds "{visible(value, most=40)}", which is no time')


def is_answer(value: str) -> bool:
    """Say whether a cell answers a question, which only the name of its column can ask."""
    return word(value) in ANSWERS


def _refuse_answers(cells: Mapping[str, str], row: FormatRules) -> None:
    for column, value in cells.items():
        if (
            column in row.address
            or column in row.scope_columns
            or column in SCOPES
            or ":" in column
        ):
            continue
        of_groups = asks(column) is Asks.NOTHING and (
            is_of_groups(column)
            or (read_word(value, row) is not None and is_member_of_groups(column))
        )
        if not of_groups and (SAYS_NOTHING.search(column) or is_of_channel(column)):
            continue
        asked = word(value) in YES | NO - {""} and ASKS_FOR_MAIL.search(column)
        if (
            of_groups
            or is_answer(value)
            or asked
            or (read_word(value, row) is LineVerdict.SUBSCRIBED)
        ):
            raise RuleViolation(
                f'the column {visible(column, most=40)} holds "{visible(value, most=40)}", and what'
                " it asks is not known"
            )


def word(value: str) -> str:
    """Return a value as statuses are compared: without case, spaces and punctuation."""
    return "".join(char for char in value.casefold() if char.isalnum())


def read_word(value: str, row: FormatRules) -> LineVerdict | None:
    """Return what a word of a status means, None for one that is not known."""
    plain = word(value)
    if plain in row.left:
        return LineVerdict.LEFT
    if plain in row.subscribed:
        return LineVerdict.SUBSCRIBED
    if plain in LEFT_WORDS:
        return LineVerdict.LEFT
    return LineVerdict.SUBSCRIBED if plain in SUBSCRIBED_WORDS else None


def _said(column: str, value: str, row: FormatRules) -> LineVerdict | None:
    if column in row.status or column in STATUS:
        return _of_status(column, value, row)
    if column in LEFT_IF_YES:
        return _of_question(column, value, row, leaves_if_yes=True)
    if column in LEFT_IF_NO:
        return _of_question(column, value, row, leaves_if_yes=False)
    if column in SUBSCRIBED_IF_YES:
        return _of_activity(column, value)
    if column == "state":  # of a country as often as of a subscription
        if word(value) in OPEN_STATES:
            raise RuleViolation(
                f'the state "{visible(value, most=40)}" says neither that they have left nor that'
                " they are subscribed"
            )
        return read_word(value, row)
    if column in LEAVING_TIMES or ":" in column:
        return None
    return _of_lookalike(column, value, row)


def _of_status(column: str, value: str, row: FormatRules) -> LineVerdict:
    found = read_word(value, row)
    if found is None and word(value) in YES | NO - {""} and not row.status:
        found = LineVerdict.SUBSCRIBED if word(value) in YES else None
    if found is None:
        raise RuleViolation(
            f'the {column} "{visible(value, most=40)}" says neither that they have left nor that'
            " they are subscribed"
        )
    return found


def _of_question(column: str, value: str, row: FormatRules, *, leaves_if_yes: bool) -> LineVerdict:
    plain = word(value)
    if plain in YES or plain in NO:
        return LineVerdict.LEFT if (plain in YES) is leaves_if_yes else LineVerdict.SUBSCRIBED
    found = read_word(value, row)
    if found:
        return found
    if leaves_if_yes and read_time(value) is not None:
        return LineVerdict.LEFT
    raise RuleViolation(
        f'the column {column} holds "{visible(value, most=40)}", which is neither yes nor no'
    )


def answered(question: str, value: str, row: FormatRules) -> LineVerdict:
    """Return what the answer to a known question says. Raises RuleViolation for one that is neither
    yes nor no.
    """
    return _of_question(question, value, row, leaves_if_yes=question in LEFT_IF_YES)


def _of_activity(column: str, value: str) -> LineVerdict | None:
    plain = word(value)
    if plain in YES:
        return LineVerdict.SUBSCRIBED
    if not plain:
        return None
    raise RuleViolation(
        f'the column {column} holds "{visible(value, most=40)}", which does not say that they have'
        " left"
    )


def _of_lookalike(column: str, value: str, row: FormatRules) -> LineVerdict | None:
    """Return what a column says whose name only looks like a question or a status about all
    mail.
    """
    asked = asks(column)
    if not word(value) or asked in {
        Asks.NOTHING,
        Asks.SOMETHING,
        Asks.LEFT_GROUPS,
        Asks.KEPT_GROUPS,
    }:
        return None
    if asked is Asks.STATUS:
        if SAYS_NOTHING.search(column):
            return None
        found = read_word(value, row)
        if found is None:
            raise RuleViolation(
                f'the column {column} looks like a status, and "{visible(value, most=40)}" is none'
                " that is known"
            )
        return found
    return _of_question(column, value, row, leaves_if_yes=asked is Asks.LEFT_ALL)


def questions_by_group(
    cells: Mapping[str, str], row: FormatRules
) -> Iterator[tuple[str, LineVerdict]]:
    """Yield what a table says that has one question a group, such as `Opted out of email:
    Newsletter` or `Newsletter: unsubscribed`.

    Groups as the column spells them. Raises RuleViolation for what is neither yes, no, a time nor a
    word of a status.
    """
    for column, value in cells.items():
        before, colon, after = column.partition(":")
        for name, group in ((before, after), (after, before)):
            if colon and value and (name in LEFT_IF_YES or name in LEFT_IF_NO):
                yield group, _of_question(column, value, row, leaves_if_yes=name in LEFT_IF_YES)
                break
