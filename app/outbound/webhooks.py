"""The HTTP client of webhooks: one POST, one `Answer`; it never raises for what a receiver or the network does.

Bounded in every direction: time for the whole exchange, bytes read of an answer (and then it is closed, unread), header fields, no
redirect, no cookie, no proxy from the environment, no decompression. What a receiver writes goes nowhere: not even into a log.
"""

import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.hdrs import CONTENT_TYPE, RETRY_AFTER, USER_AGENT
from yarl import URL

from app.core.webhook import Answer, Endpoint, Reach
from app.outbound.guard import Blocked, GuardedResolver, Lookup, check_host, system_lookup

REQUEST_SECONDS = 15.0
MOST_ANSWER_BYTES = 64 * 1024
_IDLE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is posted to an endpoint, beside the fields that the endpoint itself asks for."""

    body: bytes
    fields: dict[str, str]


class WebhookClient:
    """Posts to endpoints; a context manager that closes its connections. Belongs to one event loop."""

    def __init__(self, *, seconds: float = REQUEST_SECONDS, lookup: Lookup = system_lookup, trust: ssl.SSLContext | None = None) -> None:
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._lookup = lookup
        self._trust = trust
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        for session in self._sessions.values():
            await session.close()

    async def post(self, endpoint: Endpoint, request: Request) -> Answer:
        """Post once and return what came of it."""
        try:
            url = URL(endpoint.url)
            check_host(url.host or "", endpoint.reach)
            session = self._session(endpoint.reach)
            try:
                return await self._exchange(session, url, endpoint, request)
            except aiohttp.ServerDisconnectedError:  # a kept connection that had died unseen; the same id makes a second try harmless
                return await self._exchange(session, url, endpoint, request)
        except Blocked as exc:
            return Answer(reason=str(exc), blocked=True)
        except TimeoutError:
            return Answer(reason="no answer in time")
        except aiohttp.ClientSSLError:
            return Answer(reason="no trusted TLS connection")
        except aiohttp.ClientConnectorDNSError:
            return Answer(reason="the name was not found")
        except aiohttp.ClientConnectorError:
            return Answer(reason="no connection")
        except (aiohttp.ClientError, OSError, ValueError) as exc:  # ValueError: an answer that is no HTTP
            return Answer(reason=f"broken off: {type(exc).__name__}")

    async def _exchange(self, session: aiohttp.ClientSession, url: URL, endpoint: Endpoint, request: Request) -> Answer:
        fields = {CONTENT_TYPE: "application/json", USER_AGENT: "Signoff-Webhooks/1"} | dict(endpoint.headers) | request.fields
        async with session.post(url, data=request.body, headers=fields, allow_redirects=False) as response:
            await _discard(response)
            return Answer(status=response.status, retry_after=response.headers.get(RETRY_AFTER, "")[:64])

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        session = self._sessions.get(reach)
        if session is None:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(reach, self._lookup),
                use_dns_cache=False,  # a checked address must not outlive its connection
                limit=0,  # each lane bounds its own
                keepalive_timeout=_IDLE_SECONDS,
                ssl=self._trust or True,
            )
            session = self._sessions[reach] = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
            )
        return session


async def _discard(response: aiohttp.ClientResponse) -> None:
    """Read a short answer, so that its connection can be used again; a long one is cut off by closing the connection."""
    left = MOST_ANSWER_BYTES
    while chunk := await response.content.read(min(left, 8192)):
        left -= len(chunk)
        if left <= 0:
            response.close()
            return
