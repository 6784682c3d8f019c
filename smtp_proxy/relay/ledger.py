"""What became of a message's copies, remembered for the upstream's next try, so that it sends only
what is missing.

1. A message is named by a keyed hash of account, envelope sender, Message-ID, Date and length, and
   a copy's entry by one of body and recipient. So a look-up is one command, under way beside that
   of the states, and the body is hashed only where there are entries.
2. Only finished copies are entered, and those whose outcome is unknown; only for a message that is
   not finished as a whole. One that is finished at once writes nothing. Entries go `KEEP_SECONDS`
   after the last one of their message, so what upstreams can make us keep is bounded by time.
3. A long message is entered while it runs, every `NOTE_SECONDS` or `NOTE_COPIES`: a relay that is
   killed has left out no more than that. Once such a message is answered, its entries are kept for
   `ANSWERED_SECONDS` only: what upstreams that missed the answer may take.
4. Each entry is written here and in the store. Without the store a relay knows its own entries
   until it ends; an upstream that comes by another relay meanwhile may cause a second copy, never a
   lost one.
5. An upstream that left after its last byte and comes again joins its first try (`tries`): in this
   process it waits for the end of that one and hears the same; for other processes the first try
   leaves a mark among the entries, renewed while it is at work, that ends by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from app.core.errors import StoreUnavailable, TryUnderWay
from app.core.mail.message import Message
from app.observe import metrics
from app.observe.background import Part, kept_running
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.ports import CopyLedger
from smtp_proxy.relay import ledger_codec
from smtp_proxy.relay.late_notes import LateNotes
from smtp_proxy.relay.ledger_codec import REPORTED, Unknown
from smtp_proxy.relay.policy import UnknownOutcome
from smtp_proxy.replies import Delivered, Outcome, Reply
from smtp_proxy.session.submission import Envelope

KEEP_SECONDS = 5 * 86_400  # RFC 5321 4.5.4.1: upstreams give up after 4 to 5 days
# upstreams that heard nothing come again within minutes, the slowest usual one within half an hour
ANSWERED_SECONDS = 3_600
NOTE_SECONDS = 1.0
NOTE_COPIES = 25
MARK_MS = 4_000  # how long a mark holds whose process has died
RENEW_SECONDS = 1.0
WAIT_SECONDS = 15.0  # for a try in another process: far below any upstream's patience
TAKEN_BEFORE = Reply(
    250, "2.0.0", "Message accepted; an earlier try of it was handed over without a confirmation"
)
# as for the states: far below any upstream's patience, and above a busy event loop's
READ_SECONDS = 1.0

_LOOK_SECONDS = 0.1  # at the tries under way
_ASK_SECONDS = 0.25  # for the mark of another process


@dataclass(slots=True, kw_only=True, eq=False)
class Try:
    """One try of a message, from its content to its answer: what earlier ones have finished, and
    what of this one is entered.
    """

    envelope: Envelope
    name: bytes  # of its message, the same for each try
    body: memoryview
    asked: asyncio.Future[Mapping[bytes, bytes]]  # the entries in the store
    looked: float
    body_hash: bytes = b""
    known: Mapping[str, Outcome] = field(default_factory=dict)  # what earlier tries have finished
    begun: bool = False  # an earlier try left entries
    reported: bool = False  # and its sender has been notified of the refused ones
    waited: bool = False  # for an earlier try: what was read before has aged
    # for the tries that wait for this one
    answered: Mapping[str, Outcome] = field(default_factory=dict)
    over: asyncio.Event | None = None  # made by them
    fresh: dict[str, Outcome] = field(default_factory=dict)  # finished, and not entered yet
    marked: float | None = None
    at_work: bool = False  # behind every earlier try
    long: bool = False  # entered while it ran
    writing: asyncio.Task[None] | None = None

    @property
    def is_free(self) -> bool:
        """Say whether nothing is being written."""
        return self.writing is None or self.writing.done()


class Ledger:
    """The ledger of one process. `key` is the same in all relays, for as long as entries live;
    `clock` tells UTC milliseconds.
    """

    def __init__(
        self,
        store: CopyLedger,
        local: CopyLedger,
        *,
        key: bytes,
        log: Logger,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._notes = LateNotes(store, log=log)
        self._local = local
        self._key = key
        self._log = log
        self._clock = clock
        # under way, by message, those of one message in their order
        self._tries: dict[bytes, list[Try]] = {}

    @property
    def tries(self) -> list[Try]:
        """Return every try under way."""
        return [one for tries in self._tries.values() for one in tries]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the tries under way for as long as the context is open, and write what the
        store could not take at once.
        """
        async with self._notes.writing(), kept_running(Part.TRIES, self._look_after_all, self._log):
            yield

    @contextmanager
    def trying(self, envelope: Envelope, message: Message) -> Iterator[Try]:
        """Enter one try of a message for as long as the context is open; the look-up in the store
        is under way at once.
        """
        name = ledger_codec.message_name(self._key, envelope, message)
        looked = asyncio.get_running_loop().time()
        one = Try(
            envelope=envelope, name=name, body=message.body, asked=self._ask(name), looked=looked
        )
        tries = self._tries.setdefault(name, [])
        tries.append(one)
        try:
            yield one
        finally:
            tries.remove(one)
            if not tries:
                del self._tries[name]
            if one.over is not None:
                one.over.set()

    async def finished(
        self, one: Try, *, required: bool, unknown: UnknownOutcome = UnknownOutcome.RESEND
    ) -> Mapping[str, Outcome]:
        """Return the outcomes of those recipients whose copies earlier tries have finished, which
        are `known` from then on.

        Waits for an earlier try of this process whose upstream has gone, and takes over its
        outcomes; for one in another process it waits for at most `WAIT_SECONDS`, then raises
        TryUnderWay. Raises StoreUnavailable when the store cannot tell and that is `required`; else
        what this process knows has to do.
        """
        joined = await self._joined(one) if len(self._tries[one.name]) > 1 else {}
        here, there = (
            await self._local.entries(one.name),
            await self._entries(one, required=required),
        )
        if there:
            there = await self._unmarked(one, there, required=required)
        one.at_work = True
        if not (here or there):
            one.known = joined
            return joined
        # Either may know what the other does not: that a copy is finished is the later news.
        later = {
            name: entry
            for name, entry in there.items()
            if here.get(name, ledger_codec.UNKNOWN) == ledger_codec.UNKNOWN
        }
        entries = {**here, **later}
        one.begun = True
        names = ledger_codec.copy_names(
            self._key, await _hash(one), (*one.envelope.recipients, REPORTED)
        )
        one.reported = names.pop(REPORTED) in entries or one.reported
        found = {
            recipient: ledger_codec.decoded(entries[name])
            for recipient, name in names.items()
            if name in entries
        }
        decided = {
            recipient: _decided(entry, unknown)
            for recipient, entry in found.items()
            if entry is not None and recipient not in joined
        }
        one.known = {
            recipient: outcome for recipient, outcome in decided.items() if outcome is not None
        } | joined
        return one.known

    def heard(self, one: Try, recipient: str, outcome: Outcome) -> None:
        """Keep the outcome of a copy of a message with several as soon as it is finished, and enter
        it with others in time.
        """
        one.fresh[recipient] = outcome
        if len(one.fresh) >= NOTE_COPIES:
            self._note_fresh(one)

    async def note(
        self, one: Try, outcomes: Mapping[str, Outcome], *, reported: bool = False
    ) -> None:
        """Enter all that is finished or unknown. A store that cannot take it is logged: the
        upstream's next try is more important.
        """
        await _settled(one)
        await self._write(one, outcomes, reported=reported, over=True)

    async def conclude(self, one: Try, outcomes: Mapping[str, Outcome], *, reported: bool) -> None:
        """Enter what became of a message that is answered for good, where it has entries or its
        upstream has gone and comes again.
        """
        if one.begun or not one.envelope.listens():
            await self.note(one, outcomes, reported=reported)
        elif one.long:
            await _settled(one)
            await self._write(one, outcomes, reported=reported, keep_seconds=ANSWERED_SECONDS)

    def _ask(self, name: bytes) -> asyncio.Future[Mapping[bytes, bytes]]:
        asked = asyncio.ensure_future(self._store.entries(name))
        asked.add_done_callback(_retrieve)  # whoever refuses the mail meanwhile never looks
        return asked

    async def _look_after_all(self) -> None:
        """Look after all tries in one task: a message that is done within a moment costs its entry
        in a dictionary, and no timer.
        """
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for one in self.tries:
                self._look_after(one, now())

    def _look_after(self, one: Try, now: float) -> None:
        """Enter what a long message has finished, and mark a try whose upstream has gone: it may
        come again by another process.
        """
        due = one.at_work and (one.marked is None or now - one.marked >= RENEW_SECONDS)
        if due and not one.envelope.listens() and one.is_free:
            one.marked = now
            one.writing = asyncio.get_running_loop().create_task(self._mark(one))
        if one.fresh and now - one.looked >= NOTE_SECONDS:
            self._note_fresh(one)

    async def _joined(self, one: Try) -> dict[str, Outcome]:
        """Wait for the earlier tries of this process whose upstream has gone; return what became of
        the recipients that they share.
        """
        joined: dict[str, Outcome] = {}
        tries = self._tries[one.name]
        for earlier in tries[: tries.index(one)]:
            shared = set(one.envelope.recipients).intersection(earlier.envelope.recipients)
            if earlier.envelope.listens() or not shared or await _hash(one) != await _hash(earlier):
                continue
            labelled(metrics.TRIES_JOINED, "process").inc()
            earlier.over = earlier.over or asyncio.Event()
            await earlier.over.wait()
            one.waited = True
            one.reported = one.reported or earlier.reported
            joined |= {
                recipient: earlier.answered[recipient]
                for recipient in shared
                if recipient in earlier.answered
            }
        if one.waited:
            one.asked = self._ask(one.name)
        return joined

    async def _unmarked(
        self, one: Try, there: Mapping[bytes, bytes], *, required: bool
    ) -> Mapping[bytes, bytes]:
        """Return the store's entries once no try in another process is under way. Raises
        TryUnderWay, StoreUnavailable.
        """
        time = asyncio.get_running_loop().time
        end, mark = time() + WAIT_SECONDS, await self._mark_name(one)
        while ledger_codec.is_held(there.get(mark), self._clock(), longest_ms=2 * MARK_MS):
            if not one.waited:
                labelled(metrics.TRIES_JOINED, "store").inc()
            if time() >= end:
                raise TryUnderWay("an earlier try of this message is under way in another process")
            await asyncio.sleep(_ASK_SECONDS)
            one.waited = True
            one.asked = self._ask(one.name)
            there = await self._entries(one, required=required)
        return there

    async def _entries(self, one: Try, *, required: bool) -> Mapping[bytes, bytes]:
        """Return what the store has."""
        try:
            if one.asked.done():
                return one.asked.result()
            async with asyncio.timeout(READ_SECONDS):
                return await one.asked
        except (StoreUnavailable, TimeoutError) as exc:
            error = (
                exc
                if isinstance(exc, StoreUnavailable)
                else StoreUnavailable("the ledger did not answer in time")
            )
            self._failed(one, error)
            if required:
                raise error from exc
            return {}

    def _note_fresh(self, one: Try) -> None:
        if one.is_free:
            fresh, one.fresh = one.fresh, {}
            one.long = True
            one.looked = asyncio.get_running_loop().time()
            one.writing = asyncio.get_running_loop().create_task(self._write(one, fresh))

    async def _mark(self, one: Try) -> None:
        mark = {await self._mark_name(one): ledger_codec.mark(self._clock() + MARK_MS)}
        await self._enter(one, mark, self._notes, keep_seconds=KEEP_SECONDS)

    async def _write(
        self,
        one: Try,
        outcomes: Mapping[str, Outcome],
        *,
        reported: bool = False,
        over: bool = False,
        keep_seconds: int = KEEP_SECONDS,
    ) -> None:
        written = {
            recipient: entry
            for recipient, outcome in outcomes.items()
            if (entry := ledger_codec.encoded(outcome))
        }
        if reported:
            written[REPORTED] = ledger_codec.MARK
        ended = over and one.marked is not None
        if not written and not ended:
            return
        names = ledger_codec.copy_names(self._key, await _hash(one), written)
        entries = {names[recipient]: entry for recipient, entry in written.items()}
        if ended:
            entries[await self._mark_name(one)] = ledger_codec.mark(0)
        await self._enter(one, entries, self._local, keep_seconds=keep_seconds)
        await self._enter(one, entries, self._notes, keep_seconds=keep_seconds)

    async def _enter(
        self,
        one: Try,
        entries: Mapping[bytes, bytes],
        where: CopyLedger | LateNotes,
        *,
        keep_seconds: int,
    ) -> None:
        try:
            await where.note(one.name, entries, keep_seconds=keep_seconds)
        except StoreUnavailable as exc:
            self._failed(one, exc)

    def _failed(self, one: Try, error: StoreUnavailable) -> None:
        self._log.error(LogEvent.LEDGER_FAILED, id=one.envelope.id, reason=str(error))

    async def _mark_name(self, one: Try) -> bytes:
        return ledger_codec.mark_name(self._key, await _hash(one), one.envelope.recipients)


async def _settled(one: Try) -> None:
    """Let what is being written come to its end: a later word must not come before it."""
    one.fresh = {}
    if one.writing is not None and not one.writing.done():
        await asyncio.wait({one.writing})


async def _hash(one: Try) -> bytes:
    if not one.body_hash:
        one.body_hash = await ledger_codec.hash_body(one.body)
    return one.body_hash


def _decided(entry: Outcome | Unknown, unknown: UnknownOutcome) -> Outcome | None:
    if not isinstance(entry, Unknown):
        return entry
    labelled(metrics.COPIES_UNKNOWN, unknown).inc()
    return Delivered(reply=TAKEN_BEFORE) if unknown is UnknownOutcome.DROP else None


def _retrieve(asked: asyncio.Future[Mapping[bytes, bytes]]) -> None:
    """Look at an error that nobody else may look at, or asyncio logs it."""
    if not asked.cancelled():
        asked.exception()
