"""Takes the sealed address of one recipient out of all that waits to be told: the port
`app.usecases.erase.Pending`.

What waits is kept, since the brand must still hear of it; it then tells the digest alone. Work,
deliveries and dead letters are looked through in the order in which a change travels, so one that
moves on meanwhile is met again. What an attempt under way writes back after it failed is the one
way in which an address can outlive this, until that delivery ends.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber, RecipientDigest, Statement
from app.store import codec, keys
from app.store.batching import Command, Reply
from app.store.connection import StoreConnection
from app.store.delivery_codec import decode_delivery, encode_delivery
from app.store.replies import as_bytes, as_list, raise_for, stream_entry
from app.store.script import Script, run

_SWAP, _RENEW = Script("swap"), Script("renew")
_PAGE = 500


class RedisPending:
    """Forgets addresses; `replicated`: counts once a replica has forgotten too."""

    def __init__(self, connection: StoreConnection, *, replicated: bool = False) -> None:
        self._connection = connection
        self._replicated = replicated

    async def forget_address(self, brand: BrandNumber, digest: RecipientDigest) -> int:
        """Remove the sealed address from everything that waits or was given up, and return from how
        much.
        """
        number = keys.partition(digest)
        try:
            return (
                await self._forget_work(keys.work(number), brand, digest)
                + await self._forget_work(keys.aside_of(brand, number), brand, digest)
                + await self._forget_deliveries(keys.pending(number), brand, digest)
                + await self._forget_dead(keys.dead(number), brand, digest)
            )
        except (ValueError, KeyError) as exc:
            raise StoreUnavailable(f"something that waits cannot be read: {exc}") from exc

    async def _forget_work(self, key: str, brand: BrandNumber, digest: RecipientDigest) -> int:
        done = 0
        async for entry_id, fields in self._entries(key):
            statement = codec.decode_statement(fields[b"s"])
            if _tells_of(statement, brand, digest):
                fields[b"s"] = codec.encode_statement(statement._replace(sealed_address=b""))
                done += await self._renew(key, entry_id, fields)
        return done

    async def _forget_dead(self, key: str, brand: BrandNumber, digest: RecipientDigest) -> int:
        done = 0
        async for entry_id, fields in self._entries(key):
            delivery = decode_delivery(fields[b"i"], fields[b"r"])
            if _tells_of(delivery.statement, brand, digest):
                silent = replace(
                    delivery, statement=delivery.statement._replace(sealed_address=b"")
                )
                done += await self._renew(key, entry_id, {**fields, b"r": encode_delivery(silent)})
        return done

    async def _forget_deliveries(
        self, key: str, brand: BrandNumber, digest: RecipientDigest
    ) -> int:
        done, cursor = 0, b"0"
        while True:
            (reply,) = await self._connection.run([("HSCAN", key, cursor, "COUNT", _PAGE)])
            cursor, found = as_bytes(as_list(reply)[0]), as_list(as_list(reply)[1])
            for field, record in zip(
                map(as_bytes, found[::2]), map(as_bytes, found[1::2]), strict=True
            ):
                delivery = decode_delivery(field, record)
                if _tells_of(delivery.statement, brand, digest):
                    silent = replace(
                        delivery, statement=delivery.statement._replace(sealed_address=b"")
                    )
                    done += await self._count(
                        _SWAP.command([key], field, record, encode_delivery(silent))
                    )
            if cursor == b"0":
                return done

    async def _entries(self, key: str) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
        """Yield the entries of a stream as it is now; what is put behind them meanwhile is not
        among them.
        """
        (newest,) = await self._connection.run([("XREVRANGE", key, "+", "-", "COUNT", 1)])
        if not as_list(newest):
            return
        last, _ = stream_entry(as_list(newest)[0])
        lower = "-"
        while True:
            (reply,) = await self._connection.run([("XRANGE", key, lower, last, "COUNT", _PAGE)])
            page = [stream_entry(entry) for entry in as_list(reply)]
            for entry in page:
                yield entry
            if len(page) < _PAGE:
                return
            lower = f"({page[-1][0]}"

    async def _renew(self, key: str, entry_id: str, fields: dict[bytes, bytes]) -> int:
        return await self._count(
            _RENEW.command([key], entry_id, *(part for pair in fields.items() for part in pair))
        )

    async def _count(self, command: Command) -> int:
        reply: Reply
        (reply,) = await run(self._connection, [command], replicated=self._replicated)
        raise_for(reply)
        return 1 if reply == 1 else 0


def _tells_of(statement: Statement, brand: BrandNumber, digest: RecipientDigest) -> bool:
    return (statement.brand, statement.digest) == (brand, digest) and bool(statement.sealed_address)
