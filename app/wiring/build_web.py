"""What the public application is made of; for the web process, for tests and for measurements."""

from collections.abc import Callable, Iterable

from app.core.brands import Brands
from app.core.keyring import Keyring
from app.core.networks import Network
from app.core.page_token import PageTokens
from app.core.token import TokenCodec
from app.http.rim import Application
from app.observe.log import Logger
from app.usecases.audience import Audience
from app.usecases.group_cache import GroupReader
from app.usecases.ports import Clock, Store
from app.usecases.record_statement import RecordStatement
from app.usecases.routing import HomeOf, here
from app.usecases.save_preferences import SavePreferences
from app.usecases.shipping import TakeShipment
from app.usecases.token_links import TokenLinks
from app.web import application
from app.web.preference_request import PreferenceParts


def build_web(  # noqa: PLR0913 - what the public application is made of
    *,
    keyring: Keyring,
    codec: TokenCodec,
    data_centre: int,
    record: RecordStatement,
    store: Store,
    groups: GroupReader,
    brands: Brands,
    clock: Clock,
    new_id: Callable[[], bytes],
    public_url: str,
    log: Logger,
    home: HomeOf = here,
    security_contact: str = "",
    trusted_proxies: Iterable[Network] = (),
    bad_tokens_per_minute: int = application.BAD_TOKENS_PER_MINUTE,
) -> Application:
    """Return the public application for one reading of the settings. `record` makes durable what
    recipients state, and outlives it as store and brands do.
    """
    return application.public(
        one_click=TokenLinks(
            codec=codec,
            unsubscribe=record,
            clock=clock,
            new_id=new_id,
            seal=codec.seal_address,
            home=home,
        ),
        preferences=PreferenceParts(
            save=SavePreferences(
                unsubscribe=record,
                clock=clock,
                new_id=new_id,
                seal=codec.seal_address,
                home=home,
            ),
            groups=groups,
            audience=Audience(store, groups),
            page_tokens=PageTokens(keyring),
            public_url=public_url,
            new_id=new_id,
        ),
        shipments=TakeShipment(
            keyring=keyring, data_centre=data_centre, unsubscribe=record, log=log
        ),
        brands=brands,
        clock=clock,
        security_contact=security_contact,
        trusted_proxies=trusted_proxies,
        bad_tokens_per_minute=bad_tokens_per_minute,
    )
