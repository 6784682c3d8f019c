"""The callback API: what a self-managed brand calls after it has handled a one-click request.

Only a token made for it acts: a managed token, whose URL mail scanners fetch, is refused and does
nothing (catalogue T4). GET acts here because the API is so; HEAD does not, since no caller means
it.

The other data centres of this installation ship home by the same address (`app.core.shipment`): a
POST with a seal is what its body says, at the time and by the way that it says, and nobody looks at
its token.
"""

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.core.model import Purpose, Source
from app.core.shipment import SEAL_FIELD
from app.http.answers import Answer, document
from app.http.errors import problem, problem_of_status
from app.http.requests import read_body
from app.usecases.shipping import TakeShipment
from app.usecases.token_links import TokenLinks
from app.web.token_requests import RefusedToken, TokenRequests

_SEAL = SEAL_FIELD.encode("ascii")
_SUCCESS = document(200, {"status": "success", "message": "The recipient is unsubscribed."})


class CallbackEndpoint:
    """Answers GET and POST on `/v1/emailunsubscribe`; any number of calls with one token do what
    one does.
    """

    def __init__(
        self, *, tokens: TokenRequests, links: TokenLinks, shipments: TakeShipment
    ) -> None:
        self._tokens = tokens
        self._links = links
        self._shipments = shipments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Lets Unavailable pass to the table of errors."""
        if scope["method"] == "HEAD":
            raise HTTPException(405, headers={"Allow": "GET, POST"})
        body = await read_body(receive)
        if body is None:
            return
        seal = next((value for name, value in scope["headers"] if name == _SEAL), b"")
        shipped = seal and scope["method"] == "POST"
        answer = await (
            self._take(scope, body, seal.decode("latin-1")) if shipped else self._leave(scope)
        )
        await answer(scope, receive, send)

    async def _leave(self, scope: Scope) -> Answer:
        opened = self._tokens.open(scope, purpose=Purpose.CALLBACK)
        if isinstance(opened, RefusedToken):
            return _problem(opened)
        await self._links.leave(opened, source=Source.CALLBACK)
        return _SUCCESS

    async def _take(self, scope: Scope, body: bytes, seal: str) -> Answer:
        shipment = self._tokens.open_shipment(scope, body, seal)
        if isinstance(shipment, RefusedToken):
            return _problem(shipment)
        await self._shipments.take(shipment)
        return _SUCCESS


def _problem(refused: RefusedToken) -> Answer:
    return problem_of_status(429, Retry_After="60") if refused.throttled else problem(refused.error)
