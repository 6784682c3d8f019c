"""A whole web process on loopback: real listeners, the real use cases, the store's twin in memory,
and no spool unless a test gives one.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.admin.application import admin as admin_application
from app.core.brands import Brands
from app.core.errors import StoreUnavailable
from app.core.groups import group_key
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    CampaignId,
    Change,
    GroupId,
    PreferenceCentre,
    Preferences,
    Purpose,
    Recency,
    Statement,
)
from app.core.token import TokenCodec
from app.http.connection import HttpLimits
from app.http.rim import Application
from app.http.server import ADMIN_LIMITS, Listener, ServerSettings, public_listeners, serve
from app.observe.log import logger
from app.usecases.group_cache import CachedGroups
from app.usecases.ports import Spool
from app.usecases.record_statement import RecordStatement
from app.wiring.build_web import build_web
from tests.support.memory_groups import MemoryGroups
from tests.support.memory_store import MemoryStore

NOW_MS = 1_790_000_000_000
ACME = BrandNumber(1)
QUICK = HttpLimits(head_seconds=0.5, body_seconds=0.5, busy_seconds=3, idle_seconds=1)
KEYS = tuple(
    MasterKey(id=number, secret=bytes([number]) * 32, status=KeyStatus.ACTIVE) for number in (1, 2)
)
BRAND = Brand(
    id=BrandId("acme"), number=ACME, name="Acme & Söhne", sender_domains=frozenset({"acme.example"})
)
WITH_OWN_PAGE = replace(
    BRAND,
    preference_centre=PreferenceCentre.CUSTOM,
    custom_page_url="https://www.acme.example/preferences.html",
)
PRIMARY = MasterKey(id=3, secret=b"3" * 32, status=KeyStatus.PRIMARY)


class BreakableStore(MemoryStore):
    """The twin, with a plug to pull."""

    down = False

    async def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Change:
        if self.down:
            raise StoreUnavailable("unplugged")
        return await super().apply(statement, recency)

    async def ping(self) -> None:
        if self.down:
            raise StoreUnavailable("unplugged")


@dataclass
class Reply:
    """One HTTP answer as it came over the wire."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field_name, value in self.fields if field_name == name.lower()]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    @property
    def text(self) -> str:
        return self.body.decode()


class StoreConnection:
    """One client connection that sends bytes and reads answers, with a bound on every wait."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Reply:
        async with asyncio.timeout(20):
            block = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = block.rstrip().split("\r\n")
            fields = [
                (name.lower(), value.strip())
                for name, _, value in (line.partition(":") for line in lines)
            ]
            length = int(dict(fields).get("content-length", "0"))
            body = b"" if head else await self.reader.readexactly(length)
        return Reply(int(first.split()[1]), fields, body)

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read(-1)
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self.writer.close()


@dataclass
class Site:
    """The running process and what a test needs to know of it."""

    codec: TokenCodec
    store: BreakableStore
    book: MemoryGroups = field(default_factory=MemoryGroups)
    now_ms: int = NOW_MS
    addresses: Mapping[str, str] = field(default_factory=dict)

    def token(
        self,
        address: str = "bob@example.com",
        *,
        purpose: Purpose = Purpose.ONE_CLICK,
        groups: tuple[str, ...] = (),
        test: bool = False,
        brand: BrandNumber = ACME,
        codec: TokenCodec | None = None,
    ) -> str:
        mint = codec or self.codec
        keys = tuple(group_key(GroupId(group)) for group in groups)
        minter = mint.minter(
            brand=brand,
            purpose=purpose,
            at_ms=NOW_MS,
            campaign=CampaignId("spring"),
            groups=keys,
            test=test,
        )
        return minter.mint(address=address, digest=mint.digest(address, brand=brand))

    async def state(self, address: str = "bob@example.com") -> Preferences:
        (found,) = await self.store.preferences(ACME, [self.codec.digest(address, brand=ACME)])
        return found

    async def left(self, address: str = "bob@example.com") -> bool:
        return not (await self.state(address)).everything.subscribed

    @asynccontextmanager
    async def wire(self, listener: str = "public") -> AsyncIterator[StoreConnection]:
        host, _, port = self.addresses[listener].rpartition(":")
        wire = StoreConnection(*await asyncio.open_connection(host.strip("[]"), int(port)))
        try:
            yield wire
        finally:
            wire.close()

    async def ask(
        self,
        method: str,
        target: str,
        *,
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
        listener: str = "public",
    ) -> Reply:
        """One request on its own connection."""
        lines = {
            "Host": "unsubscribe.example.com",
            **({} if body is None else {"Content-Length": str(len(body))}),
            **(fields or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        async with self.wire(listener) as wire:
            await wire.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
            return await wire.answer(head=method == "HEAD")

    async def click(
        self, target: str, body: bytes = b"List-RecordStatement=One-Click", **fields: str
    ) -> Reply:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.ask(
            "POST",
            target,
            fields={**form, **{n.replace("_", "-"): v for n, v in fields.items()}},
            body=body,
        )


def codec_of(*keys: MasterKey) -> TokenCodec:
    return TokenCodec(keyring=Keyring(keys=keys, pepper=b"p" * 32), data_centre=1)


def public_of(  # the public application of the product, on the twins
    site: Site,
    *,
    new_id: Callable[[], bytes] = lambda: bytes(16),
    brands: Sequence[Brand] = (),
    spool: Spool | None = None,
    security_contact: str = "mailto:security@example.com",
    bad_tokens_per_minute: int = 10_000,
) -> Application:
    log = logger("test")
    return build_web(
        keyring=Keyring(keys=(*KEYS, PRIMARY), pepper=b"p" * 32),
        codec=site.codec,
        data_centre=1,
        record=RecordStatement(site.store, spool, lambda: site.now_ms, log=log),
        store=site.store,
        groups=CachedGroups(site.book, lambda: site.now_ms, fresh_ms=0),
        brands=Brands(brands),
        clock=lambda: site.now_ms,
        new_id=new_id,
        public_url="https://unsubscribe.example.com",
        security_contact=security_contact,
        bad_tokens_per_minute=bad_tokens_per_minute,
        log=log,
    )


@asynccontextmanager
async def running(
    *,
    limits: HttpLimits | None = None,
    bad_tokens_per_minute: int = 10_000,
    certificate_file: Path | None = None,
    brand: Brand = BRAND,
    spool: Spool | None = None,
) -> AsyncIterator[Site]:
    """Start a site on free ports and stop it in order."""
    site = Site(codec=codec_of(*KEYS, PRIMARY), store=BreakableStore())
    numbers = itertools.count(1)

    def new_id() -> bytes:
        return next(numbers).to_bytes(16, "big")

    public = public_of(
        site,
        new_id=new_id,
        brands=[brand],
        spool=spool,
        bad_tokens_per_minute=bad_tokens_per_minute,
    )
    admin = admin_application(checks={"store": site.store.ping}, brands=Brands([brand]))
    where = ServerSettings(
        listen="127.0.0.1:0",
        tls_listen="127.0.0.1:0" if certificate_file else None,
        certificate_file=certificate_file,
        limits=limits or HttpLimits(),
    )
    stop, ready = asyncio.Event(), asyncio.Event()

    def bound(addresses: Mapping[str, str]) -> None:
        site.addresses = addresses
        ready.set()

    listeners = {
        **public_listeners(public, where),
        "admin": Listener(admin, "127.0.0.1:0", limits=ADMIN_LIMITS),
    }
    task = asyncio.create_task(serve(listeners, stop=stop.wait, bound=bound))
    done, _ = await asyncio.wait(
        [task, asyncio.create_task(ready.wait())], timeout=10, return_when=asyncio.FIRST_COMPLETED
    )
    assert task not in done, task.exception()
    try:
        yield site
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)
