"""Which recipients may come in: those whose mailbox exists, and whose short token is genuine. All
others hear so at RCPT.

So no mail is taken that would have to be sent back (catalogue M12), and who guesses is slowed down
with their whole network. A mailbox that exists is never counted and never refused.
"""

from collections.abc import Callable

from app.core.errors import NotFound, TokenError
from app.observe.log import LogEvent, Logger
from app.observe.metrics import TOKEN_ERRORS
from app.usecases.mailto import Mailto
from smtp_proxy.replies import NO_SUCH_MAILBOX, TOO_MANY_UNKNOWN, Reply


class Door:
    """The recipient policy of the inbox (`smtp_proxy.session.config.RecipientPolicy`).

    `may_miss` counts one unknown recipient for an IP address and says whether it is within what a
    network may ask for in vain.
    """

    def __init__(self, *, mailto: Mailto, may_miss: Callable[[str], bool], log: Logger) -> None:
        self._mailto = mailto
        self._may_miss = may_miss
        self._log = log

    def __call__(self, recipient: str, peer: str) -> Reply | None:
        """Return the refusal of a recipient, or None when it may come in."""
        try:
            self._mailto.mailbox(recipient)
        except NotFound as exc:
            return self._refused(peer, exc.code)
        except TokenError as exc:
            TOKEN_ERRORS.labels(exc.code).inc()
            return self._refused(peer, exc.code)
        return None

    def _refused(self, peer: str, reason: str) -> Reply:
        if not self._may_miss(peer):
            return TOO_MANY_UNKNOWN
        self._log.info(LogEvent.TOKEN_REFUSED, reason=reason, peer=peer)
        return NO_SUCH_MAILBOX
