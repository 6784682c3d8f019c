"""One recipient, by address: what they said, and what an operator says for them.

An operator unsubscribes like any link does, durably and without a condition. An operator
resubscribes only with the recipient's newer consent: what it was is kept in the audit, and the
sequence that the operator saw makes a later unsubscribe win (catalogue Q6).
"""

from collections.abc import Callable, Sequence

from app.core.address import checked
from app.core.audit import AuditAction
from app.core.errors import StoreUnavailable
from app.core.group_words import GroupWords
from app.core.model import (
    Acknowledgement,
    Brand,
    GroupKey,
    HistoryEntry,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
)
from app.core.token import TokenCodec
from app.observe.metrics import ClickResult
from app.usecases.auditing import Auditing
from app.usecases.ports import Clock, GroupBook, Store
from app.usecases.request_counts import request_counts
from app.usecases.token_links import Unsubscriber


class Recipients:
    """Looks at one recipient, and speaks for one, which is counted and kept in the audit."""

    def __init__(  # noqa: PLR0913 - the parts of the use case
        self,
        *,
        store: Store,
        book: GroupBook,
        unsubscribe: Unsubscriber,
        auditing: Auditing,
        codec: TokenCodec,
        clock: Clock,
        new_id: Callable[[], bytes],
    ) -> None:
        self._store = store
        self._book = book
        self._auditing = auditing
        self._counts = request_counts()
        self._unsubscribe = unsubscribe
        self._codec = codec
        self._clock = clock
        self._new_id = new_id

    def digest(self, brand: Brand, address: str) -> RecipientDigest:
        """Return the digest under which the brand knows an address. Raises AddressInvalid."""
        return self._codec.digest(checked(address), brand=brand.number)

    async def state(self, brand: Brand, address: str) -> Preferences:
        """Return what is known of a recipient; of a stranger, that they are subscribed to
        everything.
        """
        (found,) = await self._store.preferences(brand.number, [self.digest(brand, address)])
        return found

    async def history(self, brand: Brand, address: str, *, limit: int) -> Sequence[HistoryEntry]:
        """Return the newest changes of a recipient, oldest first."""
        return await self._store.history(brand.number, self.digest(brand, address), limit=limit)

    async def unsubscribe(
        self, brand: Brand, address: str, groups: Sequence[str] = (), *, actor: str
    ) -> tuple[Statement, Acknowledgement]:
        """Unsubscribe a recipient from the groups of these names or ids, none meaning all mail, and
        return once that is durable. `actor` is who the audit names.

        All mail needs no list of groups, so it works while the store is away. Raises
        StoreUnavailable, and RuleViolation for a group that the brand has not.
        """
        statement = self._statement(brand, address, await self._scope(brand, groups))
        try:
            saved = await self._unsubscribe(statement)
        except StoreUnavailable:
            self._counts[Source.API, ClickResult.UNAVAILABLE].inc()
            raise
        self._counts[Source.API, ClickResult.SAVED].inc()
        await self._note(
            brand, actor, AuditAction.RECIPIENT_UNSUBSCRIBED, statement, groups=" ".join(groups)
        )
        return statement, saved

    async def resubscribe(  # noqa: PLR0913 - what is said, and by whom
        self,
        brand: Brand,
        address: str,
        groups: Sequence[str] = (),
        *,
        sequence: int,
        consent: str,
        actor: str,
    ) -> tuple[Statement, Acknowledgement]:
        """Subscribe a recipient again who has consented to it; the audit keeps the consent. Raises
        Conflict when the state has moved on since `sequence`, else as `unsubscribe`.
        """
        statement = self._statement(brand, address, await self._scope(brand, groups))._replace(
            subscribed=True, expected_sequence=sequence
        )
        saved = await self._unsubscribe(statement)
        detail = {"consent": consent, "groups": " ".join(groups)}
        await self._note(brand, actor, AuditAction.RECIPIENT_RESUBSCRIBED, statement, **detail)
        return statement, saved

    async def _scope(self, brand: Brand, groups: Sequence[str]) -> tuple[GroupKey, ...]:
        if not groups:
            return ()
        return GroupWords(await self._book.groups(brand.number)).scope(groups)

    async def _note(
        self, brand: Brand, actor: str, action: AuditAction, statement: Statement, **detail: str
    ) -> None:
        said = {name: text for name, text in detail.items() if text}
        await self._auditing.note(
            brand, actor, action, statement.digest.hex(), statement=statement.id.hex(), **said
        )

    def _statement(self, brand: Brand, address: str, groups: tuple[GroupKey, ...]) -> Statement:
        at_ms = self._clock()
        return Statement(
            id=self._new_id(),
            brand=brand.number,
            digest=self.digest(brand, address),
            groups=groups,
            subscribed=False,
            source=Source.API,
            at_ms=at_ms,
            sealed_address=self._codec.seal_address(
                checked(address), brand=brand.number, at_ms=at_ms
            ),
        )
