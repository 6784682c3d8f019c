"""Whether a line says that somebody has left: by words, by yes and no, by a time of leaving. What nobody understands is an error.

1. A column of a status holds a word: `unsubscribed`, `active`. Another word is refused.
2. A column of a question holds yes or no, in any usual spelling: `unsubscribed=false`, `opted out = 0`, `Accepts Marketing: yes`. An empty
   answer is no. Where it holds a time, that is the answer yes.
3. A column that is called like either and that nobody knows is read all the same, and refused where its value cannot be.
4. Two columns that contradict each other are refused.
5. Where nothing else in a line says whether they have left, yes or no in a column that nobody knows is refused: `Receives mail: yes`.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum

from app.core.errors import RuleViolation
from app.core.lists.formats import LEAVING_TIMES, Format
from app.core.lists.times import read_time
from app.core.visible import visible


class Verdict(Enum):
    """What a line says of a person."""

    LEFT = "left"
    SUBSCRIBED = "subscribed"


LEFT_WORDS = frozenset(
    [
        "unsubscribed",
        "unsubscribe",
        "unsub",
        "optedout",
        "optout",
        "out",
        "left",
        "blocklisted",
        "blacklisted",
        "blocked",
        "suppressed",
        "cleaned",
        "bounced",
        "bounce",
        "hardbounce",
        "hardbounced",
        "complained",
        "complaint",
        "spam",
        "spamcomplaint",
        "spamreport",
        "abuse",
        "manualsuppression",
        "removed",
        "revoked",
        "withdrawn",
        "denied",
        "unsubscribedall",
        "globallyunsubscribed",
        "neversubscribe",
    ]
)
SUBSCRIBED_WORDS = frozenset(["subscribed", "subscribe", "active", "enabled", "confirmed", "optedin", "optin", "in", "granted", "allowed"])
_YES, _NO = frozenset(["true", "1", "yes", "y", "t", "on"]), frozenset(("false", "0", "no", "n", "f", "off", ""))
_ANSWERS = frozenset(("true", "false", "yes", "no", "y", "n", "t", "f", "on", "off"))  # a number may be a count
_STATUS = frozenset(
    [
        "status",
        "subscriptionstatus",
        "subscriberstatus",
        "emailstatus",
        "contactstatus",
        "memberstatus",
        "emailsubscriptionstatus",
        "emailmarketingstatus",
        "marketingstatus",
        "consentstatus",
        "consent",
        "emailconsent",
        "emailmarketingconsent",
        "optinstatus",
        "unsubscribestatus",
        "subscription",
        "statut",
        "estado",
        "estatus",
        "stato",
    ]
)
_LEFT_IF_YES = frozenset(
    [
        "unsubscribed",
        "isunsubscribed",
        "unsubscribe",
        "unsub",
        "optedout",
        "isoptedout",
        "optout",
        "hasoptedout",
        "hasoptedoutofemail",
        "emailoptout",
        "optoutemail",
        "emailoptedout",
        "optedoutofemail",
        "optedoutofallemail",
        "unsubscribedfromallemail",
        "unsubscribeall",
        "unsubscribedall",
        "globalunsubscribe",
        "emailblacklisted",
        "blacklisted",
        "isblacklisted",
        "blocklisted",
        "isblocklisted",
        "blacklist",
        "blocklist",
        "suppressed",
        "issuppressed",
        "donotemail",
        "donotcontact",
        "donotmail",
        "noemail",
        "emailsuppressed",
        "blocked",
        "isblocked",
        "bounced",
        "isbounced",
        "complained",
        "removed",
    ]
)
_LEFT_IF_NO = frozenset(
    [
        "subscribed",
        "issubscribed",
        "optin",
        "optedin",
        "isoptedin",
        "emailoptin",
        "acceptsmarketing",
        "acceptsemailmarketing",
        "emailsubscribed",
        "subscribedtoemail",
        "marketingoptin",
        "emailmarketing",
        "emailallowed",
    ]
)
_SUBSCRIBED_IF_YES = frozenset(["active", "isactive", "enabled", "isenabled", "confirmed", "isconfirmed"])
_LOOKS = re.compile(r"unsub|opt(?:ed)?out|opt(?:ed)?in|subscri(?:bed|ption)|consent|suppress|blacklist|blocklist|status")
_LEAVES_IF_YES = re.compile(r"unsub|opt(?:ed)?out|suppress|blacklist|blocklist")
_OF_ANOTHER_CHANNEL = re.compile(r"(?:sms|phone|push|whatsapp|mobile|web|wa(?!nt))")
_SAYS_NOTHING = re.compile(
    r"(?:id|ids|uid|uuid|key|at|on|date|time|timestamp|ip|url|link|source|reason|other|by|campaign|title|count|rate|type|name|code|number|"
    r"groups?|lists?|topics?|from|token|hash|method|country|page|form|history|method|text|comment|note|notes)\Z"
)


def verdict_of(cells: Mapping[str, str], row: Format) -> Verdict | None:
    """Return what the columns of a line say; None when none of them says anything. Raises RuleViolation, naming the column."""
    if any(cells.get(column, "[]") not in ("", "[]") for column in row.suppressions):
        return Verdict.LEFT
    found: dict[Verdict, str] = {}
    for column, value in cells.items():
        if column in row.silent:
            continue
        said = _said(column, value, row)
        if said:
            found[said] = column
    if len(found) > 1:
        raise RuleViolation(f"{' and '.join(sorted(found.values()))} contradict each other")
    if found:
        return next(iter(found))
    times = [cells[column] for column in LEAVING_TIMES if column in cells and column not in row.silent]
    if times:
        return Verdict.LEFT if any(times) else Verdict.SUBSCRIBED
    if row.contacts:
        raise RuleViolation("the file lists contacts, and nothing in this line says whether they have left")
    if not row.marks:
        _refuse_answers(cells, row)
    return None


def is_answer(value: str) -> bool:
    """Say whether a cell answers a question, which only the name of its column can ask."""
    return word(value) in _ANSWERS


def _refuse_answers(cells: Mapping[str, str], row: Format) -> None:
    for column, value in cells.items():
        if column in row.address or ":" in column or _SAYS_NOTHING.search(column) or _OF_ANOTHER_CHANNEL.match(column):
            continue
        if is_answer(value) or (read_word(value, row) is Verdict.SUBSCRIBED):
            raise RuleViolation(f'the column {visible(column, most=40)} holds "{visible(value, most=40)}", and what it asks is not known')


def word(value: str) -> str:
    """Return a value as statuses are compared: without case, spaces and punctuation."""
    return "".join(char for char in value.casefold() if char.isalnum())


def read_word(value: str, row: Format) -> Verdict | None:
    """Return what a word of a status means, None for one that is not known."""
    plain = word(value)
    if plain in row.left:
        return Verdict.LEFT
    if plain in row.subscribed:
        return Verdict.SUBSCRIBED
    if plain in LEFT_WORDS:
        return Verdict.LEFT
    return Verdict.SUBSCRIBED if plain in SUBSCRIBED_WORDS else None


def _said(column: str, value: str, row: Format) -> Verdict | None:
    if column in row.status or column in _STATUS:
        return _of_status(column, value, row)
    if column in _LEFT_IF_YES:
        return _of_question(column, value, row, leaves_if_yes=True)
    if column in _LEFT_IF_NO:
        return _of_question(column, value, row, leaves_if_yes=False)
    if column in _SUBSCRIBED_IF_YES:
        return _of_activity(column, value)
    if column == "state":  # of a country as often as of a subscription
        return read_word(value, row)
    is_other = column in LEAVING_TIMES or ":" in column or _SAYS_NOTHING.search(column) or _OF_ANOTHER_CHANNEL.match(column)
    if is_other or not _LOOKS.search(column):
        return None
    return _of_lookalike(column, value, row)


def _of_status(column: str, value: str, row: Format) -> Verdict:
    found = read_word(value, row)
    if found is None and word(value) in _YES | _NO - {""} and not row.status:
        found = Verdict.SUBSCRIBED if word(value) in _YES else None
    if found is None:
        raise RuleViolation(f'the {column} "{visible(value, most=40)}" says neither that they have left nor that they are subscribed')
    return found


def _of_question(column: str, value: str, row: Format, *, leaves_if_yes: bool) -> Verdict:
    plain = word(value)
    if plain in _YES or plain in _NO:
        return Verdict.LEFT if (plain in _YES) is leaves_if_yes else Verdict.SUBSCRIBED
    found = read_word(value, row)
    if found:
        return found
    if leaves_if_yes and read_time(value) is not None:
        return Verdict.LEFT
    raise RuleViolation(f'the column {column} holds "{visible(value, most=40)}", which is neither yes nor no')


def _of_activity(column: str, value: str) -> Verdict | None:
    plain = word(value)
    if plain in _YES:
        return Verdict.SUBSCRIBED
    if not plain:
        return None
    raise RuleViolation(f'the column {column} holds "{visible(value, most=40)}", which does not say that they have left')


def _of_lookalike(column: str, value: str, row: Format) -> Verdict | None:
    plain = word(value)
    if not plain:
        return None
    found = read_word(value, row)
    if found:
        return found
    if plain in _YES | _NO:
        if _LEAVES_IF_YES.search(column):
            return Verdict.LEFT if plain in _YES else Verdict.SUBSCRIBED
        return Verdict.SUBSCRIBED if plain in _YES else None
    raise RuleViolation(f'the column {column} looks like a status, and "{visible(value, most=40)}" is none that is known')


def questions_by_group(cells: Mapping[str, str]) -> Iterator[tuple[str, Verdict]]:
    """Yield what a table says that has one question a group, such as `Opted out of email: Newsletter`; groups as the column spells them."""
    for column, value in cells.items():
        name, colon, group = column.partition(":")
        if colon and name in _LEFT_IF_YES and value:
            yield group, Verdict.LEFT if word(value) in _YES else Verdict.SUBSCRIBED
