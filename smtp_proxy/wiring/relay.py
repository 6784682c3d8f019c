"""How the relay process is put together."""

import asyncio
import ipaddress
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

from app import wiring as web_side
from app.core.errors import DownstreamUnavailable, Misconfigured
from app.core.links import LinkMaker
from app.core.mail.dkim import BodyMode
from app.core.model import BrandId
from app.observe import log as logs
from app.observe.log import LogEvent, Logger
from app.settings.model import RelaySettings, Settings
from app.settings.types import split_address
from app.usecases.audience import STATES_SECONDS, Audience
from app.web.server import run
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.downstream.target import Target
from smtp_proxy.relay.dispatch import Dispatch
from smtp_proxy.relay.pipeline import Pipeline, Policy
from smtp_proxy.relay.signing import DkimKey, Signer, SigningKey
from smtp_proxy.relay.signing_thread import SigningThread
from smtp_proxy.session.credentials import Account, Credentials
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.listener import Server
from smtp_proxy.session.terms import Terms
from smtp_proxy.wiring import health

GRACE_SECONDS = 25.0  # within Kubernetes' usual 30
_PROBE_SECONDS = 2.0


def serve_relay(settings: Settings) -> None:
    """Run the relay until it is asked to stop; mails in flight are finished first."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_relay(settings))


async def _serve_relay(settings: Settings) -> None:
    log = logs.logger("relay")
    relay = settings.relay
    _check(settings)
    stop = asyncio.create_task(web_side.stopped())  # listens at once: who is stopped while it starts still stops its store
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(web_side.opened_store(settings, log, patience=STATES_SECONDS))
        downstream = await stack.enter_async_context(_downstream(relay))
        await stack.enter_async_context(_probed(downstream))
        pipeline = Pipeline(
            brands=web_side.brands(settings),
            links=LinkMaker(codec=web_side.token_codec(settings), public_url=settings.public_url, inbox_domain=settings.inbox.domain),
            audience=Audience(store),
            signers=_signers(settings),
            dispatch=Dispatch(downstream, stack.enter_context(closing(SigningThread()))),
            policy=_policy(relay),
            clock=web_side.now_ms,
            new_id=lambda: secrets.token_hex(12),
            log=log,
        )
        server = Server(_terms(settings, pipeline, downstream, log))
        await stack.enter_async_context(health(relay.health_listen, {"store": store.ping}))
        host, port = await server.start(*split_address(relay.listen))
        log.info(LogEvent.PROCESS_STARTED, listen=f"{host}:{port}", downstream=relay.downstream)
        await stop
        log.info(LogEvent.PROCESS_STOPPING, connections=server.connections)
        await server.stop(GRACE_SECONDS)
    log.info(LogEvent.PROCESS_STOPPED)


def _check(settings: Settings) -> None:
    """Make every part whose settings may be wrong once, and raise Misconfigured with all that they say: before anything is started."""
    parts: tuple[Callable[[], object], ...] = (
        lambda: _refuse_own_address(settings.relay),
        lambda: _verifying(settings.relay),
        lambda: _server_tls(settings.relay),
        lambda: web_side.token_codec(settings),
        lambda: _signers(settings),
    )
    problems: list[str] = []
    for make in parts:
        try:
            make()
        except Misconfigured as exc:
            problems += exc.problems
    if problems:
        raise Misconfigured(problems)


def _terms(settings: Settings, pipeline: Pipeline, downstream: Downstream, log: Logger) -> Terms:
    relay = settings.relay
    accounts = {
        user: Account(brand=BrandId(name), password_hash=password)
        for name, brand in settings.brands.items()
        for user, password in brand.smtp_users.items()
    }
    return Terms(
        hostname=relay.hostname,
        handler=pipeline.relay,
        limits=Limits(
            max_message_bytes=relay.max_message_bytes,
            max_in_flight_bytes=relay.max_in_flight_bytes,
            max_recipients=relay.max_recipients,
            max_connections=relay.max_connections,
        ),
        trusted_networks=tuple(ipaddress.ip_network(network) for network in relay.trusted_networks),
        authenticator=Credentials(accounts) if accounts else None,
        tls=_server_tls(relay),
        smtputf8=lambda: downstream.capabilities.smtputf8,
        line_endings=relay.line_endings,
        long_lines=relay.long_lines,
        one_recipient=relay.recipients == "one",
        log=log,
    )


def _policy(relay: RelaySettings) -> Policy:
    return Policy(
        hostname=relay.hostname,
        max_received=relay.max_received,
        pass_foreign_from=relay.foreign_from == "pass",
        pass_unsigned=relay.unsigned == "bare",
    )


def _signers(settings: Settings) -> dict[BrandId, Signer]:
    problems: list[str] = []
    signers: dict[BrandId, Signer] = {}
    for name, brand in settings.brands.items():
        keys = []
        for number, dkim in enumerate(brand.dkim):
            try:
                key = SigningKey.from_pem(dkim.key_file.read_bytes())
            except (OSError, Misconfigured) as exc:
                problems.append(f"brands.{name}.dkim.{number}.key_file: {dkim.key_file}: {exc}")
            else:
                mode = BodyMode(dkim.canonicalization.partition("/")[2])
                keys.append(DkimKey(domain=dkim.domain, selector=dkim.selector, key=key, canonicalization=mode))
        if len(keys) < len(brand.dkim):
            continue
        try:
            signers[BrandId(name)] = Signer(keys)
        except Misconfigured as exc:
            problems += [f"brands.{name}.dkim: {problem}" for problem in exc.problems]
    if problems:
        raise Misconfigured(problems)
    return signers


@asynccontextmanager
async def _downstream(relay: RelaySettings) -> AsyncIterator[Downstream]:
    target = Target.parse(relay.downstream, user=relay.downstream_user, password=relay.downstream_password)
    async with Downstream(target, hostname=relay.hostname, size=relay.downstream_connections, verifying=_verifying(relay)) as downstream:
        yield downstream


def _verifying(relay: RelaySettings) -> ssl.SSLContext | None:
    if relay.downstream_ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=relay.downstream_ca_file)
    except OSError as exc:
        raise Misconfigured([f"relay.downstream_ca_file: {relay.downstream_ca_file}: {exc}"]) from exc


@asynccontextmanager
async def _probed(downstream: Downstream) -> AsyncIterator[None]:
    """Learn what the downstream offers. One that is away does not keep the relay from starting: it is asked again until it answers."""
    first = asyncio.create_task(_probe(downstream))
    await asyncio.wait({first}, timeout=_PROBE_SECONDS)
    try:
        yield
    finally:
        await web_side.cancelled(first)


async def _probe(downstream: Downstream) -> None:
    while True:
        try:
            return await downstream.probe()
        except DownstreamUnavailable:  # logged where it happened
            await asyncio.sleep(_PROBE_SECONDS)


def _refuse_own_address(relay: RelaySettings) -> None:
    """Catch the simplest loop before the first mail runs into it (catalogue X8, C6)."""
    target = Target.parse(relay.downstream, user=relay.downstream_user, password=relay.downstream_password)
    host, port = split_address(relay.listen)
    own = {host, "localhost", "127.0.0.1", "::1"} if host in {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::"} else {host}  # noqa: S104
    if target.port == port and target.host in own:
        raise Misconfigured([f"relay.downstream: {relay.downstream} is the relay itself"])


def _server_tls(relay: RelaySettings) -> ssl.SSLContext | None:
    if relay.tls_cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(relay.tls_cert_file, relay.tls_key_file, password="")  # else an encrypted key asks the terminal
    except OSError as exc:
        raise Misconfigured([f"relay.tls_cert_file: {relay.tls_cert_file}, {relay.tls_key_file}: {exc}"]) from exc
    return context
