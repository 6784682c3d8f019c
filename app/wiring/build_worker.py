"""What a worker is made of; for the worker process and for tests."""

from collections.abc import Callable, Collection, Mapping, Sequence

from app.core import shipment
from app.core.errors import SignerUnavailable, StoreUnavailable
from app.core.keyring import Keyring
from app.core.model import BrandNumber
from app.core.shipment import home_of
from app.core.tally import Count
from app.core.token import TokenCodec
from app.core.webhook import (
    ENDPOINT_GONE_MS,
    SCHEDULE,
    Delivery,
    Endpoint,
    EndpointKey,
    ReceiverAnswer,
)
from app.observe.log import Logger
from app.outbound.webhooks import WebhookClient, WebhookRequest
from app.usecases.delivery_ports import Crew, Deliveries, WorkQueue
from app.usecases.group_cache import CachedGroups
from app.worker.breaker import Breaker
from app.worker.endpoint_queue import Send
from app.worker.scheduler import Scheduler
from app.worker.shipping import Shipper
from app.worker.webhook_request import DeliveryEvents, request_of
from app.worker.worker import Pace, Worker


def build_worker(  # noqa: PLR0913 - what a worker is made of
    *,
    name: str,
    client: WebhookClient,
    keyring: Keyring,
    codec: TokenCodec,
    data_centre: int,
    work: WorkQueue,
    deliveries: Deliveries,
    crew: Crew,
    groups: CachedGroups,
    endpoints: Mapping[EndpointKey, Endpoint],
    brands: Collection[BrandNumber],
    self_managed: Collection[BrandNumber],
    tally: Count,
    clock: Callable[[], int],
    chance: Callable[[], float],
    pace: Pace,
    log: Logger,
    dated_by: Callable[[], int] | None = None,
    schedule: Sequence[float] = SCHEDULE,
    home_schedule: Sequence[float] = shipment.SCHEDULE,
    breaker: Callable[[], Breaker] = Breaker,
    gone_ms: int = ENDPOINT_GONE_MS,
) -> tuple[Scheduler, Worker]:
    """Return a worker, and the scheduler of its deliveries. `dated_by` dates signatures, which
    receivers compare with their own time; `clock` unless given.
    """
    events = DeliveryEvents(codec=codec, groups=groups)
    dated_by = dated_by or clock
    shipper = Shipper(keyring=keyring, data_centre=data_centre, clock=dated_by)
    scheduler = Scheduler(
        endpoints=endpoints,
        deliveries=deliveries,
        send=_parting(sender(client, events, clock=dated_by), _shipping(client, shipper)),
        clock=clock,
        chance=chance,
        log=log,
        schedule=schedule,
        home_schedule=home_schedule,
        breaker=breaker,
        gone_ms=gone_ms,
    )
    worker = Worker(
        name=name,
        work=work,
        deliveries=deliveries,
        crew=crew,
        scheduler=scheduler,
        endpoints=endpoints,
        brands=brands,
        self_managed=self_managed,
        tally=tally,
        clock=clock,
        log=log,
        pace=pace,
    )
    return scheduler, worker


def sender(
    client: WebhookClient,
    delivery_events: DeliveryEvents,
    *,
    clock: Callable[[], int],
) -> Send:
    """Return what sends a batch of deliveries to an endpoint; `clock` dates the signature, which
    receivers compare with theirs.
    """

    async def send(endpoint: Endpoint, deliveries: Sequence[Delivery]) -> ReceiverAnswer:
        try:
            events = await delivery_events.events(endpoint, deliveries)
        except StoreUnavailable:
            return ReceiverAnswer(reason="the names of the groups cannot be read now")
        body, fields = request_of(endpoint, events, at_ms=clock())
        return await client.post(endpoint, WebhookRequest(body=body, fields=fields))

    return send


def _shipping(client: WebhookClient, shipper: Shipper) -> Send:
    """Return what ships one statement to its home data centre."""

    async def send(endpoint: Endpoint, deliveries: Sequence[Delivery]) -> ReceiverAnswer:
        (delivery,) = deliveries
        try:
            home, body, fields = shipper.request(endpoint, delivery.statement)
        except SignerUnavailable as exc:
            return ReceiverAnswer(reason=str(exc))
        return await client.post(home, WebhookRequest(body=body, fields=fields))

    return send


def _parting(tell: Send, ship: Send) -> Send:
    """Return what sends each delivery by its own way: events to brands, statements home."""
    return lambda endpoint, deliveries: (ship if home_of(endpoint.key) else tell)(
        endpoint, deliveries
    )
