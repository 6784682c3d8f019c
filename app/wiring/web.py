"""How the web process is put together: what recipients and mailbox providers reach, and nothing else."""

import asyncio
import ipaddress
import secrets

from app.core.page_token import PageTokens
from app.observe import log as logs
from app.observe.log import LogEvent
from app.observe.witness import LoggingWitness
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.usecases.audience import Audience
from app.usecases.group_cache import CachedGroups
from app.usecases.one_click import OneClick
from app.usecases.save_preferences import SavePreferences
from app.usecases.shipping import TakeShipment
from app.usecases.unsubscribe import Unsubscribe
from app.web import application
from app.web.desk import PreferenceParts
from app.web.server import ServerSettings, public_listeners, run, serve
from app.wiring import (
    asked_to_stop,
    brands,
    durability_checks,
    homes,
    now_ms,
    opened_spool,
    opened_store,
    renewing,
    replaying,
    started,
    stopped,
    token_codec,
)
from app.wiring.backlog import watching_backlog
from app.wiring.health import health_listener


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
        replaying(store, spool, witness, log),
        watching_backlog(settings, store, spool, log),
    ):
        unsubscribe = Unsubscribe(store, spool, now_ms, witness=witness)
        home = homes(settings, log)
        one_click = OneClick(codec=codec, unsubscribe=unsubscribe, clock=now_ms, new_id=_new_id, seal=codec.seal_address, home=home)
        save = SavePreferences(unsubscribe=unsubscribe, clock=now_ms, new_id=_new_id, seal=codec.seal_address, home=home)
        public = application.public(
            one_click=one_click,
            preferences=_preference_parts(settings, store, save, PageTokens(keyring)),
            shipments=TakeShipment(keyring=keyring, data_centre=settings.data_centre, unsubscribe=unsubscribe),
            brands=brands(settings),
            clock=now_ms,
            security_contact=settings.web.security_contact,
            trusted_proxies=tuple(ipaddress.ip_network(network) for network in settings.web.trusted_proxies),
        )
        listeners = public_listeners(public, _server_settings(settings))
        listeners["health"] = health_listener(settings.web.health_listen, durability_checks(settings, store, spool))
        await serve(listeners, stop=lambda: asked_to_stop(asked, log), bound=lambda addresses: started(log, addresses))
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


def _new_id() -> bytes:
    return secrets.token_bytes(16)


def _server_settings(settings: Settings) -> ServerSettings:
    return ServerSettings(
        listen=settings.web.listen,
        tls_listen=settings.web.tls_listen,
        certificate_file=settings.web.tls_cert_file,
        key_file=settings.web.tls_key_file,
    )
