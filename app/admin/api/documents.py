"""`/openapi.json` for programs and `/docs` for people: one document, rendered here, with no script
and no request to anybody else.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.admin.api.call import AnyOperation
from app.admin.api.openapi import Json, document
from app.http.answers import Answer, answer

_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'none'"
)
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
code, td { overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .75rem; border: 1px solid; border-radius: .25rem }
section { border-top: 1px solid; margin-top: 1.5rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0 }
.method { font-weight: bold }
@media (max-width: 40rem) { tr, td { display: block } tr { padding: .5rem 0 } td { padding: 0 } }
"""


class Document:
    """Answers with what was made at start."""

    def __init__(self, made: Answer) -> None:
        self._made = made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document."""
        await self._made(scope, receive, send)


def document_routes(operations: Sequence[AnyOperation]) -> list[Route]:
    """Return the routes of both documents. They name no recipient and no secret, so they need no
    key.
    """
    described = document(operations, version=version("signoff"))
    encoded = json.dumps(described, ensure_ascii=False, indent=1).encode()
    return [
        Route("/openapi.json", Document(answer(200, "application/json", encoded)), methods=["GET"]),
        Route(
            "/docs",
            Document(
                answer(
                    200, "text/html; charset=utf-8", page(operations, described).encode(), csp=_CSP
                )
            ),
            methods=["GET"],
        ),
    ]


def page(operations: Sequence[AnyOperation], described: Json) -> str:
    """Return the document as a page."""
    paths = _table(described, "paths")
    index = "".join(
        f'<li><a href="#{one.id}"><code>{one.method} {escape(one.path)}</code></a>'
        f" {escape(one.summary)}"
        for one in operations
    )
    sections = "".join(
        _section(one, _table(_table(paths, one.path), one.method.lower())) for one in operations
    )
    schemas = _table(_table(described, "components"), "schemas")
    models = "".join(_schema(name, schema) for name, schema in schemas.items())
    info = _table(described, "info")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport"'
        f' content="width=device-width, initial-scale=1">'
        f"<title>{escape(str(info['title']))}</title><style>{_STYLE}</style>"
        f"<main><h1>{escape(str(info['title']))}"
        f" {escape(str(info['version']))}</h1><p>{_marked(str(info['description']))}"
        "<p>For programs: <a"
        f' href="/openapi.json">openapi.json</a>.<ul>{index}</ul>{sections}<h2>Bodies</h2>{models}</main></html>'
    )


def _section(operation: AnyOperation, described: Json) -> str:
    listed = described["parameters"]
    parameters = "".join(_parameter(one) for one in listed) if isinstance(listed, list) else ""
    answers = "".join(
        f"<tr><td>{escape(status)}<td>{escape(str(_table(_table(described, 'responses'), status)['description']))}"
        f"<td>{_schema_links(_table(_table(described, 'responses'), status))}"
        for status in sorted(_table(described, "responses"))
    )
    body = _table(described, "requestBody") if "requestBody" in described else {}
    return (
        f'<section id="{operation.id}"><h2><span class="method">{operation.method}</span>'
        f" <code>{escape(operation.path)}</code></h2>"
        f"<p>{escape(operation.summary)}. {_marked(str(described['description']))}"
        + (f"<table><caption>Parameters</caption>{parameters}</table>" if parameters else "")
        + (
            f"<p>Body: {_schema_links(body)} {escape(str(body.get('description', '')))}"
            if body
            else ""
        )
        + f"<table><caption>Answers</caption>{answers}</table></section>"
    )


def _schema(name: str, schema: object) -> str:
    text = escape(json.dumps(schema, indent=1, ensure_ascii=False))
    return (
        f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3><pre'
        f' tabindex="0">{text}</pre></section>'
    )


def _parameter(one: Json) -> str:
    return (
        f"<tr><td><code>{escape(str(one['name']))}</code><td>{escape(str(one['in']))}"
        f"<td>{_marked(str(one.get('description', '')))}"
        f"<td><code>{escape(json.dumps(one['schema'], ensure_ascii=False))}</code>"
    )


def _schema_links(described: Json) -> str:
    links = []
    for media, content in _table(described, "content").items() if "content" in described else ():
        reference = (
            str(_table(content, "schema").get("$ref", ""))
            if isinstance(content, dict) and "schema" in content
            else ""
        )
        name = reference.rpartition("/")[2]
        links.append(
            f"<code>{escape(media)}</code>"
            + (f' <a href="#schema-{escape(name)}">{escape(name)}</a>' if name else "")
        )
    return ", ".join(links)


def _marked(text: str) -> str:
    """Return text with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


def _table(described: Mapping[str, object], name: str) -> Json:
    found = described[name]
    if not isinstance(found, dict):
        raise TypeError(f"{name} is no table")
    return found
