"""The operator's page on loopback: its real listener and use cases, the twins of the store, and a
browser with its cookies.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from app.admin import application
from app.admin.operator.login import COOKIE
from app.admin.operator.routes import OperatorParts, operator_routes
from app.core.brands import Brands
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.links import LinkMaker
from app.core.operator_session import Sessions
from app.http.server import ADMIN_LIMITS, Listener
from app.observe.log import logger
from app.usecases.backlog import Measure
from app.usecases.call_limit import CallLimit
from app.usecases.overview import Overview
from app.usecases.ports import Spool
from tests.admin.api.running import BRANDS, FILE_KEY, Api, plugged
from tests.support.memory_counters import MemoryTallies
from tests.support.memory_queries import MemoryCallCounter, MemoryEndedSessions

HOME = "/operator"
NO_FIELDS: Mapping[str, str] = {}
ACME_PAGE = f"{HOME}/brands/acme"
KEYRING = Keyring(
    keys=(MasterKey(id=3, secret=b"3" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
)


@dataclass
class Page:
    """One answer."""

    status: int
    fields: Mapping[str, str]
    html: str

    @property
    def text(self) -> str:
        """Return the words, without markup."""
        body = re.sub(r"<style>.*?</style>", "", self.html, flags=re.S)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form" value="([^"]*)"', self.html)
        assert found, "the page has no form of a session"
        return found[1]


@dataclass
class Site:
    """The running page, and one browser."""

    api: Api
    tallies: MemoryTallies
    measure: Measure | None = None
    base: str = ""
    cookie: str = ""
    session: aiohttp.ClientSession = field(init=False)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        fields: Mapping[str, str] = NO_FIELDS,
    ) -> Page:
        """Send one request with the browser's cookie, and keep what cookie comes; in names of
        fields `_` stands for `-`.
        """
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.cookie:
            headers["Cookie"] = f"other=1; {COOKIE}={self.cookie}"
        async with self.session.request(
            method,
            URL(self.base + path, encoded=True),
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as answer:
            named = {name.lower(): value for name, value in answer.headers.items()}
            page = Page(answer.status, named, (await answer.read()).decode())
        if "set-cookie" in named:
            self.cookie = named["set-cookie"].partition(";")[0].partition("=")[2]
        return page

    async def get(self, path: str, **fields: str) -> Page:
        return await self.ask("GET", path, fields=fields)

    async def post(self, path: str, given: Mapping[str, str], **fields: str) -> Page:
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, body=urlencode(given).encode(), fields=form | fields)

    async def sign_in(self, key: str = FILE_KEY) -> Page:
        return await self.post(f"{HOME}/sign-in", {"key": key})

    async def submit(self, path: str, **given: str) -> Page:
        """Send a form of a page as a browser does that has just opened the page of recipients."""
        token = (await self.get(f"{ACME_PAGE}/recipient")).form_token
        return await self.post(path, {"form": token, **given})


@asynccontextmanager
async def running(
    *, per_minute: int = 100_000, spool: Spool | None = None, brands: Brands = BRANDS
) -> AsyncIterator[Site]:
    """Start the page on a free port and stop it in order."""
    api = plugged(spool=spool)
    site = Site(api=api, tallies=MemoryTallies())

    def clock() -> int:
        return api.now_ms

    parts = OperatorParts(
        services=api.services,
        ended=MemoryEndedSessions(),
        overview=Overview(tallies=site.tallies, latest=lambda: site.measure, clock=clock),
        sessions=Sessions(KEYRING),
        limit=CallLimit(MemoryCallCounter(), clock, per_minute=per_minute),
        links=LinkMaker(
            codec=api.codec,
            public_url="https://unsubscribe.example.com",
            inbox_domain="in.example.com",
        ),
        codec=api.codec,
        brands=brands,
        clock=clock,
        log=logger("test"),
    )
    app = application.admin(checks={}, brands=brands, operator=operator_routes(parts))
    listener = Listener(app, "127.0.0.1:0", limits=ADMIN_LIMITS)
    await listener.open()
    site.base = f"http://{listener.address}"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as site.session:
            yield site
    finally:
        await asyncio.wait_for(listener.close(), 30)
