"""One server: pipelines over redis-py's connections.

Chosen against redis-py's defaults, which retry for seconds and raise when the pool is empty: no
retry, one deadline over the whole pipeline (a timeout for each reply costs more than the reply), a
pool that waits, and at the first error every idle connection is dropped, since what broke one has
mostly broken all. RESP 2, so no handshake beyond AUTH and SELECT.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import hiredis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import ResponseError

from app.core.errors import StoreUnavailable
from app.core.store_url import StoreAddress
from app.store import failures
from app.store.batching import Command, Reply

REPLICAS = 1  # how many must confirm a replicated write
_SCANNED = 500  # keys in one answer, about
_WAIT_SHARE = 0.6  # of the deadline: WAIT has to answer before it

Address = tuple[str, int]


def _nothing() -> None:
    """Do nothing."""


class ServerConnection:
    """One server, or a primary behind one name. `lost` is called whenever its connections are
    dropped.
    """

    def __init__(
        self,
        url: StoreAddress,
        address: Address | None = None,
        *,
        connections: int,
        timeout: float,
        lost: Callable[[], None] = _nothing,
    ) -> None:
        self._timeout = timeout
        self._wait: Command = ("WAIT", REPLICAS, round(timeout * _WAIT_SHARE * 1000))
        self._lost = lost
        self._era = 0  # connections of an earlier one are closed when their pipeline is done
        place = {"host": address[0], "port": address[1]} if address else {"path": url.path}
        kind = SSLConnection if url.tls else Connection if address else UnixDomainSocketConnection
        self._pool = BlockingConnectionPool(
            max_connections=connections,
            timeout=None,
            connection_class=kind,
            socket_timeout=None,
            socket_connect_timeout=timeout,
            protocol=2,
            db=url.db,
            **{**place, **url.options},  # type: ignore[arg-type]  # by the names of its connection classes, which it does not type
        )

    @property
    def breaks(self) -> int:
        """How often the connections have been dropped."""
        return self._era

    async def run(
        self, commands: Sequence[Command], *, replicated: bool = False
    ) -> Sequence[Reply]:
        """Send the commands as one pipeline over one connection, WAIT included, for WAIT answers
        for its own connection only.
        """
        replies = await self._exchange([*commands, self._wait] if replicated else commands)
        if not replicated:
            return replies
        confirmed = replies.pop()
        if isinstance(confirmed, int) and confirmed >= REPLICAS:
            return replies
        return [
            reply
            if isinstance(reply, Exception)
            else StoreUnavailable("no replica confirmed the write")
            for reply in replies
        ]

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return the server's reply."""
        return await self._exchange([command])

    async def key_of_each(self, keys: Sequence[str]) -> Sequence[str]:
        """Return one of the keys: the server holds all."""
        return keys[:1]

    async def scan(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        """Yield the names of the server's keys of this pattern (SCAN)."""
        cursor: Reply = b"0"
        while True:
            (reply,) = await self.run(
                [
                    (
                        "SCAN",
                        cursor if isinstance(cursor, bytes) else b"0",
                        "MATCH",
                        pattern,
                        "COUNT",
                        _SCANNED,
                    )
                ]
            )
            match reply:
                case [bytes() as cursor, list() as names]:
                    yield [name for name in names if isinstance(name, bytes)]
                case _:
                    raise StoreUnavailable(f"SCAN was answered {reply!r}")
            if cursor == b"0":
                return

    async def close(self) -> None:
        """Close every connection."""
        with suppress(Exception):  # of a connection that is broken already
            await self._pool.disconnect()

    async def _exchange(self, commands: Sequence[Command]) -> list[Reply]:
        # Packed by hiredis and sent as one piece: redis-py's own packing in Python is half of the
        # CPU of a click's command. Before the rest, since a command that cannot be packed is a
        # defect of ours, not of the store.
        packed = b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]  # its stub: one word
        era = self._era
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # not annotated in redis-py
                try:
                    replies, drop = await self._talk(connection, packed, len(commands))
                    if drop or era != self._era:
                        await connection.disconnect(nowait=True)
                except BaseException:
                    # Replies may still be on their way, and the next to use this connection must
                    # not read them (Q4). redis-py closes it as well where it notices; that has been
                    # broken before (CVE-2023-28858).
                    await connection.disconnect(nowait=True)
                    raise
                finally:
                    await self._pool.release(connection)
        except Exception as exc:
            await self._drop()
            raise failures.translated(exc) from exc
        if drop:
            await self._drop()
        return replies

    @staticmethod
    async def _talk(
        connection: AbstractConnection, packed: bytes, count: int
    ) -> tuple[list[Reply], bool]:
        """Return the replies, and whether one of them says that this server should be left."""
        await connection.send_packed_command(packed)
        replies: list[Reply] = []
        drop = False
        for _ in range(count):
            try:
                replies.append(await connection.read_response(disable_decoding=True))
            except ResponseError as exc:
                replies.append(exc)
                drop = drop or failures.drops(exc)
        return replies, drop

    async def _drop(self) -> None:
        """Close the idle connections now, and those in use when they are done."""
        self._era += 1
        self._lost()
        with suppress(Exception):  # of a connection that is broken already
            await self._pool.disconnect(inuse_connections=False)
