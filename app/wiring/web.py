"""How the web process is put together: what recipients and mailbox providers reach, and nothing
else.
"""

import asyncio
import secrets
from functools import partial

from app.core.brands import Brands
from app.core.keyring import Keyring
from app.core.networks import networks
from app.http.rim import Application, Replaceable
from app.http.server import ServerSettings, public_listeners, run, serve
from app.observe import log as logs
from app.observe.log import LogEvent, Logger
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.clock import monotonic_ms
from app.store.groups import RedisGroups
from app.store.redis import RedisStore
from app.usecases.group_cache import CachedGroups
from app.usecases.record_statement import RecordStatement
from app.wiring import (
    asked_to_stop,
    brands,
    durability_checks,
    hangups,
    keeping,
    now_ms,
    opened_spool,
    opened_store,
    replaying,
    routing,
    started,
    stopped,
    token_codec,
)
from app.wiring.backlog import watching_backlog
from app.wiring.belonging import belong
from app.wiring.build_web import build_web
from app.wiring.health import health_listener
from app.wiring.reload import Records, following

_new_id = partial(secrets.token_bytes, 16)  # of a statement
_FIXED = ("web.listen", "web.tls_listen", "web.health_listen")


def serve_web(settings: Settings) -> None:
    """Run the web process until it is asked to stop."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_web(settings))


async def _serve_web(settings: Settings) -> None:
    log = logs.logger("web")
    # listens at once: who is stopped while it starts still ends in order
    asked = asyncio.create_task(stopped())
    hung_up = hangups()
    keyring = keyring_file.load(settings.keyring_file)
    known = brands(settings)
    async with (
        opened_store(settings, log) as store,
        opened_spool(settings, log) as spool,
        replaying(store, spool, log),
        watching_backlog(known, store, spool, log),
    ):
        unsubscribe = RecordStatement(store, spool, now_ms, log=log)
        public = Replaceable(_public(settings, keyring, known, store, unsubscribe, log))
        listeners = public_listeners(public, _server_settings(settings))
        listeners["health"] = health_listener(
            settings.web.health_listen, durability_checks(settings, store, spool)
        )

        def adopt(reread: Settings, records: Records) -> None:
            known.adopt(records)
            store.keep_addresses_of(keeping(records))
            if reread.web.tls_cert_file and "public_tls" in listeners:
                listeners["public_tls"].show(reread.web.tls_cert_file, reread.web.tls_key_file)
            public.app = _public(reread, keyring, known, store, unsubscribe, log)

        async with following(
            settings,
            keyring,
            hangups=hung_up,
            adopt=adopt,
            fixed=_FIXED,
            log=log,
            confirm=partial(belong, store, settings),
        ):
            await serve(
                listeners,
                stop=lambda: asked_to_stop(asked, log),
                bound=lambda addresses: started(log, addresses),
            )
        log.info(LogEvent.PROCESS_STOPPED)


def _public(  # noqa: PLR0913, PLR0917 - what a configuration is made an application with
    settings: Settings,
    keyring: Keyring,
    known: Brands,
    store: RedisStore,
    record: RecordStatement,
    log: Logger,
) -> Application:
    return build_web(
        keyring=keyring,
        codec=token_codec(settings, keyring),
        data_centre=settings.data_centre,
        record=record,
        store=store,
        groups=CachedGroups(RedisGroups(store.connection), monotonic_ms),
        brands=known,
        home=routing(settings, log),
        clock=now_ms,
        new_id=_new_id,
        public_url=settings.public_url,
        security_contact=_security_contact(settings),
        trusted_proxies=networks(settings.web.trusted_proxies),
        log=log,
    )


def _security_contact(settings: Settings) -> str:
    """Return whom security.txt names: whom the settings name, else the postmaster whom the inbox's
    domain must have (RFC 5321 4.5.1).
    """
    postmaster = f"mailto:postmaster@{settings.inbox.domain}" if settings.inbox.domain else ""
    return settings.web.security_contact or postmaster


def _server_settings(settings: Settings) -> ServerSettings:
    return ServerSettings(
        listen=settings.web.listen,
        tls_listen=settings.web.tls_listen,
        certificate_file=settings.web.tls_cert_file,
        key_file=settings.web.tls_key_file,
    )
