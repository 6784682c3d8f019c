"""The application of the admin listener: health and metrics, previews of the pages, the admin API,
the operator's page.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector
from starlette.routing import Route

from app.admin.preview import preview_routes
from app.core.brands import Brands
from app.http import health
from app.http.health import Check
from app.http.rim import Application, Rim
from app.http.routes import Routes


def admin(
    *,
    checks: Mapping[str, Check],
    metrics: Collector = REGISTRY,
    brands: Brands | None = None,
    api: Sequence[Route] = (),
    operator: Sequence[Route] = (),
) -> Application:
    """Return the application of the admin listener. `checks` are the places that can make a click
    durable, by name.

    With `brands` there is a preview of their pages. `api` are the routes of the admin API
    (`app.admin.api`), `operator` those of the operator's page (`app.admin.operator`).
    """
    watched = [
        Route(path, endpoint, methods=["GET"])
        for path, endpoint in health.endpoints(checks, metrics=metrics).items()
    ]
    return Rim(Routes([*watched, *(preview_routes(brands) if brands else ()), *api, *operator]))
