"""The one table of the operator's page."""

from dataclasses import dataclass

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.admin.operator.deliveries import DeliveryPages
from app.admin.operator.handler import Handler
from app.admin.operator.login import Login
from app.admin.operator.overview import OverviewPages
from app.admin.operator.paths import DELIVERIES, FIELDS, OF_BRAND, PAGES, RECIPIENT
from app.admin.operator.recipient import RecipientPages
from app.admin.operator.render import HOME, SIGN_IN, SIGN_OUT, OperatorRenderer, redirect
from app.admin.operator.samples import SamplePages
from app.admin.operator.sign_in import SignIn, SignOut
from app.core.brands import Brands
from app.core.links import LinkMaker
from app.core.operator_session import Sessions
from app.core.token import TokenCodec
from app.observe.log import Logger
from app.usecases.administration import Administration
from app.usecases.call_limit import CallLimit
from app.usecases.overview import Overview
from app.usecases.ports import Clock, EndedSessions


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
    renderer = OperatorRenderer()
    login = Login(
        api_keys=parts.services.api_keys,
        sessions=parts.sessions,
        ended=parts.ended,
        limit=parts.limit,
        brands=parts.brands,
        clock=parts.clock,
        log=parts.log,
    )
    overview = OverviewPages(renderer, parts.overview, parts.services)
    deliveries, recipient = (
        DeliveryPages(renderer, parts.services),
        RecipientPages(renderer, parts.services),
    )
    samples = SamplePages(renderer, links=parts.links, codec=parts.codec, clock=parts.clock)
    rooms = {
        HOME: Handler(login, renderer, show=overview.brands),
        OF_BRAND: Handler(login, renderer, show=overview.brand),
        DELIVERIES: Handler(login, renderer, show=deliveries.show, act=deliveries.act),
        RECIPIENT: Handler(login, renderer, show=recipient.show, act=recipient.act),
        FIELDS: Handler(login, renderer, show=samples.fields),
        PAGES: Handler(login, renderer, show=samples.pages),
    }
    return [
        Route("/", Root(), methods=["GET"]),
        Route(SIGN_IN, SignIn(login, renderer), methods=["GET", "POST"]),
        Route(SIGN_OUT, SignOut(login, renderer), methods=["POST"]),
        *(Route(path, room, methods=room.methods) for path, room in rooms.items()),
    ]


class Root:
    """Answers `/`: a person who types the listener's address wants the operator's page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead there."""
        await redirect(HOME)(scope, receive, send)
