"""The callback API: what a self-managed brand calls after it has handled a one-click request (seed 004).

Only a token made for it acts: a managed token, whose URL mail scanners fetch, is refused and does nothing (catalogue T4). GET acts here
because the API is so; HEAD does not, since no caller means it.
"""

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.core.model import Purpose, Source
from app.web.answers import Answer, document
from app.web.endpoints.one_click import read_body
from app.web.errors import problem, problem_of_status
from app.web.gate import Gate, Refused

_SUCCESS = document(200, {"status": "success", "message": "The recipient is unsubscribed."})


class CallbackEndpoint:
    """Answers GET and POST on `/v1/emailunsubscribe`; any number of calls with one token do what one does."""

    def __init__(self, *, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Lets Unavailable pass to the table of errors."""
        if scope["method"] == "HEAD":
            raise HTTPException(405, headers={"Allow": "GET, POST"})
        if await read_body(receive) is None:
            return
        answer = await self._answer(scope)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Answer:
        opened = self._gate.open(scope, purpose=Purpose.CALLBACK)
        if isinstance(opened, Refused):
            return problem_of_status(429, Retry_After="60") if opened.throttled else problem(opened.error)
        await self._gate.leave(opened, source=Source.CALLBACK)
        return _SUCCESS
