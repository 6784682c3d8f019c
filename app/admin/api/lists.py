"""Suppressions (query, export, import), audiences and segments."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from app.admin.api.call import OF_BRAND, AnyOperation, Call, NoBody, NoQuery, Operation, Sendable
from app.admin.api.reading import BYTES
from app.admin.api.requests import Check, ImportQuery, SegmentQuery, SuppressionQuery, milliseconds
from app.admin.api.responses import (
    CheckView,
    ImportList,
    ImportView,
    SegmentPage,
    SuppressedView,
    SuppressionPage,
    UndoView,
    shown,
)
from app.admin.api.serialize import import_view, imported_view, recipient_view, row_view
from app.admin.api.streams import StreamAnswer
from app.core.api_key import KeyScope
from app.core.audit import AuditAction
from app.core.events import sources_called
from app.core.group_words import GroupWords
from app.core.lists.rows import Row, csv_header, csv_row, json_row
from app.core.model import Source
from app.core.preferences import Targeting
from app.core.segments import Left, Segment
from app.http.answers import Answer
from app.usecases.administration import Administration
from app.usecases.import_list import ImportTerms

NDJSON, CSV = "application/x-ndjson", "text/csv"
JSON = "application/json"

_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([0-9](?:\.[0-9]{0,3})?)", re.IGNORECASE)
_IMPORT_BYTES = 1024 * 1024 * 1024
_CHECK_BYTES = 8 * 1024 * 1024
# no name of it is registered
LINES = (NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines")
_FORMATS = {
    JSON: "json",
    "application/*": "json",
    "*/*": "json",
    CSV: "csv",
    "text/*": "csv",
    **dict.fromkeys(LINES, "ndjson"),
}
# What is in a file, its columns say; these are the names under which programs, browsers and shells
# send one: the last is curl's for any.
_TAKEN = (
    CSV,
    *LINES,
    JSON,
    "text/plain",
    "text/tab-separated-values",
    "application/vnd.ms-excel",
    BYTES,
    "application/x-www-form-urlencoded",
)


class ListEndpoints:
    """Answers `…/suppressions`, `…/check` and `…/segments`."""

    def __init__(self, services: Administration) -> None:
        self._services = services

    def operations(self) -> Sequence[AnyOperation]:
        """Return the rows of the table."""
        return (
            Operation(
                id="listSuppressions",
                method="GET",
                path=f"{OF_BRAND}/suppressions",
                summary="Who has left what",
                description=(
                    "Pages of JSON, or the whole list as NDJSON or CSV. With an address where the"
                    " brand stores addresses. In CSV a cell that a spreadsheet would take for a"
                    " formula has an apostrophe before it."
                ),
                endpoint=self.suppressions,
                query=SuppressionQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: SuppressionPage},
                media=(NDJSON, CSV),
            ),
            Operation(
                id="importSuppressions",
                method="POST",
                path=f"{OF_BRAND}/suppressions",
                summary="Import a list of people who left elsewhere",
                description=(
                    "Exports of SendGrid, Mailgun, Postmark, SES, Mailchimp, Brevo, Klaviyo, Keila,"
                    " listmonk, Mailtrain, HubSpot, ActiveCampaign and our own, any CSV with a"
                    " column of addresses, a JSON object a line, and a JSON list of addresses or"
                    " objects; recognised by their columns. Only lines that say that somebody has"
                    " left act, and only on what they say was left. An import never resubscribes"
                    " anybody, may be repeated, and can be undone by its id."
                ),
                endpoint=self.import_list,
                query=ImportQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers={200: ImportView},
                body_media=_TAKEN,
                body_bytes=_IMPORT_BYTES,
            ),
            Operation(
                id="listImports",
                method="GET",
                path=f"{OF_BRAND}/imports",
                summary="The lists that were imported, newest first",
                endpoint=self.imports,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: ImportList},
            ),
            Operation(
                id="undoImport",
                method="POST",
                path=f"{OF_BRAND}/imports/{{import_id}}/undo",
                summary="Put back what an import changed, where nobody has spoken since",
                description=(
                    "Whoever has left or come back since then keeps what they said. May be"
                    " repeated."
                ),
                endpoint=self.undo,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers={200: UndoView},
            ),
            Operation(
                id="checkAudience",
                method="POST",
                path=f"{OF_BRAND}/check",
                summary="Who of an audience may get a campaign",
                description="Up to 10,000 addresses, decided as the relay decides.",
                endpoint=self.check,
                query=NoQuery,
                body=Check,
                scope=KeyScope.READ,
                answers={200: CheckView},
                body_bytes=_CHECK_BYTES,
            ),
            Operation(
                id="listSegment",
                method="GET",
                path=f"{OF_BRAND}/segments",
                summary="Recipients by the groups that they are subscribed to",
                description=(
                    "Only those who ever said something: everybody else is subscribed to"
                    " everything, and in no list of ours."
                ),
                endpoint=self.segment,
                query=SegmentQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: SegmentPage},
            ),
        )

    async def suppressions(self, call: Call, query: SuppressionQuery, _body: NoBody) -> Sendable:
        """Give a page of who has unsubscribed, or all of them as a file."""
        words = await self._services.words(call.brand)
        left = Left(
            group=None if query.group is None else words.key(query.group),
            said=Segment(
                sources=_sources(query.source),
                since_ms=milliseconds(query.since),
                until_ms=milliseconds(query.until),
            ),
        )
        form = query.format or _accepted(call.fields.get("accept", ""))
        if form in _FILES:
            await self._services.auditing.note(
                call.brand, call.key.id, AuditAction.SUPPRESSIONS_EXPORTED, "", form=form
            )
            return await self._export(call, left, words, _FILES[form])
        rows, following = await self._services.suppressions.page(
            call.brand, left, words, cursor=query.cursor, limit=query.limit
        )
        self._services.auditing.saw(call.brand, call.key.id, "suppressions", recipients=len(rows))
        return shown(
            200,
            SuppressionPage(suppressions=[row_view(row) for row in rows], next=following or None),
        )

    async def _export(
        self, call: Call, left: Left, words: GroupWords, form: "_File"
    ) -> StreamAnswer:
        portions = self._services.suppressions.rows(call.brand, left, words)
        first = form.written(await anext(portions))
        name = f"{call.brand.id}-suppressions.{form.suffix}"
        return StreamAnswer(
            media_type=form.media_type,
            name=name,
            first=form.header + first,
            rest=form.pieces(portions),
        )

    async def import_list(self, call: Call, query: ImportQuery, _body: NoBody) -> Answer:
        """Take a list of people who left elsewhere."""
        words = await self._services.words(call.brand)
        terms = ImportTerms(
            words=words, format=query.format, groups=words.scope(query.group), dry_run=query.dry_run
        )
        report = await self._services.import_list(
            call.brand, call.pieces(), terms, actor=call.key.id
        )
        return shown(200, import_view(report, dry_run=query.dry_run))

    async def imports(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Give the imports of the brand."""
        return shown(
            200,
            ImportList(
                imports=[imported_view(one) for one in await self._services.imports.all(call.brand)]
            ),
        )

    async def undo(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Undo one import."""
        import_id = call.path["import_id"]
        report = await self._services.imports.undo(call.brand, import_id, actor=call.key.id)
        return shown(
            200,
            UndoView(
                id=import_id, changed=report.changed, put_back=report.put_back, kept=report.kept
            ),
        )

    async def check(self, call: Call, _query: NoQuery, body: Check) -> Answer:
        """Tell who of an audience may get a campaign."""
        targeting = Targeting()
        if body.groups or body.require_groups or body.exclude_groups:
            words = await self._services.words(call.brand)
            targeting = Targeting(
                groups=words.keys(body.groups),
                required=words.keys(body.require_groups),
                excluded=words.keys(body.exclude_groups),
            )
        found = await self._services.check(call.brand, body.addresses, targeting)
        suppressed = [
            SuppressedView(address=address, reason=reason.value)
            for address, reason in found.suppressed
        ]
        return shown(
            200,
            CheckView(
                allowed=list(found.allowed), suppressed=suppressed, invalid=list(found.invalid)
            ),
        )

    async def segment(self, call: Call, query: SegmentQuery, _body: NoBody) -> Answer:
        """Give a page of a segment's members."""
        words = await self._services.words(call.brand)
        segment = Segment(
            include=words.keys(query.include),
            exclude=words.keys(query.exclude),
            sources=_sources(query.source),
            since_ms=milliseconds(query.since),
            until_ms=milliseconds(query.until),
        )
        members, following = await self._services.suppressions.members(
            call.brand, segment, cursor=query.cursor, limit=query.limit
        )
        self._services.auditing.saw(call.brand, call.key.id, "segment", recipients=len(members))
        views = [
            recipient_view(
                member.recipient.digest, member.recipient.preferences, words, address=member.address
            )
            for member in members
        ]
        return shown(200, SegmentPage(recipients=views, next=following or None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A form in which a whole list leaves."""

    media_type: str
    suffix: str
    header: bytes
    write: Callable[[Row], bytes]

    def written(self, rows: Sequence[Row]) -> bytes:
        return b"".join([self.write(row) for row in rows])

    async def pieces(self, portions: AsyncIterator[Sequence[Row]]) -> AsyncIterator[bytes]:
        async for rows in portions:
            if rows:
                yield self.written(rows)


_FILES = {
    "csv": _File(
        media_type=f"{CSV}; charset=utf-8", suffix="csv", header=csv_header(), write=csv_row
    ),
    "ndjson": _File(media_type=NDJSON, suffix="ndjson", header=b"", write=json_row),
}


def _accepted(field: str) -> str:
    """Return the form of ours that the Accept field likes best (RFC 9110 12.5.1), the first of
    several; JSON when it knows none.
    """
    liked = [
        (_quality(parameters), _FORMATS.get(name.strip().lower()))
        for name, _, parameters in _parts(field)
    ]
    best = max((quality for quality, form in liked if form), default=0.0)
    return next((form for quality, form in liked if form and quality == best > 0), "json")


def _parts(field: str) -> list[tuple[str, str, str]]:
    return [part.partition(";") for part in field.split(",")]


def _quality(parameters: str) -> float:
    found = _QUALITY.search(parameters)
    return min(1.0, float(found[1])) if found else 1.0


def _sources(word: str | None) -> frozenset[Source]:
    return sources_called(word) if word else frozenset()
