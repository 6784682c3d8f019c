"""The one table of the admin API: its routes, the OpenAPI document and the page for people are made
of it.
"""

from collections.abc import Sequence

from starlette.routing import Route

from app.admin.api.auth import Authentication
from app.admin.api.call import AnyOperation
from app.admin.api.documents import document_routes
from app.admin.api.groups import GroupEndpoints
from app.admin.api.lists import ListEndpoints
from app.admin.api.operators import OperatorEndpoints
from app.admin.api.recipients import RecipientEndpoints
from app.usecases.administration import Administration


def operations(services: Administration) -> Sequence[AnyOperation]:
    """Return the table, in the order in which people read it."""
    parts = (GroupEndpoints, RecipientEndpoints, ListEndpoints, OperatorEndpoints)
    return [operation for part in parts for operation in part(services).operations()]


def api_routes(services: Administration, entry: Authentication) -> list[Route]:
    """Return the routes of the API and of its documents."""
    table = operations(services)
    return [*entry.routes(table), *document_routes(table)]
