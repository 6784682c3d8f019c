"""The relay put together out of its parts: the one place that knows how, for the process and for
tests alike.
"""

from collections.abc import Callable, Mapping

from app.core.brands import Brands
from app.core.links import LinkMaker
from app.core.model import BrandId
from app.core.page_links import PageLinkMaker
from app.core.tally import Count
from app.core.token import TokenCodec
from app.observe.log import Logger
from app.usecases.audience import Audience
from app.usecases.auditing import Auditing
from smtp_proxy.downstream.pool import Downstream
from smtp_proxy.relay.dsn import Notifier
from smtp_proxy.relay.finish import Finisher
from smtp_proxy.relay.ledger import Ledger
from smtp_proxy.relay.outgoing import Stamper
from smtp_proxy.relay.policy import Policy
from smtp_proxy.relay.recipients import RecipientReader
from smtp_proxy.relay.relay import Relay
from smtp_proxy.relay.send import Sender
from smtp_proxy.relay.sign import Signer, SigningThread


def build_relay(  # noqa: PLR0913 - what a relay is made of
    *,
    brands: Brands,
    codec: TokenCodec,
    policy: Policy,
    public_url: str,
    inbox_domain: str,
    signers: Mapping[BrandId, Signer],
    signing: SigningThread,
    audience: Audience,
    ledger: Ledger,
    downstream: Downstream,
    sender: Sender,
    count: Count,
    clock: Callable[[], int],
    new_id: Callable[[], str],
    log: Logger,
    auditing: Auditing | None = None,
) -> Relay:
    """Return a relay for one reading of the settings; the parts that outlive it are given."""
    return Relay(
        brands=brands,
        recipients=RecipientReader(identify=codec.digest, audience=audience),
        stamper=Stamper(
            links=LinkMaker(codec=codec, public_url=public_url, inbox_domain=inbox_domain),
            pages=PageLinkMaker(codec=codec, public_url=public_url, inbox_domain=inbox_domain),
            has_groups=audience.has_groups,
            signers=signers,
            signing=signing,
            policy=policy,
            clock=clock,
            new_id=new_id,
            log=log,
        ),
        ledger=ledger,
        sender=sender,
        finisher=Finisher(
            ledger=ledger,
            notifier=Notifier(downstream, hostname=policy.hostname, clock=clock, new_id=new_id),
            identify=codec.digest,
            count=count,
            clock=clock,
            log=log,
            auditing=auditing,
        ),
        policy=policy,
        log=log,
    )
