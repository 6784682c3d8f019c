"""The admin API on loopback: its real listener, the real use cases, the twins of the store, and a
clock that a test turns.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from app.admin import application
from app.admin.api.auth import Authentication
from app.admin.api.routes import api_routes
from app.core.api_key import ApiKey, KeyScope
from app.core.brands import Brands
from app.core.errors import StoreUnavailable
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import Brand, BrandId, BrandNumber, Change, Preferences, Recency, Statement
from app.core.token import TokenCodec
from app.core.webhook import Endpoint, WebhookFormat, endpoint_key
from app.http.server import ADMIN_LIMITS, Listener
from app.observe.log import logger
from app.usecases.administration import Administration
from app.usecases.call_limit import CallLimit
from app.usecases.ports import Spool
from app.usecases.record_statement import RecordStatement
from app.wiring.build_admin import build_services
from tests.support.memory_deliveries import MemoryDeliveries, MemoryPending
from tests.support.memory_groups import MemoryGroups
from tests.support.memory_queries import (
    MemoryApiKeys,
    MemoryAudit,
    MemoryCallCounter,
    MemoryJournal,
    MemoryRoster,
)
from tests.support.memory_store import MemoryStore

ACME, OTHER = BrandNumber(1), BrandNumber(2)
FILE_KEY = "file-key-of-the-installation-0123456789"
HOOK = "https://user:secret@hooks.acme.example/unsub?token=secret"


class PluggedStore(MemoryStore):
    """The twin, with a plug to pull."""

    down = False

    async def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Change:
        self.check()
        return await super().apply(statement, recency)

    async def preferences(self, brand: BrandNumber, digests: Any) -> Any:
        self.check()
        return await super().preferences(brand, digests)

    def check(self) -> None:
        if self.down:
            raise StoreUnavailable("unplugged")


class PluggedKeys(MemoryApiKeys):
    """The twin, on the store's plug."""

    def __init__(self, store: PluggedStore) -> None:
        super().__init__()
        self._store = store

    async def key(self, key_id: str) -> ApiKey | None:
        self._store.check()
        return await super().key(key_id)


@dataclass
class Reply:
    """One HTTP answer."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """The running API, and what a test needs to know of it."""

    store: PluggedStore
    codec: TokenCodec
    services: Administration
    deliveries: MemoryDeliveries
    audit: MemoryAudit
    now_ms: int = 1_790_000_000_000
    base: str = ""
    key: str = FILE_KEY
    session: aiohttp.ClientSession = field(init=False)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        data: Any = None,
        key: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"} | dict(
            fields or {}
        )
        if key == "":
            del headers["Authorization"]
        url = URL(self.base + path, encoded=True)
        async with self.session.request(
            method, url, json=json_body, data=data, headers=headers, allow_redirects=False
        ) as answer:
            return Reply(
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                await answer.read(),
            )

    async def get(self, path: str, **rest: Any) -> Reply:
        return await self.ask("GET", path, **rest)

    async def post(self, path: str, body: Any = None, **rest: Any) -> Reply:
        return await self.ask("POST", path, json_body=body, **rest)

    async def new_key(self, *scopes: KeyScope, brand: str = "acme") -> str:
        _, text = await self.services.api_keys.create(
            BrandId(brand), name="test", scopes=frozenset(scopes or KeyScope)
        )
        return text

    async def state(self, address: str) -> Preferences:
        (found,) = await MemoryStore.preferences(
            self.store, ACME, [self.codec.digest(address, brand=ACME)]
        )
        return found


BRANDS = Brands(
    [
        Brand(
            id=BrandId("acme"),
            number=ACME,
            name="Acme",
            sender_domains=frozenset({"acme.example"}),
            store_addresses=True,
        ),
        Brand(
            id=BrandId("other"),
            number=OTHER,
            name="Other",
            sender_domains=frozenset({"other.example"}),
        ),
    ]
)


def plugged(*, spool: Spool | None = None) -> Api:
    """An API with its use cases, not yet served."""
    store, deliveries, audit = (
        PluggedStore(addresses_of=frozenset({ACME})),
        MemoryDeliveries(),
        MemoryAudit(),
    )
    codec = TokenCodec(
        keyring=Keyring(
            keys=(MasterKey(id=3, secret=b"3" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
        ),
        data_centre=1,
    )
    numbers = itertools.count(1)

    def clock() -> int:
        return api.now_ms

    endpoint = Endpoint(
        key=endpoint_key(ACME, HOOK, WebhookFormat.STANDARD),
        brand=ACME,
        brand_id=BrandId("acme"),
        brand_name="Acme",
        url=HOOK,
    )
    services = build_services(
        store=store,
        record=RecordStatement(store, spool, clock),
        codec=codec,
        book=MemoryGroups(),
        recipient_index=MemoryRoster(store),
        journal=MemoryJournal(store),
        audit=audit,
        pending=MemoryPending(store, deliveries),
        deliveries=deliveries,
        api_keys=PluggedKeys(store),
        endpoints=[endpoint],
        file_key=FILE_KEY,
        random_bytes=lambda size: next(numbers).to_bytes(size),
        clock=clock,
        delivery_clock=clock,
        log=logger("test"),
    )
    api = Api(store=store, codec=codec, services=services, deliveries=deliveries, audit=audit)
    return api


@asynccontextmanager
async def running(*, per_minute: int = 100_000, spool: Spool | None = None) -> AsyncIterator[Api]:
    """Start the API on a free port and stop it in order."""
    api = plugged(spool=spool)
    limit = CallLimit(MemoryCallCounter(), lambda: api.now_ms, per_minute=per_minute)
    routes = api_routes(
        api.services, Authentication(brands=BRANDS, api_keys=api.services.api_keys, limit=limit)
    )
    listener = Listener(
        application.admin(checks={}, brands=BRANDS, api=routes), "127.0.0.1:0", limits=ADMIN_LIMITS
    )
    await listener.open()
    api.base = f"http://{listener.address}"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as api.session:
            yield api
    finally:
        await asyncio.wait_for(listener.close(), 30)
