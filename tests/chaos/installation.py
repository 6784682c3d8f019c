"""An installation to break: all processes, a Valkey with an append-only file; a mail server and a
receiver that count.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from app.store.redis import RedisStore
from tests.support import circles
from tests.support.receiver import Receiver, Told, receiving
from tests.support.redis_server import RedisServer
from tests.support.services import Services, running_services
from tests.support.sink import Sink
from tests.support.valkeys import valkey

PROCESSES = ("web", "admin", "worker", "inbox", "relay")
_CLAIM_SECONDS = 2  # after which a worker counts as dead
_SLOW_SECONDS = 0.5


class Mood(StrEnum):
    """How the receiver takes what it is told."""

    GOOD = "good"
    DEAD = "dead"
    SLOW = "slow"
    BROKEN = "broken"


class _CutOff(web.StreamResponse):
    """Closes the connection in place of an answer."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """The brand's receiver. It fails an event once at most: the second pause of the product's
    schedule is longer than a run.
    """

    mood: Mood = Mood.GOOD
    taken: Counter[str] = field(default_factory=Counter)  # by webhook-id; what was answered 200
    failed: set[str] = field(default_factory=set)

    async def answer(self, told: Told) -> web.StreamResponse:
        """Answer as the mood is."""
        if self.mood in {Mood.DEAD, Mood.BROKEN} and told.id not in self.failed:
            self.failed.add(told.id)
            return _CutOff() if self.mood is Mood.DEAD else web.Response(status=500)
        if self.mood is Mood.SLOW:
            await asyncio.sleep(_SLOW_SECONDS)
        self.taken[told.id] += 1
        return web.Response()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What runs. Use `installed`."""

    services: Services
    server: RedisServer
    store: RedisStore  # how the books are read, past every process of the product
    sink: Sink
    endpoint: Endpoint
    receiver: Receiver
    admin_key: str

    @property
    def spools(self) -> Path:
        """The folder of the spools."""
        return self.services.folder / "var/spool"


@asynccontextmanager
async def _logged(running: AbstractAsyncContextManager[Services]) -> AsyncIterator[Services]:
    """Leave what each process wrote beside its state."""
    async with running as services:
        try:
            yield services
        finally:
            for name, service in services.by_name.items():
                (services.folder / f"{name}.log").write_text("\n".join(service.lines))


@asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[Installation]:
    """Start everything in a folder, and end it."""
    async with AsyncExitStack() as stack:
        endpoint = Endpoint()
        receiver = await stack.enter_async_context(receiving(reply=endpoint.answer))
        server = await stack.enter_async_context(valkey(folder / "valkey"))
        sink = await stack.enter_async_context(Sink())
        circles.two_brands(folder, [(receiver.url, "standard")])
        settings = {
            "STORE__URL": server.url,
            "WORKER__CLAIM_SECONDS": _CLAIM_SECONDS,
            "RELAY__DOWNSTREAM": f"smtp://127.0.0.1:{sink.port}?tls=none",
        }
        services = await stack.enter_async_context(
            _logged(running_services(folder, *PROCESSES, **settings))
        )
        store = RedisStore(server.url, timeout=5)
        stack.push_async_callback(store.close)
        yield Installation(
            services=services,
            server=server,
            store=store,
            sink=sink,
            endpoint=endpoint,
            receiver=receiver,
            admin_key=(folder / "var/keys/admin-api-key").read_text().strip(),
        )
