"""What became of a message's copies, remembered for the upstream's next try, so that it sends only what is missing (catalogue X3, X14).

1. A message has one page, named by a keyed hash of account, envelope sender, Message-ID, Date and length; a copy's entry by one of body
   and recipient. So a look-up is one command, under way beside that of the states, and the body is hashed only where there is a page or one
   is begun. Trace fields are no part of the name: an upstream in front of its own queue writes them anew for each try.
2. Only finished copies are entered, and those whose outcome is unknown; only for a message that is not finished as a whole. One that is
   finished at once writes nothing. A page goes `KEEP_SECONDS` after its last entry, so what upstreams can make us keep is bounded by time.
3. Each entry is written here and in the store. Without the store a relay knows its own entries until it ends; an upstream that comes by
   another relay meanwhile may cause a second copy, never a lost one.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from enum import StrEnum

from app.core.errors import StoreUnavailable
from app.core.mail.message import Message
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.ports import CopyLedger
from smtp_proxy.relay import ledger_entry
from smtp_proxy.relay.ledger_entry import REPORTED, Unknown
from smtp_proxy.replies import Delivered, Outcome, Reply
from smtp_proxy.session.submission import Envelope

KEEP_SECONDS = 5 * 86_400  # RFC 5321 4.5.4.1: upstreams give up after 4 to 5 days
TAKEN_BEFORE = Reply(250, "2.0.0", "Message accepted; an earlier try of it was handed over without a confirmation")
READ_SECONDS = 1.0  # as for the states: far below any upstream's patience, and above a busy event loop's

_NAME_OCTETS = 16
_TRACE = frozenset((b"received", b"return-path"))
_MESSAGE_ID = b"message-id"
_IDENTITY = frozenset((_MESSAGE_ID, b"date", b"resent-message-id", b"resent-date"))
_THREAD_OCTETS = 1024 * 1024  # a larger body would hold the event loop for more than a millisecond


class UnknownOutcome(StrEnum):
    """What a further try does with a copy of which nobody knows whether the downstream took it (catalogue X14)."""

    RESEND = "resend"  # perhaps twice, never lost
    DROP = "drop"  # perhaps lost, never twice


class Ledger:
    """The ledger as the relay uses it. `local` holds this process's entries; `key` is the same in all relays, for as long as pages live."""

    def __init__(
        self,
        store: CopyLedger,
        local: CopyLedger,
        *,
        key: bytes,
        log: Logger,
        unknown: UnknownOutcome = UnknownOutcome.RESEND,
    ) -> None:
        self.store = store
        self.local = local
        self.key = key
        self.log = log
        self.unknown = unknown

    def page(self, envelope: Envelope, message: Message) -> "Page":
        """Return the page of a message; the look-up is under way at once."""
        return Page(self, envelope, message)


class Page:
    """One message in the ledger."""

    def __init__(self, ledger: Ledger, envelope: Envelope, message: Message) -> None:
        self._ledger = ledger
        self._id = envelope.id
        self._recipients = envelope.recipients
        self._body = message.body
        self._body_hash = b""
        self._name = _name(ledger.key, envelope, message)
        self._asked = asyncio.ensure_future(ledger.store.entries(self._name))
        self._asked.add_done_callback(_hear)  # whoever refuses the mail meanwhile never looks
        self.known: Mapping[str, Outcome] = {}  # what earlier tries have finished
        self.begun = False  # an earlier try left entries
        self.reported = False  # and its sender has been notified of the refused ones

    async def finished(self, *, required: bool) -> Mapping[str, Outcome]:
        """Return the outcomes of those recipients whose copies earlier tries have finished, which is `known` from then on.

        Raises StoreUnavailable when the store cannot tell and that is `required`; else what this process knows has to do.
        """
        here, there = await self._ledger.local.entries(self._name), await self._told(required=required)
        if not (here or there):
            return {}
        # Either may know what the other does not: that a copy is finished is the later news.
        entries = {**here, **{name: entry for name, entry in there.items() if here.get(name, ledger_entry.UNKNOWN) == ledger_entry.UNKNOWN}}
        self.begun = True
        fields = await self._fields((*self._recipients, REPORTED))
        self.reported = fields.pop(REPORTED) in entries
        found = {recipient: ledger_entry.decoded(entries[name]) for recipient, name in fields.items() if name in entries}
        decided = {recipient: self._decided(entry) for recipient, entry in found.items() if entry is not None}
        self.known = {recipient: outcome for recipient, outcome in decided.items() if outcome is not None}
        return self.known

    async def note(self, outcomes: Mapping[str, Outcome], *, reported: bool = False) -> None:
        """Enter all that is finished or unknown. A store that cannot take it is logged: the upstream's next try is more important."""
        written = {recipient: entry for recipient, outcome in outcomes.items() if (entry := ledger_entry.encoded(outcome))}
        if reported:
            written[REPORTED] = ledger_entry.MARK
        if not written:
            return
        fields = await self._fields(written)
        entries = {fields[recipient]: entry for recipient, entry in written.items()}
        for book in (self._ledger.local, self._ledger.store):
            try:
                await book.note(self._name, entries, keep_seconds=KEEP_SECONDS)
            except StoreUnavailable as exc:
                self._failed(exc)

    async def _told(self, *, required: bool) -> Mapping[bytes, bytes]:
        """Return what the store has."""
        try:
            return self._asked.result() if self._asked.done() else await _in_time(self._asked)
        except StoreUnavailable as exc:
            self._failed(exc)
            if required:
                raise
            return {}

    def _failed(self, error: StoreUnavailable) -> None:
        self._ledger.log.error(LogEvent.LEDGER_FAILED, id=self._id, reason=str(error))

    def _decided(self, entry: Outcome | Unknown) -> Outcome | None:
        if not isinstance(entry, Unknown):
            return entry
        policy = self._ledger.unknown
        labelled(metrics.COPIES_UNKNOWN, policy).inc()
        return Delivered(reply=TAKEN_BEFORE) if policy is UnknownOutcome.DROP else None

    async def _fields(self, recipients: Iterable[str]) -> dict[str, bytes]:
        """Return the keyed name of each recipient's entry."""
        if not self._body_hash:
            self._body_hash = await _hashed(self._body)
        body_hash, key = self._body_hash, self._ledger.key
        return {recipient: hmac.digest(key, body_hash + recipient.encode(), "sha256")[:_NAME_OCTETS] for recipient in recipients}


async def _in_time(asked: asyncio.Future[Mapping[bytes, bytes]]) -> Mapping[bytes, bytes]:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await asked
    except TimeoutError as exc:
        raise StoreUnavailable("the ledger did not answer in time") from exc


def _hear(asked: asyncio.Future[Mapping[bytes, bytes]]) -> None:
    if not asked.cancelled():
        asked.exception()


def _name(key: bytes, envelope: Envelope, message: Message) -> bytes:
    identity = [field for field in message.fields if field[0] in _IDENTITY]
    if not any(field[0] == _MESSAGE_ID for field in identity):
        identity = [field for field in message.fields if field[0] not in _TRACE]
    account, length = str(envelope.client.account or ""), str(len(message.body))
    parts = (account.encode(), envelope.sender.encode(), length.encode(), *[raw for _, raw in identity])
    return hmac.digest(key, b"\0".join(parts), "sha256")[:_NAME_OCTETS]


async def _hashed(body: memoryview) -> bytes:
    if len(body) <= _THREAD_OCTETS:
        return hashlib.sha256(body).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).digest())
