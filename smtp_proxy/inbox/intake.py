"""One mail that came in: judged, acted upon, made durable, and only then answered (catalogue M6).

250 is said when every request in the mail is durable, and what people should see is filed; else
451, and the client's server sends it again: a repeated mail changes nothing and causes no second
event. What the mail said is logged as digests, and its sender too (M4).

A mail is a stranger's, so it costs a bounded part of what we have (catalogue N16): it is read once,
however many of its recipients mean one mailbox; in a thread, so that nobody else waits; within one
budget; and filed once, up to the quota of the folder. Whatever goes wrong in reading it is ours,
and stays with this mail: it is put aside with 250, for no second attempt would end differently.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from app.core.errors import AddressInvalid, SignoffError, Unavailable
from app.core.mail.inbound import Incoming
from app.core.mail.inbound_budget import ReadingBudget
from app.core.model import BrandNumber, RecipientDigest
from app.observe.log import LogEvent, Logger
from app.observe.metrics import (
    INBOX_MAILS,
    INBOX_UNFILED,
    TOKEN_ERRORS,
    labelled,
)
from app.usecases.mailto import Mailto, MailtoRequest, MailtoVerdict, Outcome
from smtp_proxy import replies
from smtp_proxy.inbox.cabinet import Cabinet, CabinetFull
from smtp_proxy.replies import Reply
from smtp_proxy.session.submission import Envelope

_NO_BRAND = BrandNumber(0)  # whose digests name the senders of mail that belongs to nobody
_READERS = 2  # threads: a mail that takes all of its budget keeps one of them
_FULL = Reply(452, "4.2.2", "The mailbox is full, try again later")


class Digest(Protocol):
    """What stands for an address in the log: `TokenCodec.digest`."""

    def __call__(self, address: str, *, brand: BrandNumber) -> RecipientDigest:
        """Return the digest. Raises AddressInvalid."""
        ...


class Intake:
    """The handler of the inbox's sessions. `maildir` is where people find what is for them; without
    one it is only logged.
    """

    def __init__(
        self, *, mailto: Mailto, digest: Digest, maildir: Cabinet | None, log: Logger
    ) -> None:
        self._mailto = mailto
        self._digest = digest
        self._maildir = maildir
        self._log = log
        # its threads end with the process
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")

    async def __call__(self, envelope: Envelope, content: bytearray) -> Reply:
        """Take one mail. Raises Unavailable when something of it could not be made durable."""
        verdicts = await asyncio.get_running_loop().run_in_executor(
            self._readers, self._judged, envelope, content
        )
        for verdict in verdicts:
            for request in verdict.requests:
                await self._obey(request, verdict, envelope)
        unfiled, to_file = None, _most_urgent(verdicts)
        if self._maildir and to_file:
            unfiled = await self._file(self._maildir, envelope, to_file, content)
        for verdict in verdicts:
            self._conclude(verdict, envelope)
        return unfiled or Reply(250, replies.ACCEPTED.enhanced, f"Accepted as {envelope.id}")

    def _judged(self, envelope: Envelope, content: bytearray) -> Sequence[MailtoVerdict]:
        """Return what the mail means in each of its mailboxes. Runs in a thread of its own."""
        try:
            mail = Incoming.read(
                content, null_sender=not envelope.sender, budget=ReadingBudget(time.monotonic)
            )
            return self._mailto.judge(envelope.recipients, mail)
        except SignoffError:
            raise
        # a rim: a defect of ours must not make one mail come again for days
        except Exception as exc:
            self._log.error(
                LogEvent.MAILTO_UNREADABLE,
                id=envelope.id,
                error=type(exc).__name__,
                place=_place_of(exc),
            )
            return self._mailto.unreadable(envelope.recipients, null_sender=not envelope.sender)

    async def _obey(
        self, request: MailtoRequest, verdict: MailtoVerdict, envelope: Envelope
    ) -> None:
        copies = await self._mailto.obey(request)
        self._log.info(
            LogEvent.MAILTO_OBEYED,
            id=envelope.id,
            mailbox=verdict.role.value,
            place=request.place.value,
            source=request.source.label,
            recipient=request.claims.digest.hex(),
            sender=self._sender(envelope, request.claims.brand),
            copies=copies,
        )

    async def _file(
        self, maildir: Cabinet, envelope: Envelope, verdict: MailtoVerdict, content: bytearray
    ) -> Reply | None:
        """File the mail once, and return the refusal where it has to be filed and cannot be."""
        try:
            await asyncio.to_thread(
                maildir.file, sender=envelope.sender, recipient=verdict.recipient, content=content
            )
        except CabinetFull:
            INBOX_UNFILED.inc()
            self._log.warning(
                LogEvent.MAIL_NOT_FILED,
                id=envelope.id,
                maildir=str(maildir.folder),
                mailbox=verdict.role.value,
            )
            return _FULL if verdict.outcome is Outcome.FOR_PEOPLE else None
        except OSError as exc:
            raise Unavailable(f"a mail for people could not be filed: {exc}") from exc
        self._log.info(LogEvent.MAIL_FILED, id=envelope.id, maildir=str(maildir.folder))
        return None

    def _conclude(self, verdict: MailtoVerdict, envelope: Envelope) -> None:
        labelled(INBOX_MAILS, verdict.role, verdict.outcome).inc()
        if verdict.token_error:
            TOKEN_ERRORS.labels(verdict.token_error).inc()
        if verdict.outcome is Outcome.OBEYED and not verdict.reason:
            return
        is_unread = verdict.outcome in (Outcome.QUARANTINED, Outcome.OBEYED)
        event = LogEvent.MAILTO_QUARANTINED if is_unread else LogEvent.MAILTO_IGNORED
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


def _most_urgent(verdicts: Sequence[MailtoVerdict]) -> MailtoVerdict | None:
    """Return the verdict for whose sake the mail has to be filed: one for people before one that
    was not read to its end.
    """
    for_people = (verdict for verdict in verdicts if verdict.outcome is Outcome.FOR_PEOPLE)
    unread = (
        v
        for v in verdicts
        if v.outcome is Outcome.QUARANTINED or (v.outcome is Outcome.OBEYED and v.reason)
    )
    return next(for_people, None) or next(unread, None)


def _place_of(exc: BaseException) -> str:
    """Return where in the code an exception was raised: what a traceback says, without what the
    mail says.
    """
    last = exc.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_code.co_name}:{last.tb_lineno}" if last else ""
