"""A whole relay in this process: real listener, real pipeline, real downstream client, a real sink; states in the twin."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count

from app.core.brands import Brands
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.links import LinkMaker
from app.core.model import Brand, BrandId, BrandNumber, Claims, Purpose, Source, Statement
from app.core.token import TokenCodec
from app.observe.log import logger
from app.store.memory import MemoryStore
from app.usecases.audience import Audience
from smtp_proxy.downstream.connection import Timeouts
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.target import Target
from smtp_proxy.relay.dispatch import Dispatch
from smtp_proxy.relay.pipeline import Pipeline, Policy
from smtp_proxy.relay.signing import DkimKey, Signer
from smtp_proxy.relay.signing_thread import SigningThread
from tests.support.dkim_keys import dkim_key
from tests.support.sink import Sink
from tests.support.upstream import connected, listening

_TIMEOUTS = Timeouts(connect=2, greeting=5, command=10, progress=10, final=10, queue=10)
NOW_MS = 1_772_532_000_000  # 2026-03-03 10:00 UTC
ACME = Brand(id=BrandId("acme"), number=BrandNumber(7), name="Acme", sender_domains=frozenset({"acme.example", "news.acme.example"}))
SHOP = Brand(id=BrandId("shop"), number=BrandNumber(8), name="Shop", sender_domains=frozenset({"shop.example"}))
PROMOTIONAL = (
    b"From: Acme <news@acme.example>\r\nTo: ann@example.net\r\nSubject: Spring\r\nX-Signoff-Campaign: spring-24\r\n"
    b"Message-ID: <1@acme.example>\r\nDate: Tue, 03 Mar 2026 09:00:00 +0000\r\n\r\nHello Ann\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A running relay and what stands around it."""

    port: int
    sink: Sink
    store: MemoryStore
    codec: TokenCodec

    async def relayed(self, mail: bytes, *recipients: str, sender: str = "bounce@acme.example", parameters: str = "") -> str:
        """Send one mail and return the reply to its end."""
        async with connected(self.port) as upstream:
            await upstream.begin(sender=sender, recipients=recipients or ("ann@example.net",), parameters=parameters)
            await upstream.send(mail.replace(b"\r\n.", b"\r\n..") + (b"" if mail.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            return await upstream.reply()

    async def leave(self, address: str, *groups: int, brand: Brand = ACME, at_ms: int = NOW_MS) -> None:
        """Unsubscribe a recipient."""
        await self.store.apply(
            Statement(
                id=b"0" * 16,
                brand=brand.number,
                digest=self.codec.digest(address, brand=brand.number),
                groups=tuple(groups),  # type: ignore[arg-type]  # plain numbers read better in tests
                subscribed=False,
                source=Source.LIST_UNSUBSCRIBE,
                at_ms=at_ms,
            )
        )

    def claims(self, copy: bytes) -> Claims:
        """Open the token of a copy."""
        return self.codec.open(url_of(copy).partition("qmoe=")[2], purpose=Purpose.ONE_CLICK)


def url_of(copy: bytes) -> str:
    """Return the https URL of a copy's List-Unsubscribe field."""
    return copy.partition(b"List-Unsubscribe: <")[2].partition(b">")[0].decode("ascii")


def without_trace(copy: bytes) -> bytes:
    """Return a copy without the Received field on its top, which is ours."""
    assert copy.startswith(b"Received: ")
    head, _, rest = copy.partition(b"+0000\r\n")
    assert head.count(b"\r\n") == 3
    return rest


@asynccontextmanager
async def relaying(
    *brands: Brand,
    policy: Policy | None = None,
    keys: tuple[DkimKey, ...] | None = None,
    store: MemoryStore | None = None,
    sink: Sink | None = None,
    downstream_port: int | None = None,
    **terms: object,
) -> AsyncIterator[Relay]:
    """Run a relay for these brands, `acme` and `shop` unless said."""
    numbers = count(1)
    keyring = Keyring(keys=(MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32)
    codec = TokenCodec(keyring=keyring, data_centre=1)
    brands = brands or (ACME, SHOP)
    states = store or MemoryStore()
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(sink or Sink())
        target = Target.parse(f"smtp://127.0.0.1:{downstream_port or peer.port}?tls=none")
        downstream = await stack.enter_async_context(Downstream(target, hostname="relay.example", timeouts=_TIMEOUTS))
        signing = stack.enter_context(closing(SigningThread()))
        pipeline = Pipeline(
            brands=Brands(brands),
            links=LinkMaker(codec=codec, public_url="https://unsubscribe.example.com"),
            audience=Audience(states),
            signers={brand.id: Signer((dkim_key(), dkim_key("shop.example")) if keys is None else keys) for brand in brands},
            dispatch=Dispatch(downstream, signing),
            policy=policy or Policy(hostname="relay.example"),
            clock=lambda: NOW_MS,
            new_id=lambda: f"id{next(numbers)}",
            log=logger("test"),
        )
        _, port = await stack.enter_async_context(listening(pipeline.relay, **terms))
        yield Relay(port=port, sink=peer, store=states, codec=codec)
