"""The one table of the admin API: its routes, the OpenAPI document and the page for people are made of it."""

from collections.abc import Sequence

from starlette.routing import Route

from app.usecases.administration import Administration
from app.web.admin.call import AnyOperation
from app.web.admin.documents import document_routes
from app.web.admin.entry import Entry
from app.web.admin.groups import GroupEndpoints
from app.web.admin.lists import ListEndpoints
from app.web.admin.operators import OperatorEndpoints
from app.web.admin.recipients import RecipientEndpoints


def operations(services: Administration) -> Sequence[AnyOperation]:
    """Return the table, in the order in which people read it."""
    parts = (GroupEndpoints, RecipientEndpoints, ListEndpoints, OperatorEndpoints)
    return [operation for part in parts for operation in part(services).operations()]


def api_routes(services: Administration, entry: Entry) -> list[Route]:
    """Return the routes of the API and of its documents."""
    table = operations(services)
    return [*entry.routes(table), *document_routes(table)]
