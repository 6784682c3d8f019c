"""The bodies of the API: what comes in, strictly, and what goes out. The OpenAPI document is made
of these.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.admin.api.call import Model
from app.core.api_key import KeyScope
from app.core.cursors import MAX_CURSOR_CHARS
from app.core.events import sources_called
from app.core.groups import MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS
from app.core.lists.formats import ListFormat
from app.core.model import Source
from app.usecases.check_audience import MOST_ADDRESSES

MAX_PAGE = 1_000
MAX_CONSENT_CHARS = 1_000
MAX_GROUPS = 100
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[ +-]\d\d:\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = re.compile(r"\d{10}(?:\d{3})?", re.ASCII)
# the last as events call it: one-click, mail-to, callback
SOURCES = (*(source.label for source in Source), "List Unsubscribe")


_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"


def _source(text: str) -> str:
    if not sources_called(text):
        raise ValueError(f"must be one of {', '.join(SOURCES)}")
    return text


def _whose(value: object) -> object:
    """Return whose format it is, in any case; that of a table or of JSON is anybody's, and seen by
    itself.
    """
    said = value.lower() if isinstance(value, str) else value
    return None if said in {"csv", "ndjson", "json"} else said


def _whole(value: object) -> object:
    """Return a number such as 3.0 as the integer that it is in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _present(value: object) -> object:
    if value is None:
        raise ValueError("must be a number where it is there")
    return value


def _moment(value: object) -> object:
    """Return a moment of RFC 3339, or of what people write for it: a date, a time without a zone
    (UTC), an epoch.

    A plus sign that nobody has escaped has become a blank on its way through a query.
    """
    found = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    try:
        if found:
            day, time, zone = found.groups()
            return datetime.fromisoformat(
                f"{day}T{time or '00:00'}{(zone or 'Z').upper().replace(' ', '+')}"
            )
        if isinstance(value, str) and _EPOCH.fullmatch(value):
            return datetime.fromtimestamp(int(value[:10]), UTC) + timedelta(
                milliseconds=int(value[10:] or 0)
            )
    except ValueError:
        pass  # the form of a moment, such as the 32nd of a month, is none yet
    raise ValueError("write it as RFC 3339, such as 2026-11-21T10:00:00Z")


Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
SourceName = Annotated[
    str, AfterValidator(_source), WithJsonSchema({"type": "string", "enum": list(SOURCES)})
]
GroupWord = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME_CHARS, description="`all`, or a group's id or name"),
]
Words = Annotated[tuple[GroupWord, ...], Field(max_length=MAX_GROUPS)]
QueryWord = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="`all`, a group's id or name, or several with commas",
    ),
]
QueryWords = Annotated[tuple[QueryWord, ...], Field(max_length=MAX_GROUPS)]
Sequence = Annotated[  # may be left out, and is a number where it is there
    Annotated[int, BeforeValidator(_whole), Field(ge=0, lt=2**53)] | None,
    BeforeValidator(_present),
    WithJsonSchema({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**53}),
]
Cursor = Annotated[
    str,
    Field(
        max_length=MAX_CURSOR_CHARS,
        pattern=r"^[A-Za-z0-9_:-]*$",
        description="`next` of the page before",
    ),
]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Time = Annotated[str, Field(description="UTC, RFC 3339 with milliseconds")]


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment as UTC milliseconds, none before 1970."""
    return (
        None
        if moment is None
        else max(0, round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000))
    )


# What comes in


class GroupNew(Model):
    """A group to create."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, examples=["Product news"])]
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARS)] = ""
    id: (
        Annotated[
            str,
            Field(
                pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                description="from the name when it is left out",
            ),
        ]
        | None
    ) = None


class GroupEdit(Model):
    """What is to change; what is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)] | None = None
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARS)] | None = None


class Unsubscribe(Model):
    """What a recipient leaves: these groups, or all mail when none is named."""

    groups: Words = ()


class Resubscribe(Model):
    """A recipient who comes back. The state must be the one that was read: `sequence`, or the ETag
    in If-Match.
    """

    consent: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_CONSENT_CHARS,
            pattern=_ONE_LINE,
            description="how and when they consented, in one line; kept in the audit",
        ),
    ]
    sequence: Sequence = None
    groups: Words = ()


class Check(Model):
    """An audience, and the campaign it is meant for."""

    addresses: Annotated[tuple[str, ...], Field(max_length=MOST_ADDRESSES)]
    groups: Annotated[Words, Field(description="the campaign's groups")] = ()
    require_groups: Annotated[
        Words, Field(description="only those subscribed to all of these")
    ] = ()
    exclude_groups: Annotated[Words, Field(description="nobody subscribed to one of these")] = ()


class KeyNew(Model):
    """An API key to make."""

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["CRM synchronisation"])]
    scopes: Annotated[tuple[KeyScope, ...], Field(min_length=1, max_length=len(KeyScope))] = (
        KeyScope.READ,
    )


class Resend(Model):
    """Which dead letters to deliver again: those with these cursors, or all of the brand."""

    cursors: (
        Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=MAX_PAGE)]
        | None
    ) = None


# Queries


class PageQuery(Model):
    """A page of a list."""

    cursor: Cursor = ""
    limit: Limit = 100


class LimitQuery(Model):
    """How many at most."""

    limit: Limit = 100


class SuppressionQuery(PageQuery):
    """Which suppressions, and in which form."""

    group: (
        Annotated[
            GroupWord,
            Field(description="only who has unsubscribed this: `all`, a group's id or name"),
        ]
        | None
    ) = None
    source: SourceName | None = None
    since: Annotated[Moment, Field(description="only what holds since then or later")] | None = None
    until: Annotated[Moment, Field(description="only what holds since before then")] | None = None
    format: (
        Annotated[
            str,
            Field(
                pattern="^(json|ndjson|csv)$",
                description="ndjson and csv give the whole list; so does Accept",
            ),
        ]
        | None
    ) = None


class ImportQuery(Model):
    """How to read a list."""

    format: Annotated[
        ListFormat | None,
        BeforeValidator(_whose),
        Field(description="whose columns they are; recognised unless given"),
    ] = None
    group: Annotated[
        QueryWords,
        Field(description="what they left, where a line does not say; all mail when none is named"),
    ] = ()
    dry_run: Annotated[bool, Field(description="read and report, save nothing")] = False


class SegmentQuery(PageQuery):
    """Which recipients; see `core.segments`."""

    include: Annotated[
        QueryWords, Field(description="subscribed to all of these; `all` is the default")
    ] = ()
    exclude: Annotated[
        QueryWords,
        Field(description="subscribed to none of these; `all`: who has unsubscribed everything"),
    ] = ()
    source: SourceName | None = None
    since: Moment | None = None
    until: Moment | None = None


class EventQuery(PageQuery):
    """Where to begin, without a cursor."""

    since: Annotated[Moment, Field(description="by arrival; only without a cursor")] | None = None
