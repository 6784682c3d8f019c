"""The HTTP client of webhooks: one POST, one `ReceiverAnswer`; it never raises for what a receiver
or the network does.

1. The status line decides. What stands behind it, long fields or an endless body, can neither make
   a failure of a success nor keep us.
2. Bounded in every direction, before and behind the status line: time for the whole exchange,
   octets read (`MOST_ANSWER_BYTES`), interim answers (`MOST_INTERIM`). At a bound the transport is
   aborted, not closed: a polite close over TLS waits for the peer.
3. No redirect, no cookie, no proxy from the environment, no decompression. What a receiver writes
   goes nowhere, not even into a log.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, quote, urlsplit

import h11

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid
from app.core.webhook import Endpoint, Reach, ReceiverAnswer
from app.outbound.guard import Blocked, addresses_of, check_host
from app.outbound.lookup import Lookup, SystemLookup
from app.outbound.webhook_exchange import Exchange, NotSent

REQUEST_SECONDS = 15.0
# for an address that is not the last: one that swallows all must leave time for the next
ADDRESS_SECONDS = 4.0
_IDLE_SECONDS = 20.0
_MOST_IDLE = 10  # connections kept of one place: as many as a queue has requests under way

# RFC 3986 3.3, 3.4: what stands in path and query as it is; the rest is percent-encoded
_PLAIN = "%/?:@!$&'()*+,;=-._~"

_Place = tuple[str, str, int, Reach]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """What is posted to an endpoint, beside the fields that the endpoint itself asks for."""

    body: bytes
    fields: dict[str, str]


class NameUnknown(OSError):
    """The name of the host has no address."""


class WebhookClient:
    """Posts to endpoints; a context manager that closes its connections. Belongs to one event
    loop.
    """

    def __init__(
        self,
        *,
        seconds: float = REQUEST_SECONDS,
        address_seconds: float = ADDRESS_SECONDS,
        lookup: Lookup | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._seconds = seconds
        self._address_seconds = address_seconds
        self._lookup = lookup or SystemLookup()
        self._trust = trust or ssl.create_default_context()
        self._idle: dict[_Place, list[Exchange]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for kept in self._idle.values():
            for connection in kept:
                connection.abort()
        self._idle.clear()

    async def post(self, endpoint: Endpoint, request: WebhookRequest) -> ReceiverAnswer:
        """Post once and return what came of it."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(endpoint, request)
        except Blocked as exc:
            return ReceiverAnswer(reason=str(exc), blocked=True)
        except TimeoutError:
            return ReceiverAnswer(reason="no answer in time")
        except ssl.SSLError:
            return ReceiverAnswer(reason="no trusted TLS connection")
        except NameUnknown:
            return ReceiverAnswer(reason="the name was not found")
        except ConnectionError:
            return ReceiverAnswer(reason="no connection")
        except (OSError, ValueError, h11.LocalProtocolError, AddressInvalid) as exc:
            return ReceiverAnswer(reason=f"broken off: {type(exc).__name__}")

    async def _post(self, endpoint: Endpoint, request: WebhookRequest) -> ReceiverAnswer:
        url = urlsplit(endpoint.url)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        check_host(host, endpoint.reach)
        place = (url.scheme, host, port, endpoint.reach)
        head = _head(url, endpoint, request)
        while kept := self._kept(place):
            try:
                return await self._exchange(place, kept, head, request.body)
            # a kept connection that had died unseen; the same id makes a second try harmless
            except NotSent:
                continue
        return await self._exchange(place, await self._connected(place), head, request.body)

    async def _exchange(
        self, place: _Place, connection: Exchange, head: h11.Request, body: bytes
    ) -> ReceiverAnswer:
        try:
            answer = await connection.ask(head, body)
        except BaseException:
            connection.abort()
            raise
        if connection.is_reusable and len(self._idle.setdefault(place, [])) < _MOST_IDLE:
            self._idle[place].append(connection)
            connection.rest(_IDLE_SECONDS)
        else:
            connection.abort()
        return answer

    def _kept(self, place: _Place) -> Exchange | None:
        kept = self._idle.get(place, [])
        while kept:
            connection = kept.pop()
            if connection.wake():
                return connection
        self._idle.pop(place, None)
        return None

    async def _connected(self, place: _Place) -> Exchange:
        scheme, host, port, reach = place
        name = host if ":" in host else ascii_domain(host)
        try:
            addresses: Sequence[str] = await addresses_of(name, port, reach, self._lookup)
        except OSError as exc:
            raise NameUnknown(str(exc)) from exc
        tls = self._trust if scheme == "https" else None
        loop = asyncio.get_running_loop()
        refused: OSError | None = None
        for address in addresses:
            seconds = None if address == addresses[-1] else self._address_seconds
            try:
                async with asyncio.timeout(seconds):
                    _, connection = await loop.create_connection(
                        Exchange, address, port, ssl=tls, server_hostname=name if tls else None
                    )
            except ssl.SSLError:
                raise
            except OSError as exc:
                refused = exc
            else:
                return connection
        raise ConnectionError("none of the addresses took the connection") from refused


def _head(url: SplitResult, endpoint: Endpoint, request: WebhookRequest) -> h11.Request:
    """Return the head of the request; our own fields stand before the endpoint's, and each name
    once.
    """
    fields = {
        "content-type": "application/json",
        "user-agent": "Signoff-Webhooks/1",
        "accept": "*/*",
    }
    fields |= {name.lower(): value for name, value in endpoint.headers}
    fields |= {name.lower(): value for name, value in request.fields.items()}
    fields |= {"host": _host(url), "content-length": str(len(request.body))}
    target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=_PLAIN)
    return h11.Request(method="POST", target=target, headers=list(fields.items()))


def _host(url: SplitResult) -> str:
    host = url.hostname or ""
    name = f"[{host}]" if ":" in host else ascii_domain(host)
    return f"{name}:{url.port}" if url.port else name
