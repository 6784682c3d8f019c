"""The use case behind every link that stands in a mail: open the token, then save what its holder
said.

Looking and leaving are two steps, because a page looks without leaving (catalogue E4). A test token
does everything but save (H12).
"""

from collections.abc import Awaitable, Callable

from app.core.errors import Unavailable
from app.core.model import Acknowledgement, Claims, Purpose, Source, Statement
from app.core.token import TokenCodec
from app.observe.metrics import ClickResult
from app.usecases.ports import Clock
from app.usecases.request_counts import request_counts
from app.usecases.routing import HomeOf, here
from app.usecases.statements import Seal, Statements

# `app.usecases.record_statement.RecordStatement`
Unsubscriber = Callable[[Statement], Awaitable[Acknowledgement]]


class TokenLinks:
    """Opens tokens, turns them into statements, and counts these."""

    def __init__(  # noqa: PLR0913 - the parts of the use case
        self,
        *,
        codec: TokenCodec,
        unsubscribe: Unsubscriber,
        clock: Clock,
        new_id: Callable[[], bytes],
        seal: Seal,
        home: HomeOf = here,
    ) -> None:
        self._codec = codec
        self._unsubscribe = unsubscribe
        self._counts = request_counts()
        self._statements = Statements(clock=clock, new_id=new_id, seal=seal, home=home)

    def look(self, text: str, *, purpose: Purpose) -> Claims:
        """Return the claims of a token that may be used for `purpose`; changes nothing. Raises
        TokenError.
        """
        return self._codec.open(text, purpose=purpose)

    async def leave(self, claims: Claims, *, source: Source) -> Acknowledgement:
        """Unsubscribe the holder of the token from its scope and return once that is durable;
        idempotent.

        The same token works for ever, also after a resubscribe (catalogue T8). A test token is
        acknowledged with 0 copies and changes nothing (H12). Raises StoreUnavailable when nothing
        could be made durable.
        """
        if claims.test:
            self._counts[source, ClickResult.TEST].inc()
            return Acknowledgement(copies=0)
        try:
            saved = await self._unsubscribe(self._statements.of(claims, claims.groups, source))
        except Unavailable:
            self._counts[source, ClickResult.UNAVAILABLE].inc()
            raise
        self._counts[source, ClickResult.SAVED].inc()
        return saved
