"""The worker's side of the work streams on Redis or Valkey: the ports `WorkQueue` and `Crew` of
`app.usecases.delivery_ports`.

An entry is read without being taken; taking it is scripts/move.lua, which deletes it and writes its
deliveries in one step. So no worker holds anything that could be lost with it, and two that read
the same entry cannot both raise it (docs/adr/0016).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, Source
from app.core.webhook import Delivery, Work
from app.observe.log import LogEvent, logger
from app.store import codec, keys
from app.store.batching import Command, Reply
from app.store.connection import StoreConnection
from app.store.delivery_codec import encode_delivery
from app.store.epoch import time_ms
from app.store.replies import answered, as_bytes, as_list, raise_for, readable, stream_entry
from app.store.script import Script, run

_MOVE, _JOIN, _TRIM = Script("move"), Script("join"), Script("trim")
_ASIDE, _EMPTIED = Script("aside"), Script("emptied")
# entries of a stream among which the oldest request is looked for: a replay brings older ones
# behind newer ones
_SAMPLE = 50


class RedisWork:
    """What the worker has still to look at."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def waiting(self, partitions: Sequence[int], *, limit: int) -> Sequence[Work]:
        """Return the oldest entries of each partition, at most `limit` each, in the order of the
        partition's stream.
        """
        replies = await self._connection.run(
            [("XRANGE", keys.work(number), "-", "+", "COUNT", limit) for number in partitions]
        )
        entries = [_work(entry) for reply in readable(replies) for entry in as_list(reply)]
        return [work for work in entries if work is not None]

    async def move(
        self, moves: Sequence[tuple[Work, Sequence[Delivery]]], *, due_ms: int
    ) -> Sequence[Sequence[Delivery] | None]:
        """Replace each entry by its deliveries, due at `due_ms`, and return of each those that are
        new; None when another was faster, or when the server that holds it is away."""
        replies = await run(
            self._connection, [_move(work, deliveries, due_ms) for work, deliveries in moves]
        )
        readable(replies)
        return [
            _created(reply, deliveries)
            for (_, deliveries), reply in zip(moves, replies, strict=True)
        ]

    async def set_aside(self, entries: Sequence[Work]) -> int:
        """Set entries of unknown brands aside, where they wait and hold up nobody; return how many
        no other worker had taken.
        """
        return sum(
            reply == 1
            for reply in await run(self._connection, [_set_aside(work) for work in entries])
        )

    async def aside(
        self, brands: Collection[BrandNumber], partitions: Sequence[int], *, limit: int
    ) -> Sequence[Work]:
        """Return the oldest entries of these brands that were set aside, at most `limit` of each
        brand and partition.
        """
        replies = await self._connection.run(
            [("HKEYS", keys.aside(number)) for number in partitions]
        )
        held = [
            (int(as_bytes(one)), number)
            for number, reply in answered(partitions, replies)
            for one in as_list(reply)
        ]
        places = [(BrandNumber(brand), number) for brand, number in held if brand in brands]
        if not places:
            return ()
        replies = await self._connection.run(
            [("XRANGE", keys.aside_of(*place), "-", "+", "COUNT", limit) for place in places]
        )
        pages = answered(places, replies)
        empty = [place for place, page in pages if not as_list(page)]
        await run(
            self._connection,
            [
                _EMPTIED.command([keys.aside_of(*place), keys.aside(place[1])], place[0])
                for place in empty
            ],
        )
        found = [_work(entry) for _, page in pages for entry in as_list(page)]
        return [replace(work, is_aside=True) for work in found if work is not None]

    async def aside_count(self, partitions: Sequence[int]) -> int:
        """Return how many entries of these partitions are set aside."""
        replies = await self._connection.run(
            [("HKEYS", keys.aside(number)) for number in partitions]
        )
        held = [
            (BrandNumber(int(as_bytes(one))), number)
            for number, reply in answered(partitions, replies)
            for one in as_list(reply)
        ]
        counts = (
            await self._connection.run([("XLEN", keys.aside_of(*place)) for place in held])
            if held
            else ()
        )
        return sum(_number(reply) for reply in readable(counts))

    async def lag(self, partitions: Sequence[int]) -> int:
        """Return how many entries of these partitions nobody has looked at."""
        replies = await self._connection.run([("XLEN", keys.work(number)) for number in partitions])
        return sum(_number(reply) for reply in readable(replies))

    async def oldest(self, partitions: Sequence[int]) -> Sequence[Work]:
        """Return of each partition that has any the entry whose request is the oldest, among its
        first ones; imports aside.
        """
        entries = await self.waiting(partitions, limit=_SAMPLE)
        found: dict[int, Work] = {}
        for work in entries:
            number = keys.partition(work.statement.digest)
            known = found.get(number)
            if work.statement.source is not Source.IMPORT and (
                known is None or work.statement.at_ms < known.statement.at_ms
            ):
                found[number] = work
        return list(found.values())

    async def note_returns(self, brands: Collection[BrandNumber], *, at_ms: int) -> None:
        """Note that these brands have just returned tokens of self-managed mail."""
        commands: list[Command] = [("HSET", keys.RETURNS, brand, at_ms) for brand in brands]
        for reply in await self._connection.run(commands) if commands else ():
            raise_for(reply)

    async def returns(self, brands: Sequence[BrandNumber]) -> Mapping[BrandNumber, int]:
        """Return when each of these brands last returned a token; a brand that never did is not in
        it.
        """
        if not brands:
            return {}
        (reply,) = await self._connection.run([("HMGET", keys.RETURNS, *brands)])
        return {
            brand: int(value)
            for brand, value in zip(brands, as_list(reply), strict=True)
            if isinstance(value, bytes)
        }

    async def time_ms(self) -> int:
        """Return the store's own time."""
        return await time_ms(self._connection)

    async def trim_history(
        self, brand: BrandNumber, partitions: Sequence[int], *, keep_ms: int
    ) -> int:
        """Forget a brand's changes that are older by the store's time and that no consumer group
        still has to read; return how many.
        """
        commands = [_TRIM.command([keys.history(brand, number)], keep_ms) for number in partitions]
        return sum(_number(reply) for reply in readable(await run(self._connection, commands)))


class RedisCrew:
    """The workers that are alive."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def join(self, name: str, *, for_ms: int) -> Sequence[str]:
        """Give a sign of life that holds for so long, and return the names of all that are alive,
        in order.
        """
        (reply,) = await run(self._connection, [_JOIN.command([keys.WORKERS], name, for_ms)])
        return sorted(part.decode() for part in as_list(reply) if isinstance(part, bytes))

    async def leave(self, name: str) -> None:
        """Let the others take over at once."""
        (reply,) = await self._connection.run([("ZREM", keys.WORKERS, name)])
        raise_for(reply)


def _work(entry: Reply) -> Work | None:
    """Return an entry; None for one that only a newer version can read, which stays for that
    version.
    """
    try:
        entry_id, fields = stream_entry(entry)
        return Work(
            entry_id=entry_id,
            statement=codec.decode_statement(fields[b"s"]),
            changed=codec.decode_groups(fields[b"c"]),
            sequence=int(fields[b"n"]),
        )
    except (ValueError, KeyError) as exc:
        logger("worker").error(LogEvent.WORK_UNREADABLE, reason=str(exc))
        return None


def _move(work: Work, deliveries: Sequence[Delivery], due_ms: int) -> Command:
    number = keys.partition(work.statement.digest)
    arguments = [
        argument
        for delivery in deliveries
        for argument in (delivery.id, encode_delivery(delivery), due_ms)
    ]
    asked_ms = deliveries[0].asked_ms if deliveries else 0
    source = keys.aside_of(work.statement.brand, number) if work.is_aside else keys.work(number)
    return _MOVE.command(
        [source, keys.due(number), keys.pending(number), keys.ages(number)],
        work.entry_id,
        asked_ms,
        *arguments,
    )


def _set_aside(work: Work) -> Command:
    brand, number = work.statement.brand, keys.partition(work.statement.digest)
    fields = (
        "s",
        codec.encode_statement(work.statement),
        "c",
        codec.encode_groups(work.changed),
        "n",
        work.sequence,
    )
    return _ASIDE.command(
        [keys.work(number), keys.aside_of(brand, number), keys.aside(number)],
        work.entry_id,
        brand,
        *fields,
    )


def _created(reply: Reply, deliveries: Sequence[Delivery]) -> Sequence[Delivery] | None:
    if reply is None or isinstance(reply, Exception):
        return None
    return [delivery for delivery, new in zip(deliveries, as_list(reply), strict=True) if new]


def _number(reply: Reply) -> int:
    if not isinstance(reply, int):
        raise_for(reply)
        raise StoreUnavailable("a reply of another type")
    return reply
