"""Work queue, deliveries and crew in memory: the twins of `RedisWork`, `RedisDeliveries` and
`RedisCrew`, held to the same contract.
"""

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from app.core.model import BrandNumber, RecipientDigest, Source, Statement
from app.core.webhook import DeadLetter, Delivery, EndpointKey, Work, brand_of, place_of
from app.store import keys
from tests.support.memory_store import MemoryStore


class MemoryDeliveries:
    """Deliveries that live and die with the process."""

    def __init__(self) -> None:
        self._pending: dict[bytes, Delivery] = {}
        self._due: dict[bytes, int] = {}
        self._dead: dict[str, DeadLetter] = {}
        self._buried = 0
        self._off: set[EndpointKey] = set()
        self._known: dict[EndpointKey, int] = {}
        self.aside: dict[str, Work] = {}  # work of unknown brands

    def add(self, delivery: Delivery, *, due_ms: int) -> bool:
        """Let a delivery wait, and say whether it is new."""
        if delivery.id in self._pending:
            return False
        self._pending[delivery.id] = delivery
        self._due[delivery.id] = due_ms
        return True

    async def take(
        self, partitions: Sequence[int], *, now_ms: int, until_ms: int, limit: int
    ) -> Sequence[Delivery]:
        """Return what is due; see `app.usecases.delivery_ports.Deliveries`."""
        taken: list[Delivery] = []
        for number in partitions:
            due = [
                (at, key)
                for key, at in self._due.items()
                if at <= now_ms and keys.partition(self._pending[key].digest) == number
            ]
            for _, key in heapq.nsmallest(limit, due):
                self._due[key] = until_ms
                taken.append(self._pending[key])
        return taken

    async def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Forget what has been delivered."""
        for delivery in deliveries:
            self._pending.pop(delivery.id, None)
            self._due.pop(delivery.id, None)

    async def retry(self, deliveries: Sequence[tuple[Delivery, int]]) -> None:
        """Note failed attempts."""
        for delivery, due_ms in deliveries:
            if delivery.id in self._pending:
                self._pending[delivery.id] = delivery
                self._due[delivery.id] = due_ms

    async def postpone(self, deliveries: Sequence[tuple[Delivery, int]]) -> None:
        """Let deliveries be due at another time."""
        for delivery, due_ms in deliveries:
            if delivery.id in self._pending:
                self._due[delivery.id] = due_ms

    async def bury(self, deliveries: Sequence[Delivery], *, at_ms: int) -> None:
        """Make dead letters, each once."""
        for delivery in deliveries:
            if self._pending.pop(delivery.id, None) is not None:
                del self._due[delivery.id]
                self._buried += 1
                cursor = f"{keys.partition(delivery.digest)}:{self._buried}-0"
                self._dead[cursor] = DeadLetter(cursor=cursor, delivery=delivery, at_ms=at_ms)

    async def pending(self, brand: BrandNumber, *, limit: int) -> Sequence[tuple[Delivery, int]]:
        """Return deliveries of a brand that wait."""
        own = [
            delivery for delivery in self._pending.values() if brand_of(delivery.endpoint) == brand
        ]
        own.sort(key=lambda delivery: (keys.partition(delivery.digest), delivery.asked_ms))
        return [(delivery, self._due[delivery.id]) for delivery in own[:limit]]

    async def dead_letters(
        self, brand: BrandNumber | None, *, after: str = "", limit: int = 100
    ) -> Sequence[DeadLetter]:
        """Return dead letters behind a cursor."""
        ordered = sorted(self._dead.values(), key=lambda letter: _order(letter.cursor))
        start = _order(after) if after else (-1, -1)
        behind = [letter for letter in ordered if _order(letter.cursor) > start]
        return [letter for letter in behind if brand in {None, letter.delivery.statement.brand}][
            :limit
        ]

    async def letters(self, cursors: Sequence[str]) -> Sequence[DeadLetter]:
        """Return the dead letters at these places."""
        for cursor in cursors:
            place_of(cursor)
        return [self._dead[cursor] for cursor in cursors if cursor in self._dead]

    async def resend(self, letters: Sequence[DeadLetter], *, due_ms: int) -> int:
        """Let dead letters wait again."""
        there = [letter for letter in letters if self._dead.pop(letter.cursor, None)]
        for letter in there:
            self._pending[letter.delivery.id] = letter.delivery
            self._due[letter.delivery.id] = due_ms
        self._off -= {letter.delivery.endpoint for letter in letters}
        return len(there)

    async def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Forget dead letters for good."""
        return sum(self._dead.pop(letter.cursor, None) is not None for letter in letters)

    async def switch_off(self, endpoint: EndpointKey, *, at_ms: int) -> None:
        """Note that an endpoint wants nothing more."""
        self._off.add(endpoint)

    async def switched_off(self) -> frozenset[EndpointKey]:
        """Return the endpoints that want nothing more."""
        return frozenset(self._off)

    async def note_known(self, endpoints: Collection[EndpointKey], *, at_ms: int) -> None:
        """Note that a process has these endpoints in its settings."""
        self._known |= dict.fromkeys(endpoints, at_ms)

    async def last_known(self, endpoints: Sequence[EndpointKey]) -> Mapping[EndpointKey, int]:
        """Return when a process last had each of these endpoints in its settings."""
        return {key: self._known[key] for key in endpoints if key in self._known}

    async def oldest(self, partitions: Sequence[int]) -> Sequence[tuple[BrandNumber, int]]:
        """Return brands with the time since which somebody waits."""
        waiting = [
            delivery
            for delivery in self._pending.values()
            if keys.partition(delivery.digest) in partitions
        ]
        return [(brand_of(delivery.endpoint), delivery.asked_ms) for delivery in waiting]

    def forget_address(self, brand: BrandNumber, digest: RecipientDigest) -> int:
        """Remove the sealed address from what waits and from dead letters; see
        `app.usecases.erase.Pending`.
        """
        waiting = {
            key: delivery
            for key, delivery in self._pending.items()
            if _tells_of(delivery.statement, brand, digest)
        }
        dead = {
            cursor: letter
            for cursor, letter in self._dead.items()
            if _tells_of(letter.delivery.statement, brand, digest)
        }
        aside = {
            key: work
            for key, work in self.aside.items()
            if _tells_of(work.statement, brand, digest)
        }
        self.aside |= {
            key: replace(work, statement=work.statement._replace(sealed_address=b""))
            for key, work in aside.items()
        }
        self._pending |= {key: _silent(delivery) for key, delivery in waiting.items()}
        self._dead |= {
            cursor: replace(letter, delivery=_silent(letter.delivery))
            for cursor, letter in dead.items()
        }
        return len(waiting) + len(dead) + len(aside)

    async def dead_count(self, partitions: Sequence[int]) -> int:
        """Return how many dead letters there are."""
        return sum(place_of(cursor)[0] in partitions for cursor in self._dead)


def _tells_of(statement: Statement, brand: BrandNumber, digest: RecipientDigest) -> bool:
    return (statement.brand, statement.digest) == (brand, digest) and bool(statement.sealed_address)


def _silent(delivery: Delivery) -> Delivery:
    return replace(delivery, statement=delivery.statement._replace(sealed_address=b""))


class MemoryPending:
    """The twin of `RedisPending`: forgets addresses in the work and the deliveries in memory."""

    def __init__(self, store: MemoryStore, deliveries: MemoryDeliveries) -> None:
        self._store = store
        self._deliveries = deliveries

    async def forget_address(self, brand: BrandNumber, digest: RecipientDigest) -> int:
        """Remove the sealed address from everything that waits; see
        `app.usecases.erase.Pending`.
        """
        found = {
            key: entry
            for key, entry in self._store.work.items()
            if _tells_of(entry.statement, brand, digest)
        }
        self._store.work |= {
            key: replace(entry, statement=entry.statement._replace(sealed_address=b""))
            for key, entry in found.items()
        }
        return len(found) + self._deliveries.forget_address(brand, digest)


class MemoryWork:
    """The work that a `MemoryStore` has noted."""

    def __init__(self, store: MemoryStore, deliveries: MemoryDeliveries) -> None:
        self._store = store
        self._deliveries = deliveries
        self._returns: dict[BrandNumber, int] = {}

    async def waiting(self, partitions: Sequence[int], *, limit: int) -> Sequence[Work]:
        """Return the oldest entries of each partition; see
        `app.usecases.delivery_ports.WorkQueue`.
        """
        entries = [
            Work(
                entry_id=entry.entry_id,
                statement=entry.statement,
                changed=entry.changed,
                sequence=entry.sequence,
            )
            for entry in self._store.work.values()
        ]
        return [
            work
            for number in partitions
            for work in [
                work for work in entries if keys.partition(work.statement.digest) == number
            ][:limit]
        ]

    async def move(
        self, moves: Sequence[tuple[Work, Sequence[Delivery]]], *, due_ms: int
    ) -> Sequence[Sequence[Delivery] | None]:
        """Replace each entry by its deliveries and return of each those that are new; None when
        another was faster.
        """
        return [
            (
                [
                    delivery
                    for delivery in deliveries
                    if self._deliveries.add(delivery, due_ms=due_ms)
                ]
                if (self._deliveries.aside if work.is_aside else self._store.work).pop(
                    work.entry_id, None
                )
                else None
            )
            for work, deliveries in moves
        ]

    async def set_aside(self, entries: Sequence[Work]) -> int:
        """Set entries of unknown brands aside."""
        taken = [work for work in entries if self._store.work.pop(work.entry_id, None)]
        self._deliveries.aside |= {work.entry_id: replace(work, is_aside=True) for work in taken}
        return len(taken)

    async def aside(
        self, brands: Collection[BrandNumber], partitions: Sequence[int], *, limit: int
    ) -> Sequence[Work]:
        """Return the oldest entries of these brands that were set aside."""
        own = [work for work in self._deliveries.aside.values() if work.statement.brand in brands]
        return [
            work
            for number in partitions
            for brand in brands
            for work in [
                one
                for one in own
                if (one.statement.brand, keys.partition(one.statement.digest)) == (brand, number)
            ][:limit]
        ]

    async def aside_count(self, partitions: Sequence[int]) -> int:
        """Return how many entries are set aside."""
        return sum(
            keys.partition(work.statement.digest) in partitions
            for work in self._deliveries.aside.values()
        )

    async def lag(self, partitions: Sequence[int]) -> int:
        """Return how many entries nobody has looked at."""
        return len(await self.waiting(partitions, limit=len(self._store.work)))

    async def oldest(self, partitions: Sequence[int]) -> Sequence[Work]:
        """Return the oldest request of each partition."""
        entries = await self.waiting(partitions, limit=len(self._store.work))
        asked = [work for work in entries if work.statement.source is not Source.IMPORT]
        newest_first = sorted(asked, key=lambda work: -work.statement.at_ms)
        return list({keys.partition(work.statement.digest): work for work in newest_first}.values())

    async def note_returns(self, brands: Collection[BrandNumber], *, at_ms: int) -> None:
        """Note that these brands have just returned tokens of self-managed mail."""
        self._returns |= dict.fromkeys(brands, at_ms)

    async def returns(self, brands: Sequence[BrandNumber]) -> Mapping[BrandNumber, int]:
        """Return when each of these brands last returned a token."""
        return {brand: self._returns[brand] for brand in brands if brand in self._returns}

    async def time_ms(self) -> int:
        """Return the time by the store's clock."""
        return self._store.now_ms()

    async def trim_history(
        self, brand: BrandNumber, partitions: Sequence[int], *, keep_ms: int
    ) -> int:
        """Forget nothing: this history ends with the process."""
        return 0


class MemoryCrew:
    """Workers of one process; `clock` in milliseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._signs: dict[str, int] = {}

    async def join(self, name: str, *, for_ms: int) -> Sequence[str]:
        """Give a sign of life and return who is alive."""
        now = self._clock()
        self._signs[name] = now
        self._signs = {other: at for other, at in self._signs.items() if at > now - for_ms}
        return sorted(self._signs)

    async def leave(self, name: str) -> None:
        """Let the others take over."""
        self._signs.pop(name, None)


def _order(cursor: str) -> tuple[int, int]:
    number, entry_id = place_of(cursor)
    return number, int(entry_id.partition("-")[0])
