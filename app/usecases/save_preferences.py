"""Saves what somebody chose on a page: first what they switched on, then what they switched off.

What is switched on carries the sequence that the page saw and is decided by the store alone; when
the state has moved on, it is not done, and the caller hears so. What is switched off is
unconditional, goes the durable way of every unsubscribe, and is done whatever became of the rest:
an unsubscribe always wins (catalogue Q6).
"""

from collections.abc import Callable
from enum import StrEnum

from app.core.errors import Conflict, StoreUnavailable, Unavailable
from app.core.groups import EVERYTHING
from app.core.model import Claims, GroupKey, Source
from app.core.preference_form import Wish
from app.observe.metrics import ClickResult
from app.usecases.ports import Clock
from app.usecases.request_counts import request_counts
from app.usecases.routing import HomeOf, here
from app.usecases.statements import Seal, Statements
from app.usecases.token_links import Unsubscriber


class SavedPreferences(StrEnum):
    """What became of a wish."""

    SAVED = "saved"
    # the state has changed since the page looked: what was switched off is saved, what was switched
    # on is not
    STALE = "stale"
    # the store is away: what was switched off is durable, what was switched on is not
    ONLY_LEFT = "only_left"
    TEST = "test"  # a test link: nothing was saved


class SavePreferences:
    """Makes wishes durable, and counts each that unsubscribes. One for each process."""

    def __init__(
        self,
        *,
        unsubscribe: Unsubscriber,
        clock: Clock,
        new_id: Callable[[], bytes],
        seal: Seal,
        home: HomeOf = here,
    ) -> None:
        self._unsubscribe = unsubscribe
        self._counts = request_counts()
        self._statements = Statements(clock=clock, new_id=new_id, seal=seal, home=home)

    async def __call__(
        self, claims: Claims, wish: Wish, *, source: Source, expected_sequence: int
    ) -> SavedPreferences:
        """Save and return what became of it; a wish that holds already changes nothing, so it may
        be repeated.

        A test token saves nothing (catalogue H12). Raises StoreUnavailable when what was switched
        off could not be made durable, or when there was nothing to switch off and the store is
        away; then something may have been saved all the same.
        """
        try:
            saved = await self._saved(claims, wish, source, expected_sequence)
        except Unavailable:
            self._counts[source, ClickResult.UNAVAILABLE].inc()
            raise
        if wish.leave:
            self._counts[source, ClickResult.TEST if claims.test else ClickResult.SAVED].inc()
        return saved

    async def _saved(
        self, claims: Claims, wish: Wish, source: Source, expected_sequence: int
    ) -> SavedPreferences:
        if claims.test:
            return SavedPreferences.TEST
        joined = await self._join(
            claims, wish.join, source, expected_sequence, may_fail=bool(wish.leave)
        )
        await self._leave(claims, wish.leave, source)
        return joined

    async def _join(
        self,
        claims: Claims,
        groups: tuple[GroupKey, ...],
        source: Source,
        sequence: int,
        *,
        may_fail: bool,
    ) -> SavedPreferences:
        if not groups:
            return SavedPreferences.SAVED
        statement = self._statements.of(
            claims, _scope(groups), source, subscribed=True, expected_sequence=sequence
        )
        try:
            await self._unsubscribe(statement)
        except Conflict:
            return SavedPreferences.STALE
        except StoreUnavailable:
            if not may_fail:
                raise
            return SavedPreferences.ONLY_LEFT
        return SavedPreferences.SAVED

    async def _leave(self, claims: Claims, groups: tuple[GroupKey, ...], source: Source) -> None:
        if groups:
            await self._unsubscribe(self._statements.of(claims, _scope(groups), source))


def _scope(groups: tuple[GroupKey, ...]) -> tuple[GroupKey, ...]:
    """Return the groups of a statement: none stand for all mail alone; with others beside it, it is
    one of them, and all change at once.
    """
    return () if groups == (EVERYTHING,) else groups
