"""The composition root: what every process builds out of its settings; one module beside this for
each process.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from app.core.brands import Brands
from app.core.errors import Misconfigured, SpoolUnavailable, StoreUnavailable
from app.core.keyring import Keyring
from app.core.links import token_room
from app.core.model import Brand, BrandNumber
from app.core.token import MAX_TOKEN_CHARS, TokenCodec
from app.observe import service_manager
from app.observe.background import Part, kept_running
from app.observe.log import LogEvent, Logger
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.embedded import EmbeddedStore
from app.store.redis import Durability, RedisStore
from app.store.spool import SqliteSpool
from app.store.spool_probe import SpoolState, probe
from app.usecases.ports import Spool
from app.usecases.replay import Replayer
from app.usecases.routing import Routing
from app.wiring.belonging import belonging

T = TypeVar("T")

PATIENCE = 5.0  # seconds the store may take where no click waits for it


def now_ms() -> int:
    """Return the time as every record holds it: UTC milliseconds since 1970, and 1970 itself by a
    clock that stands before it.
    """
    return max(0, time.time_ns() // 1_000_000)


def token_codec(settings: Settings, keyring: Keyring | None = None) -> TokenCodec:
    """Return the codec of this installation's tokens. Raises Misconfigured when no keyring is given
    and the file cannot be read.
    """
    room = min(MAX_TOKEN_CHARS, token_room(settings.public_url))
    return TokenCodec(
        keyring=keyring or keyring_file.load(settings.keyring_file),
        data_centre=settings.data_centre,
        max_chars=room,
    )


def successor(running: Keyring, settings: Settings) -> Keyring:
    """Return the keyring as its file is now. Raises Misconfigured, also for one by which nobody
    would be found any more.
    """
    keyring = keyring_file.load(settings.keyring_file)
    if not keyring.is_successor_of(running):
        raise Misconfigured(
            [
                f"keyring_file: {settings.keyring_file}: the pepper has changed: every recipient"
                " would be a stranger"
            ]
        )
    if changed := keyring.changed_keys(running):
        raise Misconfigured(
            [
                f"keyring_file: {settings.keyring_file}: key {key_id} has other bytes than before:"
                " links sent by it would not open; add new keys under new ids"
                for key_id in changed
            ]
        )
    return keyring


def brands(settings: Settings) -> Brands:
    """Return the brands as the rules know them."""
    return Brands(settings.brand_records())


def routing(settings: Settings, log: Logger) -> Routing:
    """Return who knows to which data centre a statement is to be shipped."""
    return Routing(own=settings.data_centre, listed=settings.data_centres, log=log)


@asynccontextmanager
async def opened_store(  # noqa: PLR0913 - what a process or a command needs of its store
    settings: Settings,
    log: Logger,
    *,
    patience: float = 0.3,
    writable_only: bool = False,
    serving: bool = True,
    checked: bool = True,
) -> AsyncIterator[RedisStore]:
    """Open the configured store, or the embedded one, which is then started, watched over, and
    stopped by its last user.

    `patience` is what one exchange may take, in seconds: short for a click, which the spool saves;
    longer where only the store knows. `writable_only`: no states from a server that takes no
    writes, for what people say meanwhile is in spools. A `serving` process goes on looking whether
    the store belongs to its keyring. Raises Misconfigured when it does not, also later: then the
    process is stopped first. What is not `checked` here, the caller checks.
    """
    store = _redis_store(settings, patience, writable_only=writable_only)
    embedded = None if settings.store.url else EmbeddedStore(settings.state_dir / "store")
    async with AsyncExitStack() as stack:
        if embedded:
            stack.push_async_callback(_released, embedded, log)
            await _unless_away(embedded.ensured(), log)
            await stack.enter_async_context(kept_running(Part.STORE_WATCH, embedded.supervise, log))
        stack.push_async_callback(store.close)
        if checked:
            await _check(store, settings, log)
        if serving:
            await stack.enter_async_context(belonging(store, log))
        yield store


def _redis_store(settings: Settings, patience: float, *, writable_only: bool = False) -> RedisStore:
    return RedisStore(
        _store_url(settings),
        durability=Durability(settings.store.durability),
        timeout=patience,
        addresses_of=keeping(settings.brand_records()),
        writable_only=writable_only,
        identity=keyring_file.load(settings.keyring_file).identity(),
    )


def keeping(brands: Iterable[Brand]) -> frozenset[BrandNumber]:
    """Return the numbers of the brands whose records keep the sealed addresses."""
    return frozenset(brand.number for brand in brands if brand.store_addresses)


def _store_url(settings: Settings) -> str:
    return (
        settings.store.url.reveal()
        if settings.store.url
        else EmbeddedStore(settings.state_dir / "store").url
    )


async def _unless_away(done: Awaitable[object], log: Logger) -> None:
    """Start or end the embedded store: one that hangs keeps no process from starting, nor from an
    orderly end.
    """
    try:
        await done
    except (StoreUnavailable, OSError) as exc:
        log.error(LogEvent.STORE_FAILED, reason=str(exc))


async def _released(embedded: EmbeddedStore, log: Logger) -> None:
    await _unless_away(asyncio.to_thread(embedded.release), log)


async def _check(store: RedisStore, settings: Settings, log: Logger) -> None:
    """Check layout and server settings. A store that is away does not keep a process from starting:
    the spool takes the clicks.
    """
    try:
        warnings = await store.start(development=settings.development)
    except StoreUnavailable as exc:
        log.error(LogEvent.STORE_FAILED, reason=str(exc))
        return
    for warning in warnings:
        log.warning(LogEvent.CONFIGURATION_WARNING, problem=warning)


async def store_warnings(settings: Settings) -> tuple[str, ...]:
    """Return what weakens the store's promises. Raises StoreUnavailable, or Misconfigured when it
    cannot be used at all.
    """
    embedded = None if settings.store.url else EmbeddedStore(settings.state_dir / "store")
    if embedded:
        await asyncio.to_thread(embedded.ensure)
    store = _redis_store(settings, PATIENCE)
    try:
        return await store.start(development=settings.development)
    finally:
        await store.close()
        if embedded:
            await asyncio.to_thread(embedded.release)


@asynccontextmanager
async def opened_spool(settings: Settings, log: Logger) -> AsyncIterator[SqliteSpool | None]:
    """Open the spool, if there is to be one and the disk lets us."""
    if settings.spool_dir is None:
        log.warning(
            LogEvent.CONFIGURATION_WARNING,
            problem="spool_dir is unset: a click while the store is away is answered 503",
        )
        yield None
        return
    try:
        spool = SqliteSpool(settings.spool_dir)
    # a volume that has turned read-only must not take the clicks away that the store could keep
    except Misconfigured as exc:
        log.error(LogEvent.SPOOL_FAILED, reason=str(exc))
        yield None
        return
    try:
        yield spool
    finally:
        await spool.close()


def spool_state(settings: Settings) -> SpoolState | None:
    """Return what a look at the spool's folder shows, after a real append; None when there is to be
    no spool. Blocks for a moment.
    """
    return probe(settings.spool_dir) if settings.spool_dir else None


def durability_checks(
    settings: Settings, store: RedisStore, spool: SqliteSpool | None
) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return what tells, by name, whether each place that makes statements durable can do so now; a
    spool only where one is wanted.
    """
    checks: dict[str, Callable[[], Awaitable[object]]] = {"store": store.ping}
    if settings.spool_dir:
        checks["spool"] = spool.ping if spool else _no_spool
    return checks


async def _no_spool() -> None:
    raise SpoolUnavailable("the spool could not be opened when the process started")


@asynccontextmanager
async def replaying(store: RedisStore, spool: Spool | None, log: Logger) -> AsyncIterator[None]:
    """Bring the spool's rows to the store for as long as the context is open."""
    if spool is None:
        yield
        return
    async with kept_running(Part.REPLAY, Replayer(store, spool, log).run, log):
        yield


async def stopped() -> None:
    """Return when the process is asked to stop (SIGTERM, or Ctrl-C)."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, asked.set)
    await asked.wait()


def started(log: Logger, addresses: Mapping[str, str]) -> None:
    """Say that the process is ready, and where it listens."""
    log.info(LogEvent.PROCESS_STARTED, **addresses)
    service_manager.tell_ready()


async def asked_to_stop(asked: asyncio.Task[None], log: Logger) -> None:
    """Return when `asked` ends, which is a task of `stopped`, and say that the process is
    stopping.
    """
    await asked
    service_manager.tell_stopping()
    log.info(LogEvent.PROCESS_STOPPING)


def hangups() -> asyncio.Event:
    """Return an event that SIGHUP sets from now on, instead of ending the process."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    return asked


@asynccontextmanager
async def reading_again(
    hangups: asyncio.Event,
    read: Callable[[], tuple[T, Sequence[str]]],
    adopt: Callable[[T], None],
    log: Logger,
    *,
    confirm: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[None]:
    """Read the configuration again at each hangup for as long as the context is open.

    `read` runs in a thread; it returns the new whole and warnings about it. `confirm` says whether
    the store agrees. Either raises Misconfigured: then every problem is logged, and what runs goes
    on as it is.
    """

    async def obey() -> None:
        while True:
            await hangups.wait()
            hangups.clear()
            service_manager.tell_reloading(time.monotonic_ns() // 1000)
            try:
                reread, warnings = await asyncio.to_thread(read)
                if confirm:
                    await confirm()
            except Misconfigured as exc:
                log.error(LogEvent.CONFIGURATION_REFUSED, problems=list(exc.problems))
            else:
                adopt(reread)
                for warning in warnings:
                    log.warning(LogEvent.CONFIGURATION_WARNING, problem=warning)
                log.info(LogEvent.CONFIGURATION_RELOADED)
            service_manager.tell_ready()

    async with kept_running(Part.CONFIGURATION, obey, log):
        yield
