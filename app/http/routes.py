"""A table of routes as one application."""

from collections.abc import Sequence

from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send


class Routes:
    """Hands a request to the endpoint of its path. Raises HTTPException for a path or a method that
    no route has.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._router = Router(routes, redirect_slashes=False)
        # found without trying patterns in turn
        self._exact = {route.path: route for route in routes if not route.param_convertors}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["app"] = self  # tells the router to raise what it does not find
        route = self._exact.get(scope["path"])
        await (route.handle if route else self._router)(scope, receive, send)
