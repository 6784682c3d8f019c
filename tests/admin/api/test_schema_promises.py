"""The API keeps what its OpenAPI document promises: schemathesis asks every operation, by the
document and against it.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.admin.api.lists import LINES
from app.admin.api.openapi import document
from app.admin.api.routes import operations
from tests.admin.api.running import FILE_KEY, plugged, running

_PATIENCE = 30
_OF_RULES = {"rule_violation", "address_invalid", "not_found", "conflict", "invalid_input"}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The address of an API in a loop of its own, since schemathesis waits for its answers."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    address: Future[str] = Future()

    async def serve() -> None:
        try:
            async with running() as api:
                for person in ("left@example.com", "back@example.com"):
                    await api.post(f"/v1/brands/acme/recipients/{person}/unsubscribe")
                await api.post("/v1/brands/acme/groups", {"name": "News"})
                address.set_result(api.base)
                await stop.wait()
        except Exception as exc:  # told to the test, which waits for the address
            if not address.done():
                address.set_exception(exc)
            raise

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield address.result(_PATIENCE)
    loop.call_soon_threadsafe(stop.set)
    thread.join(_PATIENCE)
    loop.close()


def promised() -> dict[str, object]:
    """The document, of an installation whose only brand is acme."""
    made = json.loads(json.dumps(document(operations(plugged().services), version="1")))
    for path in made["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "brand":
                    parameter["schema"] = {"enum": ["acme"]}
    return dict(made)


for media in (*LINES, "text/csv", "text/tab-separated-values", "application/vnd.ms-excel"):
    schemathesis.serializer.alias(media, "text/plain")
_CONFIG = schemathesis.config.SchemathesisConfig.from_dict(
    {"auth": {"openapi": {"key": {"bearer": FILE_KEY}}}}
)
schema = schemathesis.openapi.from_dict(promised(), config=_CONFIG)


@schema.parametrize()
@settings(max_examples=5, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_promises(
    base: str, case: schemathesis.Case[Any]
) -> None:
    """Catalogue E13, L2."""
    answer = case.call(base_url=base)

    case.validate_response(answer, excluded_checks=[positive_data_acceptance])
    if case.meta is not None and case.meta.generation.mode.is_positive:
        # What no schema can say, such as which groups there are, may be refused by a rule; by its
        # form nothing that the schema allows.
        assert answer.status_code < 400 or answer.json()["code"] in _OF_RULES, answer.text
