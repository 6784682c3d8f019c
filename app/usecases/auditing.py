"""Writes down every change that somebody made by hand or over the API: who, what, when (catalogue
Q8); and in the log, who read of whom.
"""

from app.core.audit import AuditAction, AuditEntry
from app.core.errors import StoreUnavailable
from app.core.model import Brand
from app.observe.log import LogEvent, Logger
from app.usecases.ports import AuditTrail, Clock


class Auditing:
    """The log always has it; the store too, unless it is away, and then the log says so: what was
    done stays done.
    """

    def __init__(self, trail: AuditTrail, clock: Clock, log: Logger) -> None:
        self._trail = trail
        self._clock = clock
        self._log = log

    async def note(
        self, brand: Brand, actor: str, action: AuditAction, target: str, **detail: str
    ) -> None:
        """Write down one change that was made. `target` and `detail` hold digests and ids, never an
        address.
        """
        entry = AuditEntry(
            at_ms=self._clock(), actor=actor, action=action, target=target, detail=detail
        )
        try:
            await self._trail.note(brand.number, entry)
        except StoreUnavailable as exc:
            self._log.error(
                LogEvent.AUDIT_NOT_KEPT,
                brand=brand.id,
                actor=actor,
                action=action.value,
                target=target,
                reason=str(exc),
            )
            return
        self._log.info(
            LogEvent.CHANGED_BY_HAND,
            brand=brand.id,
            actor=actor,
            action=action.value,
            target=target,
        )

    def saw(
        self, brand: Brand, actor: str, what: str, target: str = "", *, recipients: int = 1
    ) -> None:
        """Write into the log that somebody has read of whom something is kept; `target` is the
        digest of the one, empty for a list.

        Not into the store: a program may read a thousand times a minute, and the audit there is
        never trimmed.
        """
        self._log.info(
            LogEvent.RECIPIENTS_READ,
            brand=brand.id,
            actor=actor,
            what=what,
            target=target,
            recipients=recipients,
        )
