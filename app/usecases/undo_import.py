"""Puts back what an import changed, where nobody has spoken since.

The history tells what changed: each statement of an import has an id that begins with the import's.
What is put back is read first and written under the condition that it is still so, in the one
script that every change passes: a click at the same moment wins.

What puts it back says so for the millisecond after the import's own statement, not for now: a click
that was acknowledged since and still lies in a spool alone comes later than that, and wins whenever
it arrives. Lines of imports are no later word: neither another line of the same import, nor one of
an import that is undone itself. A later import that stands keeps whom it may have named.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from app.core.audit import AuditAction, AuditEntry
from app.core.cursors import position_of, positions_at
from app.core.errors import Conflict, NotFound
from app.core.groups import EVERYTHING
from app.core.model import (
    Brand,
    HistoryEntry,
    Preferences,
    Source,
    Statement,
    Subscription,
)
from app.core.preferences import state_of
from app.usecases.auditing import Auditing
from app.usecases.import_list import IMPORT_ID_BYTES
from app.usecases.ports import AuditTrail, Journal, Store
from app.usecases.token_links import Unsubscriber

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One import that was made: when and by whom, what was counted, and whether it was undone."""

    id: str
    at_ms: int
    actor: str
    counts: dict[str, int]
    undone_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class UndoReport:
    """What became of an undoing, in recipients."""

    changed: int = 0  # whom the import had changed
    put_back: int = 0
    kept: int = 0  # who has spoken since, or was put back before

    def counts(self) -> dict[str, str]:
        """Return the numbers that the audit keeps."""
        return {name: str(getattr(self, name)) for name in ("changed", "put_back", "kept")}


class Imports:
    """The imports of a brand, as the audit has them, and their undoing."""

    def __init__(  # noqa: PLR0913 - the parts of the use case
        self,
        *,
        trail: AuditTrail,
        journal: Journal,
        store: Store,
        unsubscribe: Unsubscriber,
        new_id: Callable[[], bytes],
        auditing: Auditing,
    ) -> None:
        self._trail = trail
        self._journal = journal
        self._store = store
        self._unsubscribe = unsubscribe
        self._new_id = new_id
        self._auditing = auditing

    async def all(self, brand: Brand) -> list[Imported]:
        """Return the imports of a brand, newest first. Raises StoreUnavailable."""
        made: dict[str, AuditEntry] = {}
        undone: dict[str, int] = {}
        after = ""
        while entries := await self._trail.entries(brand.number, after=after, limit=_PAGE):
            after = entries[-1].entry_id
            for entry in entries:
                if entry.action is AuditAction.SUPPRESSIONS_IMPORTED and entry.target:
                    made[entry.target] = entry
                elif entry.action is AuditAction.IMPORT_UNDONE:
                    undone[entry.target] = entry.at_ms
        return [
            Imported(
                id=name,
                at_ms=one.at_ms,
                actor=one.actor,
                counts={name: int(text) for name, text in one.detail.items() if text.isdigit()},
                undone_ms=undone.get(name),
            )
            for name, one in reversed(made.items())
        ]

    async def undo(
        self,
        brand: Brand,
        import_id: str,
        *,
        actor: str,
        progress: Callable[[UndoReport], None] = lambda _: None,
    ) -> UndoReport:
        """Put back what an import changed; the audit names `actor`. May be repeated. Raises
        NotFound for an import that the brand has not, and StoreUnavailable.
        """
        made = await self.all(brand)
        found = next((one for one in made if one.id == import_id), None)
        if found is None:
            raise NotFound("the brand has no such import")
        others = [one for one in made if one is not found]
        is_last = not any(one.at_ms >= found.at_ms and one.undone_ms is None for one in others)
        stem, report = bytes.fromhex(import_id)[:IMPORT_ID_BYTES], UndoReport()
        positions = list(positions_at(0))
        while entries := await self._journal.entries(brand.number, after=positions, limit=_PAGE):
            for entry in entries:
                positions[entry.statement.digest[0]] = position_of(entry)
            mine = [entry for entry in entries if entry.statement.id.startswith(stem)]
            await self._put_back(brand, mine, report, is_last=is_last)
            progress(report)
        await self._auditing.note(
            brand, actor, AuditAction.IMPORT_UNDONE, import_id, **report.counts()
        )
        return report

    async def _put_back(
        self, brand: Brand, entries: list[HistoryEntry], report: UndoReport, *, is_last: bool
    ) -> None:
        if not entries:
            return
        states = await self._store.preferences(
            brand.number, [entry.statement.digest for entry in entries]
        )
        results = await asyncio.gather(
            *(
                self._one(entry, state, is_last=is_last)
                for entry, state in zip(entries, states, strict=True)
            )
        )
        report.changed += len(entries)
        report.put_back += sum(results)
        report.kept += len(entries) - sum(results)

    async def _one(self, entry: HistoryEntry, state: Preferences, *, is_last: bool) -> bool:
        """Put one recipient's states back, those that are still as the import left them, and say
        whether there were any.
        """
        mine = tuple(
            key
            for key in entry.changed
            if _is_as_left(state_of(state, key), entry.statement, is_last=is_last)
        )
        if not mine:
            return False
        statement = entry.statement._replace(
            id=self._new_id(),
            groups=() if mine == (EVERYTHING,) else mine,
            subscribed=True,
            source=Source.IMPORT_UNDONE,
            at_ms=entry.statement.at_ms + 1,
            expected_sequence=state.sequence,
        )
        try:
            await self._unsubscribe(statement)
        except Conflict:  # somebody has spoken in this very moment
            return False
        return True


def _is_as_left(state: Subscription, statement: Statement, *, is_last: bool) -> bool:
    """Say whether imports alone have spoken, and since none that stands."""
    is_latest = is_last or state.last_ms == statement.at_ms
    return state.imported and is_latest and state.since_ms == statement.at_ms
