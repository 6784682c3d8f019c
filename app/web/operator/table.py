"""The one table of the operator's page."""

from dataclasses import dataclass

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.core.brands import Brands
from app.core.links import LinkMaker
from app.core.operator_session import Sessions
from app.core.token import TokenCodec
from app.observe.log import Logger
from app.usecases.administration import Administration
from app.usecases.call_limit import CallLimit
from app.usecases.overview import Overview
from app.usecases.ports import Clock, EndedSessions
from app.web.operator.deliveries import DeliveryPages
from app.web.operator.door import Door
from app.web.operator.frame import HOME, SIGN_IN, SIGN_OUT, OperatorFrame, redirect
from app.web.operator.overview import OverviewPages
from app.web.operator.paths import DELIVERIES, FIELDS, OF_BRAND, PAGES, RECIPIENT
from app.web.operator.recipient import RecipientPages
from app.web.operator.room import Room
from app.web.operator.samples import SamplePages
from app.web.operator.sign_in import SignIn, SignOut


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorParts:
    """What the operator's page is made with."""

    services: Administration
    overview: Overview
    sessions: Sessions
    ended: EndedSessions
    limit: CallLimit
    links: LinkMaker
    codec: TokenCodec
    brands: Brands
    clock: Clock
    log: Logger


def operator_routes(parts: OperatorParts) -> list[Route]:
    """Return the routes of the operator's page, for the admin listener; its root leads there."""
    frame = OperatorFrame()
    door = Door(
        api_keys=parts.services.api_keys,
        sessions=parts.sessions,
        ended=parts.ended,
        limit=parts.limit,
        brands=parts.brands,
        clock=parts.clock,
        log=parts.log,
    )
    overview = OverviewPages(frame, parts.overview, parts.services)
    deliveries, recipient = DeliveryPages(frame, parts.services), RecipientPages(frame, parts.services)
    samples = SamplePages(frame, links=parts.links, codec=parts.codec, clock=parts.clock)
    rooms = {
        HOME: Room(door, frame, show=overview.brands),
        OF_BRAND: Room(door, frame, show=overview.brand),
        DELIVERIES: Room(door, frame, show=deliveries.show, act=deliveries.act),
        RECIPIENT: Room(door, frame, show=recipient.show, act=recipient.act),
        FIELDS: Room(door, frame, show=samples.fields),
        PAGES: Room(door, frame, show=samples.pages),
    }
    return [
        Route("/", Root(), methods=["GET"]),
        Route(SIGN_IN, SignIn(door, frame), methods=["GET", "POST"]),
        Route(SIGN_OUT, SignOut(door, frame), methods=["POST"]),
        *(Route(path, room, methods=room.methods) for path, room in rooms.items()),
    ]


class Root:
    """Answers `/`: a person who types the listener's address wants the operator's page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead there."""
        await redirect(HOME)(scope, receive, send)
