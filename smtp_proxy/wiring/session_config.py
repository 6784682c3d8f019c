"""What the sessions of the relay are held to, out of its settings."""

from dataclasses import replace
from functools import partial

from app.core.model import BrandId
from app.core.networks import networks
from app.observe.log import Logger
from app.settings.model import Settings
from app.wiring.certificates import server_context
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.session.accounts import Account, Accounts
from smtp_proxy.session.config import Handler, SessionConfig
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.submission import Offers


def relay_sessions(
    settings: Settings, handler: Handler, downstream: Downstream, log: Logger
) -> SessionConfig:
    """Return what every new session is held to. Raises Misconfigured."""
    relay = settings.relay
    accounts = {
        user: Account(brand=BrandId(name), password_hash=password.reveal())
        for name, brand in settings.brands.items()
        for user, password in brand.smtp_users.items()
    }
    return SessionConfig(
        hostname=relay.hostname,
        handler=handler,
        limits=Limits(
            max_message_bytes=relay.max_message_bytes,
            max_in_flight_bytes=relay.max_in_flight_bytes,
            max_recipients=relay.max_recipients,
            max_connections=relay.max_connections,
            max_connections_per_address=relay.max_connections_per_address,
        ),
        trusted_networks=networks(relay.trusted_networks),
        proxy_networks=networks(relay.proxy_networks),
        xclient_networks=networks(relay.xclient_networks),
        authenticator=Accounts(accounts) if accounts else None,
        tls=server_context(relay.tls_cert_file, relay.tls_key_file, key="relay.tls_cert_file")
        if relay.tls_cert_file
        else None,
        offers=partial(_offers, downstream),
        line_endings=relay.line_endings,
        long_lines=relay.long_lines,
        one_recipient=relay.recipients == "one",
        log=log,
    )


def lmtp_sessions(config: SessionConfig) -> SessionConfig:
    """Return the same for the LMTP listener. It says one reply a recipient, so each message may
    have many.
    """
    return replace(config, lmtp=True, one_recipient=False)


def _offers(downstream: Downstream) -> Offers:
    known = downstream.capabilities
    return Offers(eightbit=known.eightbit, smtputf8=known.smtputf8, dsn=known.dsn)
