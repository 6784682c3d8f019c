"""How the inbox process is put together."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from app import wiring as web_side
from app.core.errors import Misconfigured
from app.core.mail.inbound_mailbox import Mailboxes
from app.core.mail.inbound_parts import MAX_READ_BYTES
from app.core.networks import network_of, networks
from app.http.server import run
from app.http.throttle import Throttle
from app.observe import log as logs
from app.observe import service_manager
from app.observe.log import LogEvent, Logger
from app.settings.model import Settings
from app.settings.types import split_address
from app.store.clock import monotonic_ms
from app.usecases.mailto import Complaints, Mailto
from app.usecases.record_statement import RecordStatement
from app.usecases.token_links import TokenLinks
from app.wiring.backlog import watching_backlog
from app.wiring.belonging import belong
from app.wiring.certificates import server_context
from app.wiring.validation import validated
from smtp_proxy.inbox.cabinet import Cabinet
from smtp_proxy.inbox.door import Door
from smtp_proxy.inbox.intake import Intake
from smtp_proxy.session.config import SessionConfig
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.listener import Server
from smtp_proxy.session.submission import Offers
from smtp_proxy.wiring import health

_GRACE_SECONDS = 10.0  # a statement is decided within five
_MISSES_PER_MINUTE = 120  # unknown recipients from one network
_MAX_RECIPIENTS = 100
_MAX_CONNECTIONS_PER_ADDRESS = 100
# of one mail; the rest is read and dropped, and a mail that has a rest is known by its length
_KEPT_BYTES = MAX_READ_BYTES + 1024
_IN_FLIGHT_BYTES = 64 * _KEPT_BYTES
# a mail exchanger: what may come in is the door's affair
_EVERYBODY = networks(("0.0.0.0/0", "::/0"))

_FIXED_HERE = ("listen", "health_listen", "proxy_networks")
_FIXED = ("store", "state_dir", "spool_dir", "log_level", "log_format")


def serve_inbox(settings: Settings) -> None:
    """Run the inbox until it is asked to stop; mails in flight are finished first."""
    logs.configure(level=settings.log_level, readable=settings.log_format == "readable")
    run(_serve_inbox(settings))


async def _serve_inbox(settings: Settings) -> None:
    log = logs.logger("inbox")
    inbox = settings.inbox
    throttle = Throttle(limit=_MISSES_PER_MINUTE, window_ms=60_000, clock=monotonic_ms)
    # listens at once: who is stopped while it starts still stops its store
    stop = asyncio.create_task(web_side.stopped())
    hangups = web_side.hangups()
    known = web_side.brands(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(web_side.opened_store(settings, log))
        spool = await stack.enter_async_context(web_side.opened_spool(settings, log))
        await stack.enter_async_context(web_side.replaying(store, spool, log))
        await stack.enter_async_context(watching_backlog(known, store, spool, log))
        unsubscribe = RecordStatement(store, spool, web_side.now_ms, log=log)

        def read_again() -> tuple[SessionConfig, Sequence[str]]:
            """Return the terms of the configuration as it is now, and what of it needs a restart.
            Raises Misconfigured.
            """
            reread = validated(inbox=True)
            known.adopt(reread.brand_records())
            return _terms(reread, unsubscribe, throttle, log), _needing_restart(settings, reread)

        await stack.enter_async_context(
            health(inbox.health_listen, web_side.durability_checks(settings, store, spool))
        )
        server = Server(_terms(settings, unsubscribe, throttle, log))
        host, port = await server.start(*split_address(inbox.listen))
        await stack.enter_async_context(
            web_side.reading_again(
                hangups, read_again, server.adopt, log, confirm=partial(belong, store, settings)
            )
        )
        log.info(LogEvent.PROCESS_STARTED, listen=f"{host}:{port}", domain=inbox.domain)
        service_manager.tell_ready()
        await stop
        service_manager.tell_stopping()
        log.info(LogEvent.PROCESS_STOPPING, connections=server.connections)
        await server.stop(_GRACE_SECONDS)
    log.info(LogEvent.PROCESS_STOPPED)


def _terms(
    settings: Settings, unsubscribe: RecordStatement, throttle: Throttle, log: Logger
) -> SessionConfig:
    inbox = settings.inbox
    codec = web_side.token_codec(settings)
    mailto = Mailto(
        codec=codec,
        one_click=TokenLinks(
            codec=codec,
            unsubscribe=unsubscribe,
            clock=web_side.now_ms,
            new_id=lambda: secrets.token_bytes(16),
            seal=codec.seal_address,
            home=web_side.routing(settings, log),
        ),
        mailboxes=Mailboxes(domain=inbox.domain, data_centre=settings.data_centre),
        complaints=Complaints(inbox.complaints),
    )
    return SessionConfig(
        hostname=inbox.domain,
        handler=Intake(mailto=mailto, digest=codec.digest, maildir=_maildir(settings), log=log),
        limits=Limits(
            max_message_bytes=inbox.max_message_bytes,
            max_in_flight_bytes=_IN_FLIGHT_BYTES,
            max_kept_bytes=_KEPT_BYTES,
            max_recipients=_MAX_RECIPIENTS,
            max_connections_per_address=_MAX_CONNECTIONS_PER_ADDRESS,
        ),
        trusted_networks=_EVERYBODY,
        strangers=True,
        proxy_networks=networks(inbox.proxy_networks),
        tls=server_context(inbox.tls_cert_file, inbox.tls_key_file, key="inbox.tls_cert_file")
        if inbox.tls_cert_file
        else None,
        offers=lambda: Offers(smtputf8=True),
        # nothing is handed on from here, so nobody can be misled by a stray CR or LF
        line_endings="normalise",
        recipient_policy=Door(
            mailto=mailto, may_miss=lambda peer: throttle.allows(network_of(peer)), log=log
        ),
        postmaster=f"postmaster@{inbox.domain}",
        log=log,
    )


def _maildir(settings: Settings) -> Cabinet | None:
    folder = settings.inbox.maildir
    try:
        return Cabinet(folder, quota=settings.inbox.maildir_max_bytes) if folder else None
    except OSError as exc:
        raise Misconfigured([f"inbox.maildir: {exc}"]) from exc


def _needing_restart(running: Settings, read: Settings) -> Sequence[str]:
    """Return what has changed and yet does not hold before the next start, one sentence each."""
    keys = [
        f"inbox.{key}"
        for key in _FIXED_HERE
        if getattr(running.inbox, key) != getattr(read.inbox, key)
    ]
    keys += [key for key in _FIXED if getattr(running, key) != getattr(read, key)]
    return [f"{key}: the change needs a restart" for key in keys]
