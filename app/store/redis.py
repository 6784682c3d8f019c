"""The store on Redis or Valkey (7.0 and newer), one server, replicated, or a cluster.

Owns how the port's verbs become commands and replies become words. Layout: keys.py; bytes:
codec.py; the change itself: scripts/apply.lua. On the click path nothing is retried here: what the
store did not confirm stays in the spool and is applied again, which changes nothing when it had
arrived after all.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from enum import StrEnum

from app.core.errors import Conflict, Misconfigured, StoreUnavailable
from app.core.keyring import Identity
from app.core.model import (
    BrandNumber,
    Change,
    HistoryEntry,
    Preferences,
    Recency,
    RecipientDigest,
    Statement,
)
from app.observe.clocks import note_wrong_clock
from app.store import codec, keys, server
from app.store.batching import Batcher, Command, Reply
from app.store.clock import StoreClock
from app.store.connection import StoreConnection, connect
from app.store.layout import Restoring, claim_layout
from app.store.replies import as_list, history_entry, raise_for, readable
from app.store.rights import missing_rights
from app.store.script import Script, run

_APPLY, _STATE = Script("apply"), Script("state")
_HISTORY_PAGE = 500
_HISTORY_PAGES = 20
_PROBE_SECONDS = 60
_LATER = -1  # never so many breaks: look as soon as the store answers, and go on until then


class Durability(StrEnum):
    """When a change counts as durable: on the server's disk as it is configured, or on a replica
    too.
    """

    FSYNC = "fsync"
    REPLICATED = "replicated"


class RedisStore:
    """The port `app.usecases.ports.Store`. Belongs to one event loop; nothing is opened before the
    first call.

    With `writable_only` the states of a server that takes no writes are unavailable too: for who
    must not act on old ones. With an `identity` nothing is read or written before it is sure that
    the store belongs to this keyring, nor after connections broke before that is sure again:
    another server may stand behind the address (docs/adr/0044-a-store-knows-its-keyring.md).
    """

    def __init__(  # noqa: PLR0913 - every bound of the adapter stands here
        self,
        url: str,
        *,
        durability: Durability = Durability.FSYNC,
        buckets: int = keys.DEFAULT_BUCKETS,
        addresses_of: frozenset[BrandNumber] = frozenset(),
        writable_only: bool = False,
        identity: Identity | None = None,
        timeout: float = 0.3,
        max_batch: int = 500,
        max_in_flight: int = 8,
        max_pending: int = 20_000,
    ) -> None:
        self._connection = connect(url, connections=2 * max_in_flight + 2, timeout=timeout)
        self._replicated = durability is Durability.REPLICATED
        self._buckets = buckets
        self.keep_addresses_of(addresses_of)
        self._writable_only = writable_only
        self._identity = identity
        # how often connections had broken when it was last sure whose store this is
        self._sure_at: int | None = None
        self.clock = StoreClock(self._connection)
        self._sure_of = ""  # the generation of the servers at that time
        self._writes = Batcher(
            self._write, max_batch=max_batch, max_in_flight=max_in_flight, max_pending=max_pending
        )
        self._reads = Batcher(
            self._read, max_batch=max_batch, max_in_flight=max_in_flight, max_pending=max_pending
        )

    def keep_addresses_of(self, brands: frozenset[BrandNumber]) -> None:
        """Keep, from now on, the sealed addresses in the records of these brands alone."""
        self._addresses_of = brands

    @property
    def connection(self) -> StoreConnection:
        """The connections, for the other adapters of the same process: groups, ledger, queues,
        queries.
        """
        return self._connection

    @property
    def reads(self) -> Batcher:
        """The look-ups of this turn of the event loop, for who asks along with the states: both are
        one round trip.
        """
        return self._reads

    async def start(self, *, development: bool = False) -> tuple[str, ...]:
        """Claim or check the layout of the store and return warnings about the server's settings
        and the user's rights.

        Raises Misconfigured when the store was laid out with other numbers or made with another
        keyring, or when it may evict keys (outside development); StoreUnavailable when it does not
        answer.
        """
        await self.belong()
        settings = await server.check_settings(
            self._connection, replicated=self._replicated, development=development
        )
        return (*await missing_rights(self._connection), *settings)

    async def belong(self, identity: Identity | None = None) -> None:
        """Return when it is sure that the store belongs to this keyring, or to the one that takes
        its place: `identity`.

        Asks which server it is, and what it remembers only when that is another one or connections
        broke; sets `clock` to its time. Raises Misconfigured, and StoreUnavailable when the store
        cannot say so now.
        """
        if identity is not None and identity != self._identity:
            try:
                await self._claim(identity)
            except StoreUnavailable:  # found out as soon as it answers
                self._identity, self._sure_at = identity, None if self._sure_at is None else _LATER
                raise
            self._identity = identity
        elif self._sure_at != self._connection.breaks or self._sure_of != await self.generation():
            await self._claim(self._identity)
        # the part of a cluster that tells the time may be away alone
        with suppress(StoreUnavailable):
            await self.clock.look()

    async def _claim(self, identity: Identity | None) -> None:
        breaks, generation = self._connection.breaks, await self.generation()
        try:
            await claim_layout(self._connection, buckets=self._buckets, identity=identity)
        except Misconfigured:
            if identity == self._identity:
                self._sure_at = None
            raise
        self._sure_at, self._sure_of = breaks, generation

    async def _be_sure(self) -> None:
        """Return unless the store may be another installation's. Raises StoreUnavailable."""
        if self._identity is None or self._sure_at == self._connection.breaks:
            return
        try:
            await self.belong()
        except Misconfigured as exc:
            raise StoreUnavailable(str(exc)) from exc
        # of a cluster the part that remembers may be away alone: what was sure stays so until it
        # answers
        except StoreUnavailable as exc:
            if self._sure_at is None or isinstance(exc, Restoring):
                raise
            # not with each pipeline: whoever watches asks again within a second
            self._sure_at, self._sure_of = self._connection.breaks, ""

    def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Awaitable[Change]:
        """Apply one statement by the script; the future is under way at once, together with all
        others of this turn.
        """
        number = keys.partition(statement.digest)
        expected = statement.expected_sequence
        command = _APPLY.command(
            (
                keys.state(statement.brand, statement.digest, self._buckets),
                keys.work(number),
                keys.history(statement.brand, number),
                keys.epoch(number),
            ),
            statement.digest,
            statement.at_ms,
            0 if statement.subscribed else 1,
            int(statement.source),
            codec.encode_groups(statement.groups),
            b"" if expected is None else expected,
            codec.encode_statement(statement),
            statement.sealed_address if statement.brand in self._addresses_of else b"",
            1 if statement.home else 0,
            int(recency),
        )
        return self._writes.submit((command,), _change)

    async def _write(self, commands: list[Command]) -> Sequence[Reply]:
        await self._be_sure()
        return await run(self._connection, commands, replicated=self._replicated)

    async def preferences(
        self, brand: BrandNumber, digests: Sequence[RecipientDigest]
    ) -> Sequence[Preferences]:
        """Return the preferences of each digest, in order, in one round trip shared with all other
        readers of this turn.
        """
        if not digests:
            return ()
        return await self._reads.submit(
            [self._state(keys.state(brand, digest, self._buckets), digest) for digest in digests],
            _preferences,
        )

    def _state(self, key: str, digest: RecipientDigest) -> Command:
        return _STATE.command((key,), digest) if self._writable_only else ("HGET", key, digest)

    async def _read(self, commands: list[Command]) -> Sequence[Reply]:
        await self._be_sure()
        return await run(self._connection, commands)

    async def history(
        self, brand: BrandNumber, digest: RecipientDigest, *, limit: int = 100
    ) -> Sequence[HistoryEntry]:
        """Return the newest changes of one recipient, oldest first: at most `limit`, and at most
        those among the newest 10,000 changes of the recipient's partition."""
        found: list[HistoryEntry] = []
        upper = "+"
        for _ in range(_HISTORY_PAGES):
            entries = await self._history_page(keys.history(brand, keys.partition(digest)), upper)
            found += [entry for entry in entries if entry.statement.digest == digest]
            if len(entries) < _HISTORY_PAGE or len(found) >= limit:
                break
            upper = f"({entries[-1].entry_id}"
        return found[:limit][::-1] if limit > 0 else []

    async def _history_page(self, key: str, upper: str) -> list[HistoryEntry]:
        (reply,) = await self._connection.run(
            [("XREVRANGE", key, upper, "-", "COUNT", _HISTORY_PAGE)]
        )
        try:
            return [history_entry(entry) for entry in as_list(reply)]
        except (ValueError, KeyError) as exc:
            raise StoreUnavailable(f"unreadable history: {exc}") from exc

    async def ping(self) -> None:
        """Return when a write has been taken just now: by any primary, for one that does not take
        any costs its own part alone.
        """
        probes = await self._connection.key_of_each(keys.PROBES)
        commands: list[Command] = [("SET", key, 1, "EX", _PROBE_SECONDS) for key in probes]
        readable(await self._connection.run(commands, replicated=self._replicated))

    async def generation(self) -> str:
        """Return the run ids of the primaries, which a restart or a failover changes.

        Where the user may not ask for them, how often connections broke has to do: no server is
        another one over the same connection.
        """
        return (
            await server.generation(self._connection)
            or f"connections broke {self._connection.breaks} times"
        )

    async def close(self) -> None:
        """Finish the pipelines under way and close every connection."""
        await asyncio.gather(self._writes.close(), self._reads.close())
        await self._connection.close()


def _change(replies: Sequence[Reply]) -> Change:
    (reply,) = replies
    if not isinstance(reply, bytes):
        raise_for(reply)
        raise StoreUnavailable("the script answered with another type")
    change = codec.decode_change(reply)
    if change is None:
        raise Conflict("the recipient has said something since the state was read; read it again")
    if change.against_clock:
        note_wrong_clock()
    return change


def _preferences(replies: Sequence[Reply]) -> Sequence[Preferences]:
    return [_one_preferences(reply) for reply in replies]


def _one_preferences(reply: Reply) -> Preferences:
    if reply is not None and not isinstance(reply, bytes):
        raise_for(reply)
        raise StoreUnavailable("a record of another type")
    try:
        return codec.decode_preferences(reply)
    except ValueError as exc:
        raise StoreUnavailable(f"unreadable record: {exc}") from exc
