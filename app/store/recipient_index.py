"""Everybody whom the store knows of a brand, on Redis or Valkey: the port
`app.usecases.ports.RecipientIndex`.

A brand's records are read bucket by bucket in the order of partition and bucket, and within a
bucket by digest, so the digest that was read last is all that a reader has to remember. Memory is
that of the buckets in one exchange: a few of a large brand's, many of a small one's.
"""

from collections.abc import Iterator, Sequence

from app.core.errors import StoreUnavailable
from app.core.model import PARTITIONS, BrandNumber, KnownRecipient, RecipientDigest
from app.store import codec, keys
from app.store.batching import Reply
from app.store.connection import StoreConnection
from app.store.replies import as_bytes, as_list, history_entry, raise_for
from app.store.script import Script, run

_BUCKETS, _ERASE = Script("buckets"), Script("erase")
# before it is known how full they are: eight million recipients have 512 in each
_FIRST_BUCKETS = 4
_MOST_BUCKETS = 512
_HISTORY_PAGE = 500


class RedisRecipientIndex:
    """Reads and erases; `replicated`: an erasure counts once a replica has it."""

    def __init__(
        self,
        connection: StoreConnection,
        *,
        buckets: int = keys.DEFAULT_BUCKETS,
        replicated: bool = False,
    ) -> None:
        self._connection = connection
        self._buckets = buckets
        self._replicated = replicated

    async def recipients(
        self, brand: BrandNumber, *, after: RecipientDigest | None, limit: int
    ) -> Sequence[KnownRecipient]:
        """Return the next recipients behind `after`; fewer than `limit` only at the end."""
        place = 0 if after is None else keys.place(after, self._buckets)
        found: list[KnownRecipient] = []
        size = _FIRST_BUCKETS
        while len(found) < limit and place < PARTITIONS * self._buckets:
            batch = await self._read(brand, place, size)
            found += [
                one
                for one in batch
                if after is None or self._order(one.digest) > self._order(after)
            ]
            place += size
            full = max(1, len(batch)) / size
            size = max(1, min(_MOST_BUCKETS, 4 * size, round((limit - len(found)) / full)))
        return found[:limit]

    def _order(self, digest: RecipientDigest) -> tuple[int, bytes]:
        return keys.place(digest, self._buckets), digest

    async def _read(self, brand: BrandNumber, place: int, size: int) -> list[KnownRecipient]:
        replies = await run(
            self._connection, [_BUCKETS.command(names) for names in self._names(brand, place, size)]
        )
        try:
            return sorted(
                (one for reply in replies for one in _known(reply)),
                key=lambda one: self._order(one.digest),
            )
        except ValueError as exc:
            raise StoreUnavailable(f"unreadable record: {exc}") from exc

    def _names(self, brand: BrandNumber, place: int, size: int) -> Iterator[tuple[str, ...]]:
        """Yield the keys of these buckets, partition by partition, since one script may touch one
        partition only.
        """
        end = min(place + size, PARTITIONS * self._buckets)
        while place < end:
            number, first = divmod(place, self._buckets)
            last = min(self._buckets, first + end - place)
            yield keys.states(brand, number, range(first, last))
            place += last - first

    async def erase(self, brand: BrandNumber, digest: RecipientDigest, *, erased_ms: int) -> bool:
        """Remove the sealed address from the record, then every entry of the history."""
        command = _ERASE.command([keys.state(brand, digest, self._buckets)], digest, erased_ms)
        (reply,) = await run(self._connection, [command], replicated=self._replicated)
        raise_for(reply)
        removed = await self._forget(keys.history(brand, keys.partition(digest)), digest)
        return bool(reply) or bool(removed)

    async def _forget(self, key: str, digest: RecipientDigest) -> int:
        lower, removed = "-", 0
        while True:
            (reply,) = await self._connection.run(
                [("XRANGE", key, lower, "+", "COUNT", _HISTORY_PAGE)]
            )
            try:
                page = [history_entry(entry) for entry in as_list(reply)]
            except (ValueError, KeyError) as exc:
                raise StoreUnavailable(f"unreadable history: {exc}") from exc
            own = [entry.entry_id for entry in page if entry.statement.digest == digest]
            if own:
                (gone,) = await self._connection.run(
                    [("XDEL", key, *own)], replicated=self._replicated
                )
                raise_for(gone)
                removed += len(own)
            if len(page) < _HISTORY_PAGE:
                return removed
            lower = f"({page[-1].entry_id}"


def _known(reply: Reply) -> Iterator[KnownRecipient]:
    parts = as_list(reply)
    for digest, record in zip(parts[::2], parts[1::2], strict=True):
        yield codec.decode_known(as_bytes(digest), as_bytes(record))
