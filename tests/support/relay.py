"""A whole relay in this process: real listener, real relay, real downstream client, a real sink;
states in the twin.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count

from app.core.brands import Brands
from app.core.downstream import Target
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.mail.dkim import Profile
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Claims,
    GroupId,
    Purpose,
    Source,
    Statement,
    SubscriptionGroup,
)
from app.core.token import TokenCodec
from app.observe.log import logger
from app.store.ledger_memory import MemoryLedger
from app.usecases.audience import Audience
from app.usecases.auditing import Auditing
from app.usecases.counting import Counting
from app.usecases.group_cache import GroupReader
from app.usecases.ports import CopyLedger
from smtp_proxy.downstream.connection import Timeouts
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.relay import relay as product
from smtp_proxy.relay.ledger import Ledger
from smtp_proxy.relay.policy import Policy
from smtp_proxy.relay.send import DEFAULT_TIMES, CopyTimes, Sender
from smtp_proxy.relay.sign import DkimKey, Signer, SigningThread
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.listener import Server
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.wiring.build import build_relay
from tests.support.dkim_keys import dkim_key
from tests.support.memory_counters import MemoryTallies
from tests.support.memory_groups import MemoryGroups
from tests.support.memory_store import MemoryStore
from tests.support.sink import Sink
from tests.support.upstream import connected, listening

_TIMEOUTS = Timeouts(connect=2, greeting=5, command=10, progress=10, final=10, queue=10)
_LIMITS = Limits()
NOW_MS = 1_772_532_000_000  # 2026-03-03 10:00 UTC
ACME = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset({"acme.example", "news.acme.example"}),
)
SHOP = Brand(
    id=BrandId("shop"),
    number=BrandNumber(8),
    name="Shop",
    sender_domains=frozenset({"shop.example"}),
)
PROMOTIONAL = (
    b"From: Acme <news@acme.example>\r\nTo: ann@example.net\r\nSubject:"
    b" Spring\r\nX-Signoff-Campaign: spring-24\r\nMessage-ID: <1@acme.example>\r\nDate: Tue, 03 Mar"
    b" 2026 09:00:00 +0000\r\n\r\nHello Ann\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A running relay and what stands around it."""

    server: Server
    port: int
    sink: Sink
    store: MemoryStore
    groups: MemoryGroups
    codec: TokenCodec
    tallies: MemoryTallies
    counting: Counting
    ledger: Ledger

    async def relayed(
        self,
        mail: bytes,
        *recipients: str,
        sender: str = "bounce@acme.example",
        parameters: str = "",
    ) -> str:
        """Send one mail and return the reply to its end."""
        async with connected(self.port) as upstream:
            await upstream.begin(
                sender=sender, recipients=recipients or ("ann@example.net",), parameters=parameters
            )
            await upstream.send(
                mail.replace(b"\r\n.", b"\r\n..")
                + (b"" if mail.endswith(b"\r\n") else b"\r\n")
                + b".\r\n"
            )
            return await upstream.reply()

    async def leave(
        self, address: str, *groups: int, brand: Brand = ACME, at_ms: int = NOW_MS
    ) -> None:
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

    async def add_group(self, group: str, name: str, *, brand: Brand = ACME) -> None:
        """Give a brand a subscription group."""
        await self.groups.add(
            brand.number, SubscriptionGroup(id=GroupId(group), name=name), most_active=50
        )

    def claims(self, copy: bytes, purpose: Purpose = Purpose.ONE_CLICK) -> Claims:
        """Open the token of a copy."""
        return self.codec.open(url_of(copy).partition("qmoe=")[2], purpose=purpose)


def url_of(copy: bytes) -> str:
    """Return the https URL of a copy's List-Unsubscribe field."""
    return copy.partition(b"List-Unsubscribe: <")[2].partition(b">")[0].decode("ascii")


def without_trace(copy: bytes) -> bytes:
    """Return a copy without the Received field on its top, which is ours."""
    assert copy.startswith(b"Received: ")
    head, _, rest = copy.partition(b"+0000\r\n")
    assert head.count(b"\r\n") == 3
    return rest


def relay_on(
    downstream: Downstream,
    signing: SigningThread,
    *brands: Brand,
    codec: TokenCodec,
    memory: MemoryBudget,
    store: MemoryStore,
    groups: GroupReader,
    ledger: Ledger,
    policy: Policy | None = None,
    keys: tuple[DkimKey, ...] | None = None,
    inbox_domain: str = "",
    profile: Profile = Profile.DEFAULT,
    times: CopyTimes = DEFAULT_TIMES,
    counting: Counting | None = None,
    auditing: Auditing | None = None,
    clock: Callable[[], int] = lambda: NOW_MS,
) -> product.Relay:
    """Put a relay together, by the function that the wiring uses."""
    log = logger("test")
    own = (dkim_key(), dkim_key("shop.example")) if keys is None else keys
    numbers = count(1)
    counted = counting or Counting(MemoryTallies())
    return build_relay(
        brands=Brands(brands),
        codec=codec,
        policy=policy or Policy(hostname="relay.example"),
        public_url="https://unsubscribe.example.com",
        inbox_domain=inbox_domain,
        signers={brand.id: Signer(own, profile=profile) for brand in brands},
        signing=signing,
        audience=Audience(store, groups),
        ledger=ledger,
        downstream=downstream,
        sender=Sender(downstream, memory=memory, log=log, times=times),
        count=counted.count,
        clock=clock,
        new_id=lambda: f"id{next(numbers)}",
        log=log,
        auditing=auditing,
    )


@asynccontextmanager
async def relaying(
    *brands: Brand,
    policy: Policy | None = None,
    keys: tuple[DkimKey, ...] | None = None,
    store: MemoryStore | None = None,
    sink: Sink | None = None,
    groups: GroupReader | None = None,
    inbox_domain: str = "",
    profile: Profile = Profile.DEFAULT,
    downstream_port: int | None = None,
    scheme: str = "smtp",
    copies: CopyLedger | None = None,
    times: CopyTimes = DEFAULT_TIMES,
    limits: Limits = _LIMITS,
    clock: Callable[[], int] = lambda: NOW_MS,
    auditing: Auditing | None = None,
    **terms: object,
) -> AsyncIterator[Relay]:
    """Run a relay for these brands, `acme` and `shop` unless said; `copies` is the ledger in the
    store, which outlives the relay.
    """
    keyring = Keyring(
        keys=(MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
    )
    codec = TokenCodec(keyring=keyring, data_centre=1)
    brands = brands or (ACME, SHOP)
    states = store or MemoryStore()
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(sink or Sink())
        target = Target.parse(f"{scheme}://127.0.0.1:{downstream_port or peer.port}?tls=none")
        downstream = await stack.enter_async_context(
            Downstream(target, hostname="relay.example", timeouts=_TIMEOUTS)
        )
        signing = stack.enter_context(closing(SigningThread()))
        book, tallies, memory = (
            MemoryGroups(),
            MemoryTallies(),
            MemoryBudget(limits.max_in_flight_bytes),
        )
        counting, shared = Counting(tallies), copies or MemoryLedger(clock=clock)
        ledger = Ledger(
            shared,
            MemoryLedger(clock=clock),
            key=keyring.ledger_key(),
            log=logger("test"),
            clock=clock,
        )
        await stack.enter_async_context(ledger.running())
        relay = relay_on(
            downstream,
            signing,
            *brands,
            codec=codec,
            memory=memory,
            store=states,
            groups=groups or book,
            policy=policy,
            keys=keys,
            inbox_domain=inbox_domain,
            profile=profile,
            ledger=ledger,
            times=times,
            counting=counting,
            clock=clock,
            auditing=auditing,
        )
        server, port = await stack.enter_async_context(
            listening(relay.relay, memory=memory, limits=limits, **terms)
        )
        yield Relay(
            server=server,
            port=port,
            sink=peer,
            store=states,
            groups=book,
            codec=codec,
            tallies=tallies,
            counting=counting,
            ledger=ledger,
        )
