"""What a line says was left: columns that name groups, and JSON lists of groups with a status each
or none.

Only what is said was left is left. A list of groups that is empty or holds one without a name is
refused, never taken for all mail.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from app.core.errors import RuleViolation
from app.core.groups import ALL
from app.core.lists.columns import SCOPE, Asks, asks, plain_name, stem
from app.core.lists.formats import FormatRules
from app.core.lists.status import LineVerdict, answered, read_word
from app.core.visible import visible

Alternatives = tuple[str, ...]  # words for one group: the first that the brand knows is meant

_NAMES_OF_GROUP = (
    "topicname",
    "name",
    "listname",
    "groupname",
    "title",
    "id",
    "listid",
    "groupid",
    "slug",
    "key",
    "label",
)
_STATUS_OF_GROUP = ("subscriptionstatus", "status", "state")
_QUESTIONS_OF_GROUP = frozenset(
    (
        "subscribed",
        "issubscribed",
        "unsubscribed",
        "isunsubscribed",
        "optedin",
        "optin",
        "optedout",
        "optout",
    )
)
_STATUS_IS_OPEN = frozenset(("", "unconfirmed", "not_specified"))  # nobody has decided yet
# where the brand has no group that is called so
_EVERYTHING = frozenset(("any", "everything", "global"))
_PYTHON_LIST = re.compile(r"\[(?:'[^']*'(?:, ?'[^']*')*)?\]")


def scope_columns(cells: Mapping[str, str], row: FormatRules) -> list[tuple[str, ...]]:
    """Return the columns of this line that name what was left; those of one tuple name one and the
    same group.
    """
    known = [columns for columns in (*row.scope, *SCOPE) if any(name in cells for name in columns)]
    named = {name for columns in known for name in columns}
    own = [
        name
        for name in cells
        if name not in named and name not in row.silent and asks(name) is Asks.LEFT_GROUPS
    ]
    stems = dict.fromkeys(stem(name) for name in own)
    found = [*known, *(tuple(name for name in own if stem(name) == one) for one in stems)]
    here = [
        tuple(
            name
            for name in columns
            if name in cells and (name not in row.silent or columns in row.scope)
        )
        for columns in found
    ]
    return [columns for columns in here if columns]


def scope_of(cells: Mapping[str, str], scopes: Sequence[tuple[str, ...]]) -> Iterator[Alternatives]:
    """Yield what these columns say was left; a word for everything means a group first, where the
    brand has one that is called so.
    """
    for columns in scopes:
        words = [_items(cells[name]) for name in columns if cells[name]]
        if not words:
            continue
        # several columns for the same group: its id, its name
        if len(columns) > 1 and all(len(items) == 1 for items in words):
            yield tuple(word for items in words for word in items)
        else:
            yield from (
                (word, ALL) if word.casefold() in _EVERYTHING else (word,)
                for items in words
                for word in items
            )


def refuse_unplaced(cells: Mapping[str, str], row: FormatRules, *, said: bool) -> None:
    """Refuse a line whose list of groups is empty, unless it says by itself that all mail was left;
    an empty cell says no group.
    """
    named = {
        name
        for columns in scope_columns(cells, row)
        for name in columns
        if cells[name] == "[]" or asks(name) is Asks.LEFT_GROUPS
    }
    empty = next(
        (name for name in (row.placed if said else row.placed | named) if name in cells), None
    )
    if empty:
        raise RuleViolation(
            f"the column {visible(empty, most=40)} is empty, so the line does not say what was left"
        )


def have_a_status(text: str) -> bool:
    """Say whether the groups of a JSON list have a status each."""
    found = _decoded(text)
    members = (
        [{plain_name(name) for name in one} for one in found if isinstance(one, dict)]
        if isinstance(found, list)
        else []
    )
    return any(names & (frozenset(_STATUS_OF_GROUP) | _QUESTIONS_OF_GROUP) for names in members)


def _items(text: str) -> list[str]:
    """Return the groups in a cell: those of a JSON list, or the one text, which may hold several
    with commas between them.
    """
    found = _decoded(text)
    items = [_name_of(one) for one in found] if isinstance(found, list) else [text.strip()]
    return [ALL if item in ("*", ALL) else item for item in items]


def _name_of(one: object) -> str:
    """Return the name of a group in a JSON list. Raises RuleViolation when it has none."""
    if isinstance(one, dict):
        members = {plain_name(name): value for name, value in one.items()}
        one = next(
            (members[name] for name in _NAMES_OF_GROUP if members.get(name) not in (None, "")), ""
        )
    if str(one).strip() in ("", "None"):
        raise RuleViolation("a list of groups in which one has no name and no id")
    return str(one)


def topics(text: str, row: FormatRules) -> Iterator[tuple[Alternatives, LineVerdict]]:
    """Yield the groups in a JSON list and what it says of each: a list of names, or objects with a
    name and a status.
    """
    found = _decoded(text)
    if not isinstance(found, list):
        raise RuleViolation("a list of topics that is none")
    for one in found:
        if not isinstance(one, dict):
            yield (_name_of(one),), LineVerdict.LEFT
            continue
        members = {plain_name(name): value for name, value in one.items()}
        _name_of(one)
        names = tuple(
            dict.fromkeys(
                str(members[name])
                for name in _NAMES_OF_GROUP
                if members.get(name) not in (None, "")
            )
        )
        verdict = _said_of_group(members, row)
        if verdict:
            yield names, verdict


def _said_of_group(members: Mapping[str, object], row: FormatRules) -> LineVerdict | None:
    """Return what an entry says of its group: a status, or a question answered; None while nobody
    has decided. Raises RuleViolation.
    """
    question = next((name for name in members if name in _QUESTIONS_OF_GROUP), None)
    if question is not None:
        return answered(question, str(members[question]), row)
    said = next((str(members[name]) for name in _STATUS_OF_GROUP if members.get(name)), "")
    verdict = read_word(said, row)
    if verdict is None and said.casefold() not in _STATUS_IS_OPEN:
        raise RuleViolation(f"a topic whose status nobody knows: {json.dumps(said)[:60]}")
    if verdict is None and not said and row.left_lists:
        return LineVerdict.LEFT
    return verdict


def _decoded(text: str) -> object:
    if not text.startswith("["):
        return None
    if _PYTHON_LIST.fullmatch(text):
        text = text.replace('"', "").replace("'", '"')
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
