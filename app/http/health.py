"""Health and metrics, on listeners of their own and on the admin listener (catalogue L11). Asking
never changes anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import Unavailable
from app.http.answers import answer, document
from app.http.rim import Rim

# returns when the part answers, raises Unavailable when it does not
Check = Callable[[], Awaitable[object]]

_CHECK_SECONDS = 1.0


def application(checks: Mapping[str, Check], *, metrics: Collector = REGISTRY) -> ASGIApp:
    """Return the application that answers health and metrics and nothing else.

    `checks` are the places that can make a click durable, by name; `metrics` those of this process,
    unless a supervisor tells those of its workers.
    """
    return Rim(_Paths(endpoints(checks, metrics=metrics)))


def endpoints(checks: Mapping[str, Check], *, metrics: Collector = REGISTRY) -> dict[str, ASGIApp]:
    """Return what answers each path of health and metrics."""
    return {"/livez": Live(), "/readyz": Ready(checks), "/metrics": Metrics(metrics)}


class _Paths:
    """Hands a GET to the endpoint of its path, without the routing that only the processes with
    many routes need.
    """

    def __init__(self, endpoints: Mapping[str, ASGIApp]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"])
        if endpoint is None:
            raise HTTPException(404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        await endpoint(scope, receive, send)


class Live:
    """Answers `/livez`: the loop turns."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200."""
        await document(200, {"status": "live"})(scope, receive, send)


class Ready:
    """Answers `/readyz`: 200 while at least one of the places that can make a click durable
    answers, else 503; says which do.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one word for each check."""
        words = await asyncio.gather(*(_word(check) for check in self._checks.values()))
        ready = "ok" in words
        content = {
            "status": "ready" if ready else "not ready",
            "checks": dict(zip(self._checks, words, strict=True)),
        }
        await document(200 if ready else 503, content)(scope, receive, send)


async def _word(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except Unavailable as exc:
        return exc.code
    except TimeoutError:
        return "no answer in time"
    return "ok"


class Metrics:
    """Answers `/metrics` in the Prometheus text format."""

    def __init__(self, metrics: Collector) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with every metric."""
        await answer(200, CONTENT_TYPE_LATEST, generate_latest(self._metrics))(scope, receive, send)
