"""The OpenAPI document is whole, and the page for people needs nothing from anywhere else."""

import re
from collections.abc import Iterator

from app.admin.api.routes import operations
from tests.admin.api.running import Api, plugged

OPERATIONS = operations(plugged().services)


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for child in part.values():
            yield from references(child)
    elif isinstance(part, list):
        for child in part:
            yield from references(child)


async def test_every_operation_is_described_with_its_scope_answers_and_problems(api: Api) -> None:
    document = (await api.get("/openapi.json", key="")).json

    described = {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }
    assert "3.1.0" == document["openapi"]
    assert {(one.path, one.method) for one in OPERATIONS} == described
    assert len({one.id for one in OPERATIONS}) == len(OPERATIONS)
    for one in OPERATIONS:
        told = document["paths"][one.path][one.method.lower()]
        assert [{"key": [one.scope.value]}] == told["security"]
        assert {str(status) for status in one.answers} | {
            "400",
            "401",
            "403",
            "422",
            "429",
            "500",
            "503",
        } <= told["responses"].keys()
        assert set(re.findall(r"{(\w+)}", one.path)) == {
            p["name"] for p in told["parameters"] if p["in"] == "path"
        }


async def test_every_reference_in_the_document_leads_somewhere(api: Api) -> None:
    document = (await api.get("/openapi.json", key="")).json

    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}

    assert names and names <= document["components"]["schemas"].keys()


async def test_the_page_tells_everything_and_loads_nothing(api: Api) -> None:
    reply = await api.get("/docs", key="")

    text = reply.body.decode()
    assert (200, "text/html; charset=utf-8") == (reply.status, reply.fields["content-type"])
    assert all(f'id="{one.id}"' in text and one.path in text for one in OPERATIONS)
    assert not re.search(r"<script|<link|<img|<iframe|src=|@import|url\(|https?://", text)
    assert reply.fields["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )


async def test_a_link_on_the_page_leads_to_something_on_it(api: Api) -> None:
    text = (await api.get("/docs", key="")).body.decode()

    targets = set(re.findall(r'href="#([^"]+)"', text))

    assert targets and targets <= set(re.findall(r'id="([^"]+)"', text))
