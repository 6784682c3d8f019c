"""How the relay process is put together."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from functools import partial

from app import wiring as web_side
from app.core.downstream import Target
from app.core.errors import DownstreamUnavailable, StoreUnavailable
from app.core.mail.dkim import BodyMode, Profile
from app.core.model import BrandId
from app.core.tally import Count
from app.http.server import run
from app.observe import log as logs
from app.observe import service_manager
from app.observe.background import Part, kept_running
from app.observe.log import LogEvent, Logger
from app.settings import keyring_file
from app.settings.dkim_files import LoadedKey, load_keys
from app.settings.model import Settings
from app.settings.relay import RelaySettings
from app.settings.types import split_address
from app.store.administration import RedisAudit
from app.store.clock import monotonic_ms
from app.store.counters import RedisTallies
from app.store.groups import RedisGroups
from app.store.ledger import RedisLedger
from app.store.ledger_memory import MemoryLedger
from app.store.redis import Durability, RedisStore
from app.usecases.audience import STATES_SECONDS, Audience
from app.usecases.auditing import Auditing
from app.usecases.counting import Counting
from app.usecases.group_cache import CachedGroups
from app.wiring.belonging import belong
from app.wiring.certificates import trusting
from app.wiring.validation import validated
from smtp_proxy.downstream.connection import Timeouts
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.relay.ledger import Ledger
from smtp_proxy.relay.policy import Policy, UnknownOutcome
from smtp_proxy.relay.send import CopyTimes, Sender
from smtp_proxy.relay.sign import DkimKey, Signer, SigningKey, SigningThread
from smtp_proxy.session.config import SessionConfig
from smtp_proxy.session.listener import Server
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.wiring import health
from smtp_proxy.wiring.build import build_relay
from smtp_proxy.wiring.session_config import lmtp_sessions, relay_sessions
from smtp_proxy.wiring.worker_config import WorkerConfig, needing_restart, stopped_or_left
from smtp_proxy.wiring.workers import GRACE_SECONDS, supervise

_PROBE_SECONDS = 2.0
_START_SHARE = 0.75  # of the time for a message: what is left is for the copies that started last


def serve_relay(settings: Settings) -> None:
    """Run the relay, by several workers when there are to be, until it is asked to stop; mails in
    flight are finished first.
    """
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    if settings.relay.workers > 1:
        run(supervise(settings))
    else:
        run(
            _serve(load=lambda: validated(keys_here=True), settings=settings, stop=web_side.stopped)
        )


def serve_worker(settings: Settings, config: WorkerConfig) -> None:
    """Run one of several workers, until it is asked to stop or its supervisor is gone."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(
        _serve(
            load=lambda: config.share(validated(keys_here=True)),
            settings=config.share(settings),
            stop=stopped_or_left,
        )
    )


async def _serve(
    *,
    load: Callable[[], Settings],
    settings: Settings,
    stop: Callable[[], Coroutine[None, None, None]],
) -> None:
    log = logs.logger("relay")
    relay = settings.relay
    keyring = keyring_file.load(settings.keyring_file)
    # listens at once: who is stopped while it starts still stops its store
    stopping = asyncio.create_task(stop())
    hangups = web_side.hangups()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            web_side.opened_store(settings, log, patience=STATES_SECONDS, writable_only=True)
        )
        downstream = await stack.enter_async_context(_downstream(relay))
        await stack.enter_async_context(_probed(downstream, log))
        auditing = Auditing(RedisAudit(store.connection), web_side.now_ms, log)
        audience = Audience(store, CachedGroups(RedisGroups(store.connection), monotonic_ms))
        local = MemoryLedger(clock=monotonic_ms)
        ledger = Ledger(
            _shared_ledger(store, settings),
            local,
            key=keyring.ledger_key(),
            log=log,
            clock=web_side.now_ms,
        )
        await stack.enter_async_context(ledger.running())
        count = await stack.enter_async_context(_counting_copies(store, log))
        signing = stack.enter_context(closing(SigningThread()))
        memory = MemoryBudget(relay.max_in_flight_bytes)
        sender = Sender(downstream, memory=memory, log=log, times=_times(relay))

        def configured(settings: Settings) -> SessionConfig:
            """Return what holds for new sessions under these settings."""
            built = build_relay(
                brands=web_side.brands(settings),
                codec=web_side.token_codec(settings),
                policy=_policy(settings.relay),
                public_url=settings.public_url,
                inbox_domain=settings.inbox.domain,
                signers=_signers(settings),
                signing=signing,
                audience=audience,
                ledger=ledger,
                downstream=downstream,
                sender=sender,
                count=count,
                clock=web_side.now_ms,
                new_id=partial(secrets.token_hex, 12),
                log=log,
                auditing=auditing,
            )
            return relay_sessions(settings, built.relay, downstream, log)

        def read_again() -> tuple[SessionConfig, Sequence[str]]:
            """Return what the settings as they are now ask of sessions, and what of them needs a
            restart. Raises Misconfigured.
            """
            changed = load()
            web_side.successor(keyring, changed)
            return configured(changed), needing_restart(settings, changed)

        first = configured(settings)
        server = Server(first, memory)
        lmtp_server = Server(lmtp_sessions(first), memory)

        def adopt(config: SessionConfig) -> None:
            server.adopt(config)
            lmtp_server.adopt(lmtp_sessions(config))

        await stack.enter_async_context(health(relay.health_listen, {"store": store.ping}))
        host, port = await server.start(*split_address(relay.listen), reuse_port=relay.workers > 1)
        if relay.tls_listen:
            await server.start(
                *split_address(relay.tls_listen), implicit_tls=True, reuse_port=relay.workers > 1
            )
        lmtp_host, lmtp_port = await lmtp_server.start(
            *split_address(relay.lmtp_listen), reuse_port=relay.workers > 1
        )
        await stack.enter_async_context(
            web_side.reading_again(
                hangups, read_again, adopt, log, confirm=partial(belong, store, settings)
            )
        )
        log.info(
            LogEvent.PROCESS_STARTED,
            listen=f"{host}:{port}",
            tls_listen=relay.tls_listen,
            lmtp_listen=f"{lmtp_host}:{lmtp_port}",
            downstream=relay.downstream,
        )
        if "." not in relay.hostname and not settings.development:
            log.warning(
                LogEvent.CONFIGURATION_WARNING,
                problem=f"relay.hostname: {relay.hostname} has no dot: set the full host name",
            )
        service_manager.tell_ready()
        await stopping
        service_manager.tell_stopping()
        log.info(
            LogEvent.PROCESS_STOPPING, connections=server.connections + lmtp_server.connections
        )
        await asyncio.gather(server.stop(GRACE_SECONDS), lmtp_server.stop(GRACE_SECONDS))
    log.info(LogEvent.PROCESS_STOPPED)


def _policy(relay: RelaySettings) -> Policy:
    return Policy(
        hostname=relay.hostname,
        max_received=relay.max_received,
        pass_foreign_from=relay.foreign_from == "pass",
        pass_unsigned=relay.unsigned == "bare",
        pass_repeated=relay.repeated_fields == "warn",
        one_signature=relay.profile == "ses",
        unknown=UnknownOutcome(relay.unknown_outcome),
    )


def _times(relay: RelaySettings) -> CopyTimes:
    """Return the time that a message has: that of one copy is its bound too, for the upstream waits
    for the whole.
    """
    return CopyTimes(start=relay.downstream_seconds * _START_SHARE, total=relay.downstream_seconds)


def _signers(settings: Settings) -> dict[BrandId, Signer]:
    """Return what signs for each brand. Raises Misconfigured."""
    profile = Profile(settings.relay.profile)
    return {
        BrandId(name): Signer([_key(key) for key in keys], profile=profile)
        for name, keys in load_keys(settings).items()
    }


def _key(key: LoadedKey) -> DkimKey:
    return DkimKey(
        domain=key.domain,
        selector=key.selector,
        key=SigningKey(key.private),
        canonicalization=BodyMode(key.body_form),
    )


def _shared_ledger(store: RedisStore, settings: Settings) -> RedisLedger:
    return RedisLedger(
        store.connection,
        store.reads,
        replicated=Durability(settings.store.durability) is Durability.REPLICATED,
    )


@asynccontextmanager
async def _counting_copies(store: RedisStore, log: Logger) -> AsyncIterator[Count]:
    """Count copies by campaign for as long as the context is open; write the counts every few
    seconds, and at the end.
    """
    counting = Counting(RedisTallies(store.connection))
    try:
        async with kept_running(Part.COUNTING, counting.run, log):
            yield counting.count
    finally:
        with suppress(StoreUnavailable):  # an overview may miss a few
            await counting.write()


@asynccontextmanager
async def _downstream(relay: RelaySettings) -> AsyncIterator[Downstream]:
    target = Target.parse(
        relay.downstream, user=relay.downstream_user, password=relay.downstream_password.reveal()
    )
    async with Downstream(
        target,
        hostname=relay.hostname,
        size=relay.downstream_connections,
        timeouts=Timeouts(total=relay.downstream_seconds),
        verifying=trusting(relay.downstream_ca_file, key="relay.downstream_ca_file")
        if relay.downstream_ca_file
        else None,
    ) as downstream:
        yield downstream


@asynccontextmanager
async def _probed(downstream: Downstream, log: Logger) -> AsyncIterator[None]:
    """Know what the downstream offers. One that is away does not keep the relay from starting: it
    is asked again until it answers.
    """
    looked = asyncio.Event()
    async with kept_running(Part.PROBE, lambda: _keep_probing(downstream, looked), log):
        with suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_SECONDS):
                await looked.wait()
        yield


async def _keep_probing(downstream: Downstream, looked: asyncio.Event) -> None:
    while True:
        if downstream.may_have_changed():
            with suppress(DownstreamUnavailable):  # logged where it happened
                await downstream.probe()
        looked.set()
        await asyncio.sleep(_PROBE_SECONDS)
