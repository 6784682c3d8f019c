"""What became of a message's copies, remembered for the upstream's next try, so that it sends only what is missing (catalogue X3, X14).

1. A message has one page, named by a keyed hash of account, envelope sender, Message-ID, Date and length; a copy's entry by one of body
   and recipient. So a look-up is one command, under way beside that of the states, and the body is hashed only where there is a page or one
   is begun.
2. Only finished copies are entered, and those whose outcome is unknown; only for a message that is not finished as a whole. One that is
   finished at once writes nothing. A page goes `KEEP_SECONDS` after its last entry, so what upstreams can make us keep is bounded by time.
3. A long message is entered while it runs, every `NOTE_SECONDS` or `NOTE_COPIES`: a relay that is killed has left out no more than that.
   Once such a message is answered, its page is kept for `ANSWERED_SECONDS` only: as long as an upstream that missed the answer may take.
4. Each entry is written here and in the store. Without the store a relay knows its own entries until it ends; an upstream that comes by
   another relay meanwhile may cause a second copy, never a lost one.
5. An upstream that left after its last byte and comes again joins its first try: in this process it waits for that one's end and hears
   the same; for other processes the first try leaves a mark on the page, renewed while it is at work, that ends by itself.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Self

from app.core.errors import StoreUnavailable, TryUnderWay
from app.core.mail.message import Message
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.ports import CopyLedger
from smtp_proxy.relay import ledger_entry, ledger_names
from smtp_proxy.relay.ledger_entry import REPORTED, Unknown
from smtp_proxy.relay.tries import Tries
from smtp_proxy.replies import Delivered, Outcome, Reply
from smtp_proxy.session.submission import Envelope

KEEP_SECONDS = 5 * 86_400  # RFC 5321 4.5.4.1: upstreams give up after 4 to 5 days
ANSWERED_SECONDS = 3_600  # upstreams that heard nothing come again within minutes, the slowest usual one within half an hour
NOTE_SECONDS = 1.0
NOTE_COPIES = 25
MARK_MS = 4_000  # how long a mark holds whose process has died
RENEW_SECONDS = 1.0
WAIT_SECONDS = 15.0  # for a try in another process: far below any upstream's patience
TAKEN_BEFORE = Reply(250, "2.0.0", "Message accepted; an earlier try of it was handed over without a confirmation")
READ_SECONDS = 1.0  # as for the states: far below any upstream's patience, and above a busy event loop's

_LOOK_SECONDS = 0.25


class UnknownOutcome(StrEnum):
    """What a further try does with a copy of which nobody knows whether the downstream took it (catalogue X14)."""

    RESEND = "resend"  # perhaps twice, never lost
    DROP = "drop"  # perhaps lost, never twice


class Ledger:
    """The ledger as the relay uses it. `local` holds this process's entries; `key` is the same in all relays, for as long as pages live.

    `clock` tells UTC milliseconds; `tries` are all that are under way in this process.
    """

    def __init__(  # noqa: PLR0913 - where entries are, and how they are named
        self,
        store: CopyLedger,
        local: CopyLedger,
        *,
        key: bytes,
        log: Logger,
        clock: Callable[[], int],
        tries: Tries,
        unknown: UnknownOutcome = UnknownOutcome.RESEND,
    ) -> None:
        self.store = store
        self.local = local
        self.key = key
        self.log = log
        self.clock = clock
        self.tries = tries
        self.unknown = unknown

    def page(self, envelope: Envelope, message: Message) -> "Page":
        """Return the page of a message; the look-up is under way at once."""
        return Page(self, envelope, message)


class Page:
    """One try of a message in the ledger. As a context manager it is under way for as long as that is open."""

    def __init__(self, ledger: Ledger, envelope: Envelope, message: Message) -> None:
        self._ledger = ledger
        self._envelope = envelope
        self._body = message.body
        self._body_hash = b""
        self.name = ledger_names.of_message(ledger.key, envelope, message)
        self._asked = self._ask()
        self.known: Mapping[str, Outcome] = {}  # what earlier tries have finished
        self.begun = False  # an earlier try left entries
        self.reported = False  # and its sender has been notified of the refused ones
        self.waited = False  # for an earlier try: what was read before has aged
        self._answered: Mapping[str, Outcome] = {}
        self._over: asyncio.Event | None = None
        self._fresh: dict[str, Outcome] = {}  # finished, and not entered yet
        self._looked = asyncio.get_running_loop().time()
        self._marked: float | None = None
        self._at_work = False  # behind every earlier try
        self._long = False  # entered while it ran
        self._writing: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._ledger.tries.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ledger.tries.end(self)
        if self._over is not None:
            self._over.set()

    @property
    def is_heard(self) -> bool:
        """Say whether the upstream is still there to hear the answer."""
        return self._envelope.listens()

    async def finished(self, *, required: bool) -> Mapping[str, Outcome]:
        """Return the outcomes of those recipients whose copies earlier tries have finished, which is `known` from then on.

        Waits for an earlier try of this process whose upstream has gone, and takes over its outcomes; for one in another process it waits
        for at most `WAIT_SECONDS`, then raises TryUnderWay.
        Raises StoreUnavailable when the store cannot tell and that is `required`; else what this process knows has to do.
        """
        joined = await self._joined()
        here, there = await self._ledger.local.entries(self.name), await self._told(required=required)
        if there:
            there = await self._unmarked(there, required=required)
        self._at_work = True
        if not (here or there):
            self.known = joined
            return self.known
        # Either may know what the other does not: that a copy is finished is the later news.
        entries = {**here, **{name: entry for name, entry in there.items() if here.get(name, ledger_entry.UNKNOWN) == ledger_entry.UNKNOWN}}
        self.begun = True
        fields = await self._fields((*self._envelope.recipients, REPORTED))
        self.reported = fields.pop(REPORTED) in entries or self.reported
        found = {recipient: ledger_entry.decoded(entries[name]) for recipient, name in fields.items() if name in entries}
        decided = {recipient: self._decided(entry) for recipient, entry in found.items() if entry is not None and recipient not in joined}
        self.known = {recipient: outcome for recipient, outcome in decided.items() if outcome is not None} | joined
        return self.known

    def heard(self, recipient: str, outcome: Outcome) -> None:
        """Hear of a copy of a message with several as soon as it is finished."""
        self._fresh[recipient] = outcome
        if len(self._fresh) >= NOTE_COPIES:
            self._note_fresh()

    def look_after(self, now: float) -> None:
        """Enter what a long message has finished, and mark a try whose upstream has gone: it may come again by another process."""
        due = self._at_work and (self._marked is None or now - self._marked >= RENEW_SECONDS)
        if due and not self.is_heard and self._is_free():
            self._marked = now
            self._writing = asyncio.get_running_loop().create_task(self._mark())
        if self._fresh and now - self._looked >= NOTE_SECONDS:
            self._note_fresh()

    async def note(self, outcomes: Mapping[str, Outcome], *, reported: bool = False) -> None:
        """Enter all that is finished or unknown. A store that cannot take it is logged: the upstream's next try is more important."""
        await self._settled()
        await self._write(outcomes, reported=reported, over=True)

    async def conclude(self, outcomes: Mapping[str, Outcome], *, reported: bool) -> None:
        """Enter what became of a message that is answered for good, where it has a page or its upstream has gone and comes again."""
        if self.begun or not self.is_heard:
            await self.note(outcomes, reported=reported)
        elif self._long:
            await self._settled()
            await self._write(outcomes, reported=reported, keep_seconds=ANSWERED_SECONDS)

    def answered(self, outcomes: Mapping[str, Outcome]) -> None:
        """Say what became of the message to the tries that wait for this one."""
        self._answered = outcomes

    def _ask(self) -> asyncio.Future[Mapping[bytes, bytes]]:
        asked = asyncio.ensure_future(self._ledger.store.entries(self.name))
        asked.add_done_callback(_hear)  # whoever refuses the mail meanwhile never looks
        return asked

    async def _joined(self) -> dict[str, Outcome]:
        """Wait for the earlier tries of this process whose upstream has gone; return what became of the recipients that they share."""
        joined: dict[str, Outcome] = {}
        for other in self._ledger.tries.before(self):
            if not isinstance(other, Page) or other.is_heard:
                continue
            shared = set(self._envelope.recipients).intersection(other._envelope.recipients)
            if not shared or await self._hash() != await other._hash():
                continue
            labelled(metrics.TRIES_JOINED, "process").inc()
            other._over = other._over or asyncio.Event()
            await other._over.wait()
            self.waited = True
            self.reported = self.reported or other.reported
            joined |= {recipient: other._answered[recipient] for recipient in shared if recipient in other._answered}
        if self.waited:
            self._asked = self._ask()
        return joined

    async def _unmarked(self, there: Mapping[bytes, bytes], *, required: bool) -> Mapping[bytes, bytes]:
        """Return the store's entries once no try in another process is under way. Raises TryUnderWay, StoreUnavailable."""
        time = asyncio.get_running_loop().time
        end, mark = time() + WAIT_SECONDS, await self._mark_name()
        while ledger_entry.is_held(there.get(mark), self._ledger.clock(), longest_ms=2 * MARK_MS):
            if not self.waited:
                labelled(metrics.TRIES_JOINED, "store").inc()
            if time() >= end:
                raise TryUnderWay("an earlier try of this message is under way in another process")
            await asyncio.sleep(_LOOK_SECONDS)
            self.waited = True
            self._asked = self._ask()
            there = await self._told(required=required)
        return there

    def _note_fresh(self) -> None:
        if self._is_free():
            fresh, self._fresh = self._fresh, {}
            self._long = True
            self._looked = asyncio.get_running_loop().time()
            self._writing = asyncio.get_running_loop().create_task(self._write(fresh))

    def _is_free(self) -> bool:
        return self._writing is None or self._writing.done()

    async def _settled(self) -> None:
        """Let what is being written come to its end: a later word must not come before it."""
        self._fresh = {}
        if self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    async def _mark(self) -> None:
        until = self._ledger.clock() + MARK_MS
        await self._enter({await self._mark_name(): ledger_entry.mark(until)}, (self._ledger.store,))

    async def _write(
        self, outcomes: Mapping[str, Outcome], *, reported: bool = False, over: bool = False, keep_seconds: int = KEEP_SECONDS
    ) -> None:
        written = {recipient: entry for recipient, outcome in outcomes.items() if (entry := ledger_entry.encoded(outcome))}
        if reported:
            written[REPORTED] = ledger_entry.MARK
        ended = over and self._marked is not None
        if not written and not ended:
            return
        fields = await self._fields(written)
        entries = {fields[recipient]: entry for recipient, entry in written.items()}
        if ended:
            entries[await self._mark_name()] = ledger_entry.mark(0)
        await self._enter(entries, (self._ledger.local, self._ledger.store), keep_seconds)

    async def _enter(self, entries: Mapping[bytes, bytes], books: Iterable[CopyLedger], keep_seconds: int = KEEP_SECONDS) -> None:
        for book in books:
            try:
                await book.note(self.name, entries, keep_seconds=keep_seconds)
            except StoreUnavailable as exc:
                self._failed(exc)

    async def _told(self, *, required: bool) -> Mapping[bytes, bytes]:
        """Return what the store has."""
        try:
            if self._asked.done():
                return self._asked.result()
            async with asyncio.timeout(READ_SECONDS):
                return await self._asked
        except (StoreUnavailable, TimeoutError) as exc:
            error = exc if isinstance(exc, StoreUnavailable) else StoreUnavailable("the ledger did not answer in time")
            self._failed(error)
            if required:
                raise error from exc
            return {}

    def _failed(self, error: StoreUnavailable) -> None:
        self._ledger.log.error(LogEvent.LEDGER_FAILED, id=self._envelope.id, reason=str(error))

    def _decided(self, entry: Outcome | Unknown) -> Outcome | None:
        if not isinstance(entry, Unknown):
            return entry
        policy = self._ledger.unknown
        labelled(metrics.COPIES_UNKNOWN, policy).inc()
        return Delivered(reply=TAKEN_BEFORE) if policy is UnknownOutcome.DROP else None

    async def _fields(self, recipients: Iterable[str]) -> dict[str, bytes]:
        """Return the keyed name of each recipient's entry."""
        body_hash, key = await self._hash(), self._ledger.key
        return {recipient: ledger_names.of_copy(key, body_hash, recipient) for recipient in recipients}

    async def _hash(self) -> bytes:
        if not self._body_hash:
            self._body_hash = await ledger_names.hashed(self._body)
        return self._body_hash

    async def _mark_name(self) -> bytes:
        """Return the keyed name of the mark of all tries of this message for the same recipients."""
        return ledger_names.of_mark(self._ledger.key, await self._hash(), self._envelope.recipients)


def _hear(asked: asyncio.Future[Mapping[bytes, bytes]]) -> None:
    if not asked.cancelled():
        asked.exception()
