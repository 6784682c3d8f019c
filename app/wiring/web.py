"""How the web process is put together."""

import ipaddress
import secrets
from collections.abc import Mapping

from app.core.errors import SpoolUnavailable
from app.observe import log as logs
from app.observe.log import LogEvent, Logger
from app.observe.witness import LoggingWitness
from app.settings.model import Settings
from app.usecases.one_click import OneClick
from app.usecases.unsubscribe import Unsubscribe
from app.web import application
from app.web.server import ServerSettings, run, serve
from app.wiring import brands, now_ms, opened_spool, opened_store, replaying, stopped, token_codec


def serve_web(settings: Settings) -> None:
    """Run the web process until it is asked to stop."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_web(settings))


async def _serve_web(settings: Settings) -> None:
    log = logs.logger("web")
    codec = token_codec(settings)
    witness = LoggingWitness(log)
    async with opened_store(settings, log) as store, opened_spool(settings, log) as spool, replaying(store, spool, witness):
        one_click = OneClick(
            codec=codec,
            unsubscribe=Unsubscribe(store, spool, now_ms, witness=witness),
            clock=now_ms,
            new_id=lambda: secrets.token_bytes(16),
            seal=codec.seal_address,
        )
        public = application.public(
            one_click=one_click,
            brands=brands(settings),
            clock=now_ms,
            security_contact=settings.web.security_contact,
            trusted_proxies=tuple(ipaddress.ip_network(network) for network in settings.web.trusted_proxies),
        )
        checks = {"store": store.ping} | ({"spool": spool.ping if spool else _no_spool} if settings.spool_dir else {})
        await serve(
            public,
            application.admin(checks=checks),
            settings=_server_settings(settings),
            stop=stopped,
            bound=lambda addresses: _started(log, addresses),
        )
        log.info(LogEvent.PROCESS_STOPPED)


async def _no_spool() -> None:
    raise SpoolUnavailable("the spool could not be opened when the process started")


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
