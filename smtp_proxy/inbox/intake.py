"""One mail that came in: judged, acted upon, made durable, and only then answered (catalogue M6).

250 is said when every request in the mail is durable, and what people should see is filed; else 451, and the client's server sends it
again: a repeated mail changes nothing and causes no second event. What the mail said is logged as digests, and its sender too (M4).
"""

import asyncio
from typing import Protocol

from app.core.errors import AddressInvalid, Unavailable
from app.core.mail.inbound import Incoming
from app.core.model import BrandNumber, RecipientDigest
from app.observe.log import LogEvent, Logger
from app.observe.metrics import INBOX_MAILS, TOKEN_ERRORS, UNSUBSCRIBES, Result, labelled
from app.usecases.mailto import Mailto, Outcome, Request, Verdict
from smtp_proxy import replies
from smtp_proxy.mailbox import Maildir
from smtp_proxy.replies import Reply
from smtp_proxy.session.submission import Envelope

_NO_BRAND = BrandNumber(0)  # whose digests name the senders of mail that belongs to nobody
_FILED = frozenset({Outcome.FOR_PEOPLE, Outcome.QUARANTINED})


class Digest(Protocol):
    """What stands for an address in the log: `TokenCodec.digest`."""

    def __call__(self, address: str, *, brand: BrandNumber) -> RecipientDigest:
        """Return the digest. Raises AddressInvalid."""
        ...


class Intake:
    """The handler of the inbox's sessions. `maildir` is where people find what is for them; without one it is only logged."""

    def __init__(self, *, mailto: Mailto, digest: Digest, maildir: Maildir | None, log: Logger) -> None:
        self._mailto = mailto
        self._digest = digest
        self._maildir = maildir
        self._log = log

    async def __call__(self, envelope: Envelope, content: bytearray) -> Reply:
        """Take one mail. Raises Unavailable when something of it could not be made durable."""
        mail = Incoming.read(content, null_sender=not envelope.sender)
        for recipient in envelope.recipients:
            verdict = self._mailto.judge(recipient, mail)
            for request in verdict.requests:
                await self._obey(request, verdict, envelope)
            if verdict.outcome in _FILED and self._maildir:
                await self._file(self._maildir, envelope, recipient, content)
            self._conclude(verdict, envelope)
        return Reply(250, replies.ACCEPTED.enhanced, f"Accepted as {envelope.id}")

    async def _obey(self, request: Request, verdict: Verdict, envelope: Envelope) -> None:
        source = request.source.label
        try:
            copies = await self._mailto.obey(request)
        except Unavailable:
            labelled(UNSUBSCRIBES, source, Result.UNAVAILABLE).inc()
            raise
        labelled(UNSUBSCRIBES, source, Result.TEST if request.claims.test else Result.SAVED).inc()
        self._log.info(
            LogEvent.MAILTO_OBEYED,
            id=envelope.id,
            mailbox=verdict.role.value,
            place=request.place.value,
            source=source,
            recipient=request.claims.digest.hex(),
            sender=self._sender(envelope, request.claims.brand),
            copies=copies,
        )

    async def _file(self, maildir: Maildir, envelope: Envelope, recipient: str, content: bytearray) -> None:
        try:
            await asyncio.to_thread(maildir.file, sender=envelope.sender, recipient=recipient, content=content)
        except OSError as exc:
            raise Unavailable(f"a mail for people could not be filed: {exc}") from exc
        self._log.info(LogEvent.MAIL_FILED, id=envelope.id, maildir=str(maildir.folder))

    def _conclude(self, verdict: Verdict, envelope: Envelope) -> None:
        labelled(INBOX_MAILS, verdict.role, verdict.outcome).inc()
        if verdict.token_error:
            TOKEN_ERRORS.labels(verdict.token_error).inc()
        if verdict.outcome is Outcome.OBEYED:
            return
        event = LogEvent.MAILTO_QUARANTINED if verdict.outcome is Outcome.QUARANTINED else LogEvent.MAILTO_IGNORED
        self._log.info(
            event,
            id=envelope.id,
            mailbox=verdict.role.value,
            reason=verdict.reason or verdict.outcome.value,
            token_error=verdict.token_error,
            sender=self._sender(envelope, _NO_BRAND),
        )

    def _sender(self, envelope: Envelope, brand: BrandNumber) -> str:
        try:
            return self._digest(envelope.sender, brand=brand).hex() if envelope.sender else "<>"
        except AddressInvalid:
            return "invalid"
