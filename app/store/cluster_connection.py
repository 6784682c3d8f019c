"""A cluster: the pipeline is split by the primary that owns each key, and each part goes out over
that server's own wire at the same time.

1. Who owns which slot is asked of all nodes, the first answer counts: at the beginning, and after a
   failure, at most twice a second.
2. A primary that does not answer fails its own commands only. Until it answers a ping again its
   commands fail at once, so that one that hangs does not hold up the others' replies for the time
   of a whole deadline.
3. MOVED and ASK are followed once (Redis Cluster specification, "Redirection and resharding"). Each
   part has its own WAIT on its own connection, also the part that was redirected.

Routing of our own, not redis-py's cluster client: see
docs/adr/0039-a-cluster-is-several-servers.md.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError

from app.core.errors import StoreUnavailable
from app.core.store_url import StoreAddress
from app.observe.log import LogEvent, logger
from app.store.batching import Command, Reply
from app.store.server_connection import Address, ServerConnection

SLOTS = 16384
_REFRESH_SECONDS = 0.5
_REVIVE_SECONDS = 0.25
_ASKING: Command = ("ASKING",)
_SCRIPTS = frozenset({"EVAL", "EVALSHA"})
_Part = Sequence[tuple[int, Command]]  # commands with their places in the pipeline


class ClusterConnection:
    """The primaries of a cluster, each with a wire of its own."""

    def __init__(self, url: StoreAddress, *, connections: int, timeout: float) -> None:
        self._url = url
        self._connections = connections
        self._timeout = timeout
        self._log = logger("store")
        self._nodes: dict[Address, ServerConnection] = {}
        self._owners: list[Address | None] = [None] * SLOTS
        self._is_known = False
        self._stale = True
        self._refreshed = float("-inf")
        self._refreshing = asyncio.Lock()
        self._reviving: dict[Address, asyncio.Task[None]] = {}
        self._breaks = 0

    @property
    def breaks(self) -> int:
        """How often the connections to a node have been dropped."""
        return self._breaks

    async def run(
        self, commands: Sequence[Command], *, replicated: bool = False
    ) -> Sequence[Reply]:
        """Send the commands to their primaries; what one of them cannot answer is StoreUnavailable
        in the place of its commands.
        """
        await self._know()
        replies: list[Reply] = [None] * len(commands)
        await self._run_part(list(enumerate(commands)), replies, replicated=replicated)
        moved = [
            (at, commands[at])
            for at, reply in enumerate(replies)
            if isinstance(reply, MovedError) and self._follow(reply)
        ]
        if moved:
            await self._run_part(moved, replies, replicated=replicated)
        asked = [
            (at, commands[at])
            for at, reply in enumerate(replies)
            if isinstance(reply, AskError) and not isinstance(reply, MovedError)
        ]
        if asked:
            await asyncio.gather(
                *(self._ask(at, command, replies, replicated=replicated) for at, command in asked)
            )
        if replies and all(isinstance(reply, StoreUnavailable) for reply in replies):
            raise next(reply for reply in replies if isinstance(reply, StoreUnavailable))
        return replies

    async def run_on_primaries(self, command: Command) -> Sequence[Reply]:
        """Return every primary's reply, ordered by its address; StoreUnavailable when none
        answers.
        """
        await self._know()
        primaries = sorted({owner for owner in self._owners if owner is not None})
        replies = [
            reply
            for (reply,) in await asyncio.gather(
                *(self._exchange(owner, [command], replicated=False) for owner in primaries)
            )
        ]
        if all(isinstance(reply, StoreUnavailable) for reply in replies):
            raise StoreUnavailable("no primary of the cluster answers")
        return replies

    async def key_of_each(self, keys: Sequence[str]) -> Sequence[str]:
        """Return for every primary one of the keys."""
        await self._know()
        found: dict[Address | None, str] = {}
        for key in keys:
            found.setdefault(self._owners[key_slot(key.encode())], key)
        return list(found.values())

    async def scan(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        """Yield the names of the keys of every primary. Raises StoreUnavailable when one of them is
        away.
        """
        await self._know()
        if None in self._owners:
            raise StoreUnavailable("no node of the cluster serves some of the slots")
        for owner in sorted({owner for owner in self._owners if owner is not None}):
            async for names in self._node(owner).scan(pattern):
                yield names

    async def close(self) -> None:
        """Close every connection to every node."""
        tasks, self._reviving = list(self._reviving.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        nodes, self._nodes = list(self._nodes.values()), {}
        await asyncio.gather(*(node.close() for node in nodes))

    async def _run_part(self, part: _Part, replies: list[Reply], *, replicated: bool) -> None:
        """Run some commands, each at the owner of its key, and put the replies into their
        places.
        """
        by_owner: dict[Address | None, list[tuple[int, Command]]] = {}
        for at, command in part:
            by_owner.setdefault(self._owners[key_slot(_key(command))], []).append((at, command))
        found = await asyncio.gather(
            *(
                self._exchange(owner, [command for _, command in some], replicated=replicated)
                for owner, some in by_owner.items()
            )
        )
        for some, answers in zip(by_owner.values(), found, strict=True):
            for (at, _), answer in zip(some, answers, strict=True):
                replies[at] = answer

    async def _ask(
        self, at: int, command: Command, replies: list[Reply], *, replicated: bool
    ) -> None:
        redirection = replies[at]
        if isinstance(redirection, AskError) and (address := _address(redirection)):
            replies[at] = (
                await self._exchange(address, [_ASKING, command], replicated=replicated)
            )[-1]

    async def _exchange(
        self, address: Address | None, commands: Sequence[Command], *, replicated: bool
    ) -> Sequence[Reply]:
        if address is None:
            self._stale = True
            return [StoreUnavailable("no node of the cluster serves this slot")] * len(commands)
        if address in self._reviving:
            return [StoreUnavailable(f"{_name(address)} does not answer")] * len(commands)
        try:
            return await self._node(address).run(commands, replicated=replicated)
        except StoreUnavailable as exc:
            self._set_apart(address, exc)
            return [StoreUnavailable(f"{_name(address)}: {exc}")] * len(commands)

    def _node(self, address: Address) -> ServerConnection:
        node = self._nodes.get(address)
        if node is None:
            node = ServerConnection(
                self._url,
                address,
                connections=self._connections,
                timeout=self._timeout,
                lost=lambda: self._lost(address),
            )
            self._nodes[address] = node
        return node

    def _lost(self, address: Address) -> None:
        self._stale = True
        if address not in self._reviving:  # of one that is away, only that it went counts
            self._breaks += 1

    def _set_apart(self, address: Address, error: StoreUnavailable) -> None:
        if address not in self._reviving and address in self._nodes:
            self._log.error(LogEvent.STORE_FAILED, node=_name(address), reason=str(error))
            self._reviving[address] = asyncio.get_running_loop().create_task(self._revive(address))

    async def _revive(self, address: Address) -> None:
        """Ping a node until it answers; it never raises, so nothing needs to watch it."""
        node = self._node(address)
        while True:
            with suppress(StoreUnavailable):
                await node.run([("PING",)])
                break
            await asyncio.sleep(_REVIVE_SECONDS)
            # another has taken its place
            if address not in self._owners and address not in self._url.hosts:
                self._reviving.pop(address, None)
                return
        self._reviving.pop(address, None)
        self._stale = True
        self._breaks += 1
        self._log.info(LogEvent.STORE_RECOVERED, node=_name(address))

    def _follow(self, moved: MovedError) -> bool:
        """Note who owns a slot now."""
        self._stale = True
        address = _address(moved)
        if address:
            self._owners[moved.slot_id] = address
        return address is not None

    async def _know(self) -> None:
        """Learn who owns which slot, if that is not known or may have changed. StoreUnavailable
        when it never was known.
        """
        if self._is_fresh():
            return
        async with self._refreshing:
            if self._is_fresh():
                return
            self._stale = False
            found = await self._slots()
            self._refreshed = asyncio.get_running_loop().time()
            if not found:
                self._stale = True
                if not self._is_known:
                    raise StoreUnavailable(
                        f"no node of the cluster answers: {', '.join(map(_name, self._url.hosts))}"
                    )
                return
            self._owners, self._is_known = found, True
            await self._forget(set(found))

    def _is_fresh(self) -> bool:
        """Say whether the owners are known, and not to be asked for again yet."""
        return self._is_known and (
            not self._stale
            or asyncio.get_running_loop().time() - self._refreshed < _REFRESH_SECONDS
        )

    async def _slots(self) -> list[Address | None]:
        """Return the owners of all slots as the first node tells that answers; empty when none
        does.
        """
        candidates = list(dict.fromkeys((*self._nodes, *self._url.hosts)))
        asking = [asyncio.ensure_future(self._slots_by(address)) for address in candidates]
        try:
            for answer in asyncio.as_completed(asking):
                if found := await answer:
                    return found
        finally:
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return []

    async def _slots_by(self, address: Address) -> list[Address | None]:
        (reply,) = await self._exchange(address, [("CLUSTER", "SLOTS")], replicated=False)
        return _owners(reply, address)

    async def _forget(self, owners: set[Address | None]) -> None:
        """Close the wires to nodes that own nothing any more; the hosts of the address stay, for
        they are asked again.
        """
        gone = [
            address
            for address in self._nodes
            if address not in owners and address not in self._url.hosts
        ]
        for address in gone:
            if address not in self._reviving:
                await self._nodes.pop(address).close()


def _owners(reply: Reply, asked: Address) -> list[Address | None]:
    """Return the primary of each slot by a reply to CLUSTER SLOTS; empty when it tells of none or
    cannot be read.
    """
    owners: list[Address | None] = [None] * SLOTS
    if not isinstance(reply, list):
        return []
    for entry in reply:
        match entry:
            case [int(first), int(last), [host, int(port), *_], *_]:
                name = (
                    host.decode()
                    if isinstance(host, bytes) and host not in {b"", b"?"}
                    else asked[0]
                )
                owners[first : last + 1] = [(name, port)] * (last + 1 - first)
            case _:
                return []
    return owners if any(owners) else []


def _address(redirection: AskError) -> Address | None:
    host = str(redirection.host)
    return (host, int(redirection.port)) if host and host != "?" else None


def _name(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def _key(command: Command) -> bytes:
    key = command[3] if command[0] in _SCRIPTS else command[1]
    return key if isinstance(key, bytes) else str(key).encode()
