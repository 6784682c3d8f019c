"""How the web process is put together."""

import asyncio
import ipaddress
import secrets
from collections.abc import Mapping

from app.core.keyring import Keyring
from app.core.links import LinkMaker
from app.core.operator_session import Sessions
from app.core.page_token import PageTokens
from app.core.token import TokenCodec
from app.observe import log as logs
from app.observe import service_manager
from app.observe.log import LogEvent, Logger
from app.observe.witness import LoggingWitness
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.administration import RedisCallCounter
from app.store.counters import RedisTallies
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.usecases.administration import Administration
from app.usecases.audience import Audience
from app.usecases.backlog import Backlog
from app.usecases.call_limit import CallLimit
from app.usecases.group_cache import CachedGroups
from app.usecases.one_click import OneClick
from app.usecases.overview import Overview
from app.usecases.save_preferences import SavePreferences
from app.usecases.shipping import TakeShipment
from app.usecases.unsubscribe import Unsubscribe
from app.web import application
from app.web.admin.entry import Entry
from app.web.admin.table import api_routes
from app.web.desk import PreferenceParts
from app.web.operator.table import OperatorParts, operator_routes
from app.web.server import ServerSettings, run, serve
from app.wiring import (
    brands,
    durability_checks,
    homes,
    now_ms,
    opened_spool,
    opened_store,
    patient_store,
    renewing,
    replaying,
    stopped,
    token_codec,
)
from app.wiring.administration import admin_services
from app.wiring.backlog import watching_backlog


def serve_web(settings: Settings) -> None:
    """Run the web process until it is asked to stop."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_web(settings))


async def _serve_web(settings: Settings) -> None:
    log = logs.logger("web")
    asked = asyncio.create_task(stopped())  # listens at once: who is stopped while it starts still ends in order
    keyring = keyring_file.load(settings.keyring_file)
    codec = token_codec(settings, keyring)
    witness = LoggingWitness(log)
    async with (
        renewing(keyring, settings, log),
        opened_store(settings, log) as store,
        opened_spool(settings, log) as spool,
        replaying(store, spool, witness),
        watching_backlog(settings, store, spool, log) as backlog,
        patient_store(settings) as patient,
    ):
        unsubscribe = Unsubscribe(store, spool, now_ms, witness=witness)
        home = homes(settings, log)
        one_click = OneClick(codec=codec, unsubscribe=unsubscribe, clock=now_ms, new_id=_new_id, seal=codec.seal_address, home=home)
        save = SavePreferences(unsubscribe=unsubscribe, clock=now_ms, new_id=_new_id, seal=codec.seal_address, home=home)
        known = brands(settings)
        services = admin_services(settings, patient, unsubscribe, codec, log)
        limit = _call_limit(settings, patient)
        public = application.public(
            one_click=one_click,
            preferences=_preference_parts(settings, store, save, PageTokens(keyring)),
            shipments=TakeShipment(keyring=keyring, data_centre=settings.data_centre, unsubscribe=unsubscribe),
            brands=known,
            clock=now_ms,
            security_contact=settings.web.security_contact,
            trusted_proxies=tuple(ipaddress.ip_network(network) for network in settings.web.trusted_proxies),
        )
        await serve(
            public,
            application.admin(
                checks=durability_checks(settings, store, spool),
                brands=known,
                api=api_routes(services, Entry(brands=known, api_keys=services.api_keys, limit=limit)),
                operator=operator_routes(_operator_parts(settings, patient, services, backlog, keyring, codec, limit, log)),
            ),
            settings=_server_settings(settings),
            stop=lambda: _asked_to_stop(asked, log),
            bound=lambda addresses: _started(log, addresses),
        )
        log.info(LogEvent.PROCESS_STOPPED)


def _preference_parts(settings: Settings, store: RedisStore, save: SavePreferences, page_tokens: PageTokens) -> PreferenceParts:
    groups = CachedGroups(RedisGroups(store.wire), now_ms)
    return PreferenceParts(
        save=save,
        groups=groups,
        audience=Audience(store, groups),
        page_tokens=page_tokens,
        public_url=settings.public_url,
        new_id=_new_id,
    )


def _call_limit(settings: Settings, store: RedisStore) -> CallLimit:
    return CallLimit(RedisCallCounter(store.wire), now_ms, per_minute=settings.web.api_calls_per_minute)


def _operator_parts(  # noqa: PLR0913, PLR0917 - the parts of the process that the page shows
    settings: Settings,
    store: RedisStore,
    services: Administration,
    backlog: Backlog,
    keyring: Keyring,
    codec: TokenCodec,
    limit: CallLimit,
    log: Logger,
) -> OperatorParts:
    return OperatorParts(
        services=services,
        overview=Overview(tallies=RedisTallies(store.wire), latest=lambda: backlog.latest, clock=now_ms),
        sessions=Sessions(keyring),
        limit=limit,
        links=LinkMaker(codec=codec, public_url=settings.public_url, inbox_domain=settings.inbox.domain),
        codec=codec,
        brands=brands(settings),
        clock=now_ms,
        log=log,
    )


def _new_id() -> bytes:
    return secrets.token_bytes(16)


def _server_settings(settings: Settings) -> ServerSettings:
    return ServerSettings(
        listen=settings.web.listen,
        admin_listen=settings.web.admin_listen,
        tls_listen=settings.web.tls_listen,
        certificate_file=settings.web.tls_cert_file,
        key_file=settings.web.tls_key_file,
    )


def _started(log: Logger, addresses: Mapping[str, str]) -> None:
    log.info(LogEvent.PROCESS_STARTED, **addresses)
    service_manager.tell_ready()


async def _asked_to_stop(asked: asyncio.Task[None], log: Logger) -> None:
    await asked
    service_manager.tell_stopping()
    log.info(LogEvent.PROCESS_STOPPING)
