"""The outermost part of an application: paths in one spelling, and an answer for whatever an
endpoint lets through.

In the place of Starlette's application object, whose three layers of middleware cost a one-click
POST a tenth of its time. A path is read with doubled and trailing slashes removed, so no spelling
of a route needs a redirect.
"""

from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import SignoffError
from app.http.answers import Answer
from app.http.errors import problem, problem_of_status
from app.observe.log import LogEvent, logger

Application = ASGIApp
# the request, its status, further header fields
AnswerOfStatus = Callable[[Scope, int, Mapping[str, str]], Answer]


def as_problem(scope: Scope, status: int, fields: Mapping[str, str]) -> Answer:
    """Return the problem document of a status (RFC 9457)."""
    return problem_of_status(status, **fields)


class Rim:
    """Calls an application that raises: HTTPException for what it does not have, SignoffError for
    what it cannot do.
    """

    def __init__(self, app: Application, *, answer: AnswerOfStatus = as_problem) -> None:
        self._app = app
        self._answer = answer
        self._log = logger("web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            return  # nothing here needs a lifespan, and the guard lets no WebSocket through
        path: str = scope["path"]
        if "//" in path or path[-1:] == "/" or path[:1] != "/":
            scope["path"] = _canonical(path)
        try:
            await self._app(scope, receive, send)
        except HTTPException as exc:
            await self._of_exception(scope, exc)(scope, receive, send)
        except SignoffError as exc:
            await problem(exc)(scope, receive, send)
        except Exception as exc:  # a rim: the text is generic, the log complete
            self._log.error(LogEvent.UNEXPECTED_ERROR, exc_info=exc)
            await self._answer(scope, 500, {})(scope, receive, send)

    def _of_exception(self, scope: Scope, exc: HTTPException) -> Answer:
        allow = (exc.headers or {}).get("Allow", "")
        return self._answer(
            scope, exc.status_code, {"Allow": ", ".join(sorted(allow.split(", ")))} if allow else {}
        )


class Replaceable:
    """An application in whose place another can be put while it serves; requests under way end with
    the one that they began with.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the application of this moment."""
        await self.app(scope, receive, send)


def _canonical(path: str) -> str:
    if path == "*":
        return "/"  # RFC 9112 3.2.4: OPTIONS of the server as a whole
    scheme, absolute, rest = path.partition("://")
    # RFC 9112 3.2.2: a server must take the absolute form
    if absolute and scheme.lower() in {"http", "https"}:
        path = rest.partition("/")[2]
    return "/" + "/".join(part for part in path.split("/") if part)
