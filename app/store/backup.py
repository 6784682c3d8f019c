"""Backup and restore of a whole store, over the same wires as everything else: one server,
sentinels, or a cluster.

1. A backup holds every key of ours but those that live for minutes or belong to the server they are
   on: probes, signs of life, counts of calls, the relay's ledger, epochs. It is read while the
   store is in use: each record is whole; what changes meanwhile is in it or not.
2. A restore notes in the store that it has begun before it changes anything, and that it has ended
   after everything else. Between the two the store is unavailable to every process
   (`app.store.layout`), so half of it never counts; one that was broken off is run again.
3. A restore ends by raising the epoch, so that sequences go on above all that were told
   (`app.store.epoch`).
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import ResponseError

from app.core.errors import Conflict, InvalidInput, StoreUnavailable
from app.store import keys, layout
from app.store.backup_file import Record, Writer
from app.store.batching import Command, Reply
from app.store.connection import StoreConnection
from app.store.epoch import raise_epoch
from app.store.replies import as_bytes, as_list, raise_for

PATTERN = "so:*"
_AT_ONCE = 32  # keys that are read side by side
_CHUNK = 200  # fields or entries of a key in one answer
_MOST_COMMANDS, _MOST_OCTETS = 500, 1 << 20  # of one pipeline
_HOLD_MS = 5000  # for which a restore is running after its last sign
_TRIES, _PAUSE_SECONDS = 30, 0.2  # together longer than that
_OF_PARTITION = re.compile(rb"so:\{[0-9a-f]+\}:([a-z]+)(?::.*)?")
# by the letter of a partition's key: epoch, ledger, probe
_PASSING = frozenset((b"e", b"l", b"probe"))
_PASSING_KEYS = frozenset(key.encode() for key in (keys.META, keys.WORKERS, keys.RESTORE))
_MINOR = frozenset(key.encode() for key in (keys.ENDPOINTS_KNOWN, keys.ENDPOINTS_OFF, keys.RETURNS))
# and the least number of parts
_COMMANDS = {b"HSET": 4, b"XADD": 5, b"ZADD": 4, b"SET": 3, b"PEXPIREAT": 3}
_NEVER = -1  # PEXPIRETIME of a key that stays
_SAME_ENTRY = "equal or smaller"  # how a server says that an entry of a stream is there already


class Kind(StrEnum):
    """What a key holds, as a person counts it."""

    RECIPIENTS = "recipients"
    CHANGES = "changes"
    GROUPS = "groups"
    API_KEYS = "api_keys"
    AUDIT = "audit_entries"
    WAITING = "events_waiting"
    DEAD = "dead_letters"
    OTHER = "other"


_BY_LETTER = {
    b"s": Kind.RECIPIENTS,
    b"h": Kind.CHANGES,
    b"w": Kind.WAITING,
    b"p": Kind.WAITING,
    b"u": Kind.WAITING,
    b"x": Kind.DEAD,
}
_BY_NAME = {b"groups": Kind.GROUPS, b"apikeys": Kind.API_KEYS, b"audit": Kind.AUDIT}


def kind_of(key: bytes) -> Kind | None:
    """Return what a key holds; None for one that no backup has."""
    if key in _PASSING_KEYS or not key.startswith(b"so:") or key.startswith(b"so:calls:"):
        return None
    if found := _OF_PARTITION.fullmatch(key):
        return None if found[1] in _PASSING else _BY_LETTER.get(found[1], Kind.OTHER)
    return _BY_NAME.get(key.split(b":")[1], Kind.OTHER)


@dataclass(slots=True)
class _Open:
    """A key that is being read, and how far."""

    key: bytes
    type: bytes
    cursor: bytes

    def command(self) -> Command:
        """Return what reads the next chunk."""
        match self.type:
            case b"hash":
                return ("HSCAN", self.key, self.cursor, "COUNT", _CHUNK)
            case b"zset":
                return ("ZSCAN", self.key, self.cursor, "COUNT", _CHUNK)
            case b"stream":
                return ("XRANGE", self.key, self.cursor, "+", "COUNT", _CHUNK)
            case b"string":
                return ("GET", self.key)
        raise StoreUnavailable(
            f"a key of the type {self.type.decode(errors='replace')}, which is none of ours:"
            f" {self.key!r}"
        )

    def records(self, reply: Reply) -> tuple[list[Record], bool]:
        """Return the commands that write this chunk again, and whether there is more."""
        if self.type == b"string":
            return ([] if reply is None else [(b"SET", self.key, as_bytes(reply))]), False
        if self.type == b"stream":
            entries = [_entry(entry) for entry in as_list(reply)]
            if entries:
                self.cursor = b"(" + entries[-1][0]
            return [(b"XADD", self.key, *entry) for entry in entries], len(entries) == _CHUNK
        cursor, flat = as_list(reply)
        self.cursor = as_bytes(cursor)
        parts = [as_bytes(part) for part in as_list(flat)]
        if self.type == b"zset":
            parts = [
                part
                for member, score in zip(parts[::2], parts[1::2], strict=True)
                for part in (score, member)
            ]
        command = b"HSET" if self.type == b"hash" else b"ZADD"
        return ([(command, self.key, *parts)] if parts else []), self.cursor != b"0"


def _entry(entry: Reply) -> list[bytes]:
    entry_id, fields = as_list(entry)
    return [as_bytes(entry_id), *(as_bytes(part) for part in as_list(fields))]


async def back_up(
    connection: StoreConnection, writer: Writer, *, progress: Callable[[int], None]
) -> Mapping[str, int]:
    """Write every kept key of the store and return how much there is of each kind. Raises
    StoreUnavailable.
    """
    counts: Counter[str] = Counter({kind.value: 0 for kind in Kind})
    seen = 0
    async for names in connection.scan(PATTERN):
        kept = [name for name in names if kind_of(name) is not None]
        for start in range(0, len(kept), _AT_ONCE):
            await _write(connection, kept[start : start + _AT_ONCE], writer, counts)
        seen += len(names)
        progress(seen)
    writer.end(counts)
    return counts


async def _write(
    connection: StoreConnection, names: Sequence[bytes], writer: Writer, counts: Counter[str]
) -> None:
    questions: list[Command] = [(word, name) for name in names for word in ("TYPE", "PEXPIRETIME")]
    replies = await _say(connection, questions)
    types, ends = (
        dict(zip(names, replies[::2], strict=True)),
        dict(zip(names, replies[1::2], strict=True)),
    )
    reading = [
        _Open(name, kind, b"-" if kind == b"stream" else b"0")
        for name in names
        if (kind := as_bytes(types[name])) != b"none"
    ]
    while reading:
        answers = await _say(connection, [one.command() for one in reading])
        more: list[_Open] = []
        for one, answer in zip(reading, answers, strict=True):
            records, unfinished = one.records(answer)
            for record in records:
                writer.write(*record)
                counts[str(kind_of(one.key))] += count_of(record)
            if unfinished:
                more.append(one)
            elif isinstance(end := ends[one.key], int) and end > _NEVER:
                writer.write(b"PEXPIREAT", one.key, b"%d" % end)
        reading = more


def count_of(record: Record) -> int:
    """Return how many things of its kind a command writes."""
    if record[0] in {b"HSET", b"ZADD"}:
        # sorted sets only order what a hash holds
        return (len(record) - 2) // 2 if record[0] == b"HSET" else 0
    return int(record[0] != b"PEXPIREAT")


def checked(records: Iterable[Record]) -> Iterable[Record]:
    """Yield the commands of a backup. Raises InvalidInput for one that no backup holds."""
    for record in records:
        name = record[0]
        if len(record) < _COMMANDS.get(name, len(record) + 1) or kind_of(record[1]) is None:
            raise InvalidInput(
                "the backup holds a command that no backup has:"
                f" {name[:20].decode(errors='replace')}"
            )
        yield record


async def is_restoring(connection: StoreConnection) -> bool:
    """Say whether a restore of this store has begun and not ended."""
    (reply,) = await _say(connection, [("HGET", keys.META, layout.RESTORING)])
    return reply is not None


async def is_empty(connection: StoreConnection) -> bool:
    """Say whether the store holds nothing but what processes leave there by being started."""
    async for names in connection.scan(PATTERN):
        if any(
            kind_of(name) is not None and name not in _MINOR and not name.startswith(b"so:tally:")
            for name in names
        ):
            return False
    return True


async def restore(  # noqa: PLR0913 - a backup and what is known of it
    connection: StoreConnection,
    records: Iterable[Record],
    *,
    backup: str,
    above: int,
    replicated: bool,
    progress: Callable[[], None],
) -> int:
    """Replace what the store holds by these commands and return the epoch that its sequences go on
    above.

    Raises Conflict while another restore is running, InvalidInput when the commands turn out not to
    be whole, and StoreUnavailable; after the last two the restore has not ended, and is to be run
    again.
    """
    await _begin(connection, backup)
    hold: Command = ("PEXPIRE", keys.RESTORE, _HOLD_MS)
    await _say(connection, [("HSET", keys.META, layout.RESTORING, backup)], replicated=replicated)
    await _empty(connection, hold)
    for commands in _pipelines(records):
        held, *_ = await _say(connection, [hold, *commands], replicated=replicated, again=True)
        if not held:
            raise StoreUnavailable(
                "the restore was held up for so long that another one may have begun; run it again"
            )
        progress()
    epoch = await raise_epoch(connection, above=above, replicated=replicated)
    await _say(
        connection,
        [("HDEL", keys.META, layout.RESTORING), ("DEL", keys.RESTORE)],
        replicated=replicated,
    )
    return epoch


async def _begin(connection: StoreConnection, holder: str) -> None:
    """Become the only restore that is running; one that was killed counts as running for some
    seconds more.
    """
    for _ in range(_TRIES):
        if await _say(connection, [("SET", keys.RESTORE, holder, "NX", "PX", _HOLD_MS)]) != [None]:
            return
        await asyncio.sleep(_PAUSE_SECONDS)
    raise Conflict("another restore of this store is running")


async def _empty(connection: StoreConnection, hold: Command) -> None:
    async for names in connection.scan(PATTERN):
        await _say(
            connection, [hold, *(("DEL", name) for name in names if kind_of(name) is not None)]
        )


def _pipelines(records: Iterable[Record]) -> Iterable[list[Command]]:
    commands: list[Command] = []
    octets = 0
    for record in checked(records):
        commands.append(tuple(record))
        octets += sum(map(len, record))
        if len(commands) >= _MOST_COMMANDS or octets >= _MOST_OCTETS:
            yield commands
            commands, octets = [], 0
    if commands:
        yield commands


async def _say(
    connection: StoreConnection,
    commands: Sequence[Command],
    *,
    replicated: bool = False,
    again: bool = False,
) -> list[Reply]:
    """Return the replies. Raises StoreUnavailable for any error; `again`: an entry of a stream that
    is there already is none.
    """
    replies = list(await connection.run(commands, replicated=replicated))
    for reply in replies:
        if not (again and isinstance(reply, ResponseError) and _SAME_ENTRY in str(reply)):
            raise_for(reply)
    return replies


async def size_of(connection: StoreConnection) -> int:
    """Return about how many keys there are; 0 where that may not be asked."""
    replies = await connection.run_on_primaries(("DBSIZE",))
    return sum(reply for reply in replies if isinstance(reply, int))
