"""Deliveries and dead letters on Redis or Valkey: the port
`app.usecases.delivery_ports.Deliveries`.

Of each partition: `pending` holds the records, `due` orders them by their next attempt, `ages` by
since when somebody waits, and `dead` is the stream of those that were given up. All of one hash
tag; what changes more than one of them together is a script.
"""

from collections.abc import Collection, Mapping, Sequence

from app.core.model import PARTITIONS, BrandNumber
from app.core.webhook import (
    ENDPOINT_KEY_BYTES,
    DeadLetter,
    Delivery,
    EndpointKey,
    brand_of,
    place_of,
)
from app.observe.log import LogEvent, logger
from app.store import keys
from app.store.batching import Command, Reply
from app.store.connection import StoreConnection
from app.store.delivery_codec import decode_delivery, encode_delivery
from app.store.replies import as_bytes, as_list, raise_for, readable, stream_entry
from app.store.script import Script, run

_TAKE, _RETRY, _BURY, _RESEND = Script("take"), Script("retry"), Script("bury"), Script("resend")
_PAGE = 200
_LISTED = 1000
_AGED = 200  # deliveries of a partition among which each brand's oldest is looked for


class RedisDeliveries:
    """What is on its way to endpoints, and what was given up."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def take(
        self, partitions: Sequence[int], *, now_ms: int, until_ms: int, limit: int
    ) -> Sequence[Delivery]:
        """Return what is due, at most `limit` of each partition; it is due again at `until_ms`
        unless something else is said until then.
        """
        commands = [
            _TAKE.command(_keys(number)[:3], now_ms, until_ms, limit) for number in partitions
        ]
        taken: list[Delivery] = []
        for reply in readable(await run(self._connection, commands)):
            parts = as_list(reply)
            taken += _readable(parts[::2], parts[1::2])
        return taken

    async def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Forget what has been delivered."""
        by_partition: dict[int, list[bytes]] = {}
        for delivery in deliveries:
            by_partition.setdefault(keys.partition(delivery.digest), []).append(delivery.id)
        commands: list[Command] = []
        for number, ids in by_partition.items():
            commands += [
                ("HDEL", keys.pending(number), *ids),
                ("ZREM", keys.due(number), *ids),
                ("ZREM", keys.ages(number), *ids),
            ]
        await self._note(commands)

    async def retry(self, deliveries: Sequence[tuple[Delivery, int]]) -> None:
        """Note failed attempts: each delivery as it is now, and when it is due again."""
        commands = [
            _RETRY.command(
                _keys(keys.partition(delivery.digest))[:2],
                delivery.id,
                encode_delivery(delivery),
                due_ms,
            )
            for delivery, due_ms in deliveries
        ]
        await self._note(commands)

    async def postpone(self, deliveries: Sequence[tuple[Delivery, int]]) -> None:
        """Let deliveries that were not attempted be due at another time."""
        await self._note(
            [
                ("ZADD", keys.due(keys.partition(delivery.digest)), "XX", due_ms, delivery.id)
                for delivery, due_ms in deliveries
            ]
        )

    async def bury(self, deliveries: Sequence[Delivery], *, at_ms: int) -> None:
        """Make dead letters of deliveries, each once."""
        commands = [
            _BURY.command(
                _keys(keys.partition(delivery.digest)),
                delivery.id,
                encode_delivery(delivery),
                at_ms,
            )
            for delivery in deliveries
        ]
        await self._note(commands)

    async def pending(self, brand: BrandNumber, *, limit: int) -> Sequence[tuple[Delivery, int]]:
        """Return deliveries of a brand that wait, with their next attempt: among the 1000 of each
        partition that wait longest.
        """
        found: list[tuple[Delivery, int]] = []
        for number in range(PARTITIONS):
            (ids,) = await self._connection.run([("ZRANGE", keys.ages(number), 0, _LISTED - 1)])
            own = [field for field in map(as_bytes, as_list(ids)) if _brand(field) == brand][
                : limit - len(found)
            ]
            if own:
                records, scores = await self._connection.run(
                    [("HMGET", keys.pending(number), *own), ("ZMSCORE", keys.due(number), *own)]
                )
                due = {
                    field: _score(score) for field, score in zip(own, as_list(scores), strict=True)
                }
                found += [
                    (delivery, due[delivery.id]) for delivery in _readable(own, as_list(records))
                ]
            if len(found) >= limit:
                break
        return found

    async def dead_letters(
        self, brand: BrandNumber | None, *, after: str = "", limit: int = 100
    ) -> Sequence[DeadLetter]:
        """Return dead letters of a brand, or of all, behind the cursor `after`, by partition and
        then in the order of their giving up.
        """
        start, last = place_of(after) if after else (0, "")
        found: list[DeadLetter] = []
        for number in range(start, PARTITIONS):
            found += await self._dead_of(
                number, brand, last if number == start else "", limit - len(found)
            )
            if len(found) >= limit:
                break
        return found

    async def _dead_of(
        self, number: int, brand: BrandNumber | None, last: str, limit: int
    ) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        while len(found) < limit:
            (reply,) = await self._connection.run(
                [("XRANGE", keys.dead(number), f"({last}" if last else "-", "+", "COUNT", _PAGE)]
            )
            entries = as_list(reply)
            letters = [letter for entry in entries if (letter := _dead_letter(number, entry))]
            found += [
                letter for letter in letters if brand in {None, letter.delivery.statement.brand}
            ]
            if len(entries) < _PAGE:
                break
            last = stream_entry(entries[-1])[0]
        return found[:limit]

    async def letters(self, cursors: Sequence[str]) -> Sequence[DeadLetter]:
        """Return the dead letters at these places that are still there."""
        places = [place_of(cursor) for cursor in cursors]
        replies = await self._say(
            [("XRANGE", keys.dead(number), entry_id, entry_id) for number, entry_id in places]
        )
        found = [
            _dead_letter(number, entry)
            for (number, _), reply in zip(places, replies, strict=True)
            for entry in as_list(reply)
        ]
        return [letter for letter in found if letter is not None]

    async def resend(self, letters: Sequence[DeadLetter], *, due_ms: int) -> int:
        """Let dead letters wait for delivery again, as they are given, and switch their endpoints
        on; return how many were still there.
        """
        commands = [
            _RESEND.command(
                _keys(place_of(letter.cursor)[0]),
                place_of(letter.cursor)[1],
                letter.delivery.id,
                encode_delivery(letter.delivery),
                due_ms,
                letter.delivery.asked_ms,
            )
            for letter in letters
        ]
        await self._say(
            [("HDEL", keys.ENDPOINTS_OFF, *{letter.delivery.endpoint for letter in letters})]
            if letters
            else []
        )
        return sum(reply == 1 for reply in await self._say(commands))

    async def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Forget dead letters for good; return how many were still there."""
        places = [place_of(letter.cursor) for letter in letters]
        return sum(
            reply == 1
            for reply in await self._say(
                [("XDEL", keys.dead(number), entry_id) for number, entry_id in places]
            )
        )

    async def switch_off(self, endpoint: EndpointKey, *, at_ms: int) -> None:
        """Note that an endpoint wants nothing more."""
        await self._say([("HSETNX", keys.ENDPOINTS_OFF, endpoint, at_ms)])

    async def switched_off(self) -> frozenset[EndpointKey]:
        """Return the endpoints that want nothing more."""
        (reply,) = await self._connection.run([("HKEYS", keys.ENDPOINTS_OFF)])
        return frozenset(EndpointKey(as_bytes(key)) for key in as_list(reply))

    async def note_known(self, endpoints: Collection[EndpointKey], *, at_ms: int) -> None:
        """Note that a process has these endpoints in its settings."""
        pairs = [part for endpoint in endpoints for part in (endpoint, at_ms)]
        await self._say([("HSET", keys.ENDPOINTS_KNOWN, *pairs)] if pairs else [])

    async def last_known(self, endpoints: Sequence[EndpointKey]) -> Mapping[EndpointKey, int]:
        """Return when a process last had each of these endpoints in its settings; one of which
        nobody said so is not in it.
        """
        if not endpoints:
            return {}
        (reply,) = await self._say([("HMGET", keys.ENDPOINTS_KNOWN, *endpoints)])
        return {
            key: int(value)
            for key, value in zip(endpoints, as_list(reply), strict=True)
            if isinstance(value, bytes)
        }

    async def oldest(self, partitions: Sequence[int]) -> Sequence[tuple[BrandNumber, int]]:
        """Return brands with the time since which somebody waits for one of their deliveries: each
        partition's oldest is among them.
        """
        replies = await self._connection.run(
            [("ZRANGE", keys.ages(number), 0, _AGED - 1, "WITHSCORES") for number in partitions]
        )
        parts = [as_list(reply) for reply in readable(replies)]
        return [
            (_brand(as_bytes(field)), _score(score))
            for part in parts
            for field, score in zip(part[::2], part[1::2], strict=True)
        ]

    async def dead_count(self, partitions: Sequence[int]) -> int:
        """Return how many dead letters these partitions hold."""
        replies = readable(
            await self._connection.run([("XLEN", keys.dead(number)) for number in partitions])
        )
        return sum(reply for reply in replies if isinstance(reply, int))

    async def _note(self, commands: Sequence[Command]) -> None:
        """Write what became of deliveries. What a server that is away does not take is due again by
        itself, and told a second time.
        """
        if commands:
            readable(await run(self._connection, commands))

    async def _say(self, commands: Sequence[Command]) -> Sequence[Reply]:
        if not commands:
            return ()
        replies = await run(self._connection, commands)
        for reply in replies:
            raise_for(reply)
        return replies


def _keys(number: int) -> tuple[str, str, str, str]:
    return keys.due(number), keys.pending(number), keys.ages(number), keys.dead(number)


def _brand(field: bytes) -> BrandNumber:
    return brand_of(EndpointKey(field[:ENDPOINT_KEY_BYTES]))


def _score(score: Reply) -> int:
    return int(float(as_bytes(score))) if score is not None else 0


def _readable(fields: Sequence[Reply], records: Sequence[Reply]) -> list[Delivery]:
    """Return the deliveries that can be read; one that only a newer version can stays for that
    version.
    """
    found: list[Delivery] = []
    for field, record in zip(fields, records, strict=True):
        if record is None:
            continue
        try:
            found.append(decode_delivery(as_bytes(field), as_bytes(record)))
        except ValueError as exc:
            logger("worker").error(LogEvent.WORK_UNREADABLE, reason=str(exc))
    return found


def _dead_letter(number: int, entry: Reply) -> DeadLetter | None:
    try:
        entry_id, fields = stream_entry(entry)
        delivery = decode_delivery(fields[b"i"], fields[b"r"])
        return DeadLetter(cursor=f"{number}:{entry_id}", delivery=delivery, at_ms=int(fields[b"t"]))
    except (ValueError, KeyError) as exc:
        logger("worker").error(LogEvent.WORK_UNREADABLE, reason=str(exc))
        return None
