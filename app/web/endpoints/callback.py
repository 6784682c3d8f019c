"""The callback API: what a self-managed brand calls after it has handled a one-click request (seed 004).

Only a token made for it acts: a managed token, whose URL mail scanners fetch, is refused and does nothing (catalogue T4). GET acts here
because the API is so; HEAD does not, since no caller means it.

The other data centres of this installation ship home by the same address (`app.core.shipment`): a POST with a seal is what its body says,
at the time and by the way that it says, and nobody looks at its token.
"""

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.core.model import Purpose, Source
from app.core.shipment import SEAL_FIELD
from app.web.answers import Answer, document
from app.web.endpoints.one_click import read_body
from app.web.errors import problem, problem_of_status
from app.web.gate import Gate, Refused

_SEAL = SEAL_FIELD.encode("ascii")
_SUCCESS = document(200, {"status": "success", "message": "The recipient is unsubscribed."})


class CallbackEndpoint:
    """Answers GET and POST on `/v1/emailunsubscribe`; any number of calls with one token do what one does."""

    def __init__(self, *, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Lets Unavailable pass to the table of errors."""
        if scope["method"] == "HEAD":
            raise HTTPException(405, headers={"Allow": "GET, POST"})
        body = await read_body(receive)
        if body is None:
            return
        seal = next((value for name, value in scope["headers"] if name == _SEAL), b"")
        shipped = seal and scope["method"] == "POST"
        answer = await (self._take(scope, body, seal.decode("latin-1")) if shipped else self._leave(scope))
        await answer(scope, receive, send)

    async def _leave(self, scope: Scope) -> Answer:
        opened = self._gate.open(scope, purpose=Purpose.CALLBACK)
        if isinstance(opened, Refused):
            return _problem(opened)
        await self._gate.leave(opened, source=Source.CALLBACK)
        return _SUCCESS

    async def _take(self, scope: Scope, body: bytes, seal: str) -> Answer:
        shipment = self._gate.open_shipment(scope, body, seal)
        if isinstance(shipment, Refused):
            return _problem(shipment)
        await self._gate.take(shipment)
        return _SUCCESS


def _problem(refused: Refused) -> Answer:
    return problem_of_status(429, Retry_After="60") if refused.throttled else problem(refused.error)
