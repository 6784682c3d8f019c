"""A brand's webhook endpoint: a real HTTP server on loopback that keeps a book of what it was told
and answers as it is asked to.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One request as it arrived."""

    headers: Mapping[str, str]
    body: bytes
    target: str = ""  # path and query

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Reply = Callable[[Told], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Receiver:
    """What was told, and the answers to come: each of `statuses` once, then 200; or whatever
    `reply` says.
    """

    url: str = ""
    book: list[Told] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    fields: Mapping[str, str] = field(default_factory=dict)
    reply: Reply | None = None
    hanging: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        told = Told(
            headers=dict(request.headers), body=await request.read(), target=request.path_qs
        )
        self.book.append(told)
        self.arrived.set()
        if self.hanging:
            await self.released.wait()
        if self.reply is not None:
            return await self.reply(told)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.fields)

    async def until(self, holds: Callable[["Receiver"], bool], seconds: float = 30) -> None:
        """Return when the book is as expected; fail when it does not come to be."""
        async with asyncio.timeout(seconds):
            while not holds(self):
                self.arrived.clear()
                await self.arrived.wait()


@asynccontextmanager
async def receiving(host: str = "127.0.0.1", **settings: object) -> AsyncIterator[Receiver]:
    """Run a receiver for as long as the context is open."""
    receiver = Receiver(**settings)  # type: ignore[arg-type]  # the settings of the test at hand
    app = web.Application()
    app.router.add_post("/{rest:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://{host}:{port}/hooks"
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()
