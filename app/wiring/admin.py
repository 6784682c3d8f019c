"""How the admin process is put together: admin API, its documentation, operator's page.

It is a process of its own, so that no query of an operator holds up a click. What its callers state
is made durable as a click is, in a spool of its own and in the store.
"""

import asyncio
from functools import partial

from app.admin import application
from app.admin.api.auth import Authentication
from app.admin.api.routes import api_routes
from app.admin.operator.routes import OperatorParts, operator_routes
from app.core.brands import Brands
from app.core.keyring import Keyring
from app.core.links import LinkMaker
from app.core.operator_session import Sessions
from app.core.token import TokenCodec
from app.http.rim import Application, Replaceable
from app.http.server import ADMIN_LIMITS, Listener, run, serve
from app.observe import log as logs
from app.observe.log import LogEvent, Logger
from app.settings import keyring_file
from app.settings.model import Settings
from app.store.administration import RedisCallCounter, RedisEndedSessions
from app.store.counters import RedisTallies
from app.store.redis import RedisStore
from app.usecases.administration import Administration
from app.usecases.backlog import Backlog
from app.usecases.call_limit import CallLimit
from app.usecases.overview import Overview
from app.usecases.record_statement import RecordStatement
from app.wiring import (
    PATIENCE,
    asked_to_stop,
    brands,
    durability_checks,
    hangups,
    keeping,
    now_ms,
    opened_spool,
    opened_store,
    replaying,
    started,
    stopped,
    token_codec,
)
from app.wiring.administration import admin_services
from app.wiring.backlog import watching_backlog
from app.wiring.belonging import belong
from app.wiring.reload import Records, following


def serve_admin(settings: Settings) -> None:
    """Run the admin process until it is asked to stop."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_admin(settings))


async def _serve_admin(settings: Settings) -> None:
    log = logs.logger("admin")
    # listens at once, so a stop during the start is orderly too
    asked = asyncio.create_task(stopped())
    hung_up = hangups()
    keyring = keyring_file.load(settings.keyring_file)
    known = brands(settings)
    async with (
        opened_store(settings, log, patience=PATIENCE) as store,
        opened_spool(settings, log) as spool,
        replaying(store, spool, log),
        watching_backlog(known, store, spool, log) as backlog,
    ):
        unsubscribe = RecordStatement(store, spool, now_ms, log=log)
        checks = durability_checks(settings, store, spool)

        def private(settings: Settings) -> Application:
            codec = token_codec(settings, keyring)
            services = admin_services(settings, store, unsubscribe, codec, log)
            limit = CallLimit(
                RedisCallCounter(store.connection),
                now_ms,
                per_minute=settings.web.api_calls_per_minute,
            )
            return application.admin(
                checks=checks,
                brands=known,
                api=api_routes(
                    services, Authentication(brands=known, api_keys=services.api_keys, limit=limit)
                ),
                operator=operator_routes(
                    _operator_parts(
                        settings, known, store, services, backlog, keyring, codec, limit, log
                    )
                ),
            )

        admin = Replaceable(private(settings))

        def adopt(reread: Settings, records: Records) -> None:
            known.adopt(records)
            store.keep_addresses_of(keeping(records))
            admin.app = private(reread)

        listeners = {"admin": Listener(admin, settings.web.admin_listen, limits=ADMIN_LIMITS)}
        async with following(
            settings,
            keyring,
            hangups=hung_up,
            adopt=adopt,
            fixed=("web.admin_listen",),
            log=log,
            confirm=partial(belong, store, settings),
        ):
            await serve(
                listeners,
                stop=lambda: asked_to_stop(asked, log),
                bound=lambda addresses: started(log, addresses),
            )
        log.info(LogEvent.PROCESS_STOPPED)


def _operator_parts(  # noqa: PLR0913, PLR0917 - the parts of the process that the page shows
    settings: Settings,
    known: Brands,
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
        overview=Overview(
            tallies=RedisTallies(store.connection), latest=lambda: backlog.latest, clock=now_ms
        ),
        sessions=Sessions(keyring),
        ended=RedisEndedSessions(store.connection),
        limit=limit,
        links=LinkMaker(
            codec=codec, public_url=settings.public_url, inbox_domain=settings.inbox.domain
        ),
        codec=codec,
        brands=known,
        clock=now_ms,
        log=log,
    )
