"""The OpenAPI 3.1 document, made of the table and its models: nothing in it is written a second
time.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic.json_schema import models_json_schema

from app.admin.api.call import JSON_BODY_BYTES, AnyOperation, Model, NoBody
from app.admin.api.responses import Problem
from app.http.errors import RETRY_AFTER_SECONDS

Json = dict[str, object]

_REFERENCE = "#/components/schemas/{model}"
_PARAMETERS: Mapping[str, Json] = {
    "brand": {
        "description": "the brand's id",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"},
    },
    "address": {
        "description": "the recipient's address, percent-encoded",
        "schema": {"type": "string", "format": "email"},
    },
    "group": {
        "description": "the group's id, or its name",
        "schema": {"type": "string", "minLength": 1, "maxLength": 100},
    },
    "key": {
        "description": "the key's id",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    },
    "import_id": {
        "description": "the id of the import, as its answer and the list of imports have it",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    },
}
_PROBLEMS = {
    400: "The request cannot be read.",
    401: "A valid API key is missing.",
    403: "The API key does not give the right to do this.",
    404: "There is no such thing.",
    408: "The request came too slowly.",
    409: "This has changed since it was read, or is taken.",
    413: "The body is too long.",
    415: "The body is of another media type.",
    422: "Something in the request is not valid; `errors` says what.",
    429: "Too many requests with this key.",
    431: "The head of the request is too long.",
    500: "Something went wrong on our side.",
    503: "The store cannot answer now; try again later.",
}


def document(operations: Sequence[AnyOperation], *, version: str) -> Json:
    """Return the document."""
    models = {model for operation in operations for model in _models(operation)} | {Problem}
    _, definitions = models_json_schema(
        [
            (model, "serialization" if model.__module__.endswith(".views") else "validation")
            for model in sorted(models, key=_name)
        ],
        ref_template=_REFERENCE,
    )
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Signoff admin API",
            "version": version,
            "description": (
                "Who may be written to, and who has unsubscribed. Every request needs an API key:"
                " `Authorization: Bearer so_…`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key; its scopes say what it may do",
                }
            },
        },
        "security": [{"key": []}],
    }


def problem_statuses(operation: AnyOperation) -> tuple[int, ...]:
    """Return the statuses of the problems that an operation may answer with."""
    found = {400, 401, 403, 422, 429, 431, 500, 503, *operation.problems}
    if "{" in operation.path:
        found |= {404}
    if operation.takes_body:
        found |= {408, 413, 415}
    return tuple(sorted(found))


def _models(operation: AnyOperation) -> set[type[Model]]:
    answers = {model for model in operation.answers.values() if model is not None}
    return answers | ({operation.body} if operation.body is not NoBody else set())


def _name(model: type[Model]) -> str:
    return model.__name__


def _operation(operation: AnyOperation) -> Json:
    described: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": " ".join(
            part
            for part in (operation.description, f"Needs the scope `{operation.scope}`.")
            if part
        ),
        "tags": [_tag(operation.path)],
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(operation),
            *_field_parameters(operation),
        ],
        "responses": {
            **{
                str(status): _answer(operation, status, model)
                for status, model in operation.answers.items()
            },
            **{str(status): _problem(status) for status in problem_statuses(operation)},
        },
        "security": [{"key": [operation.scope.value]}],
    }
    if operation.takes_body:
        described["requestBody"] = _body(operation)
    return described


def _tag(path: str) -> str:
    return path.split("/")[4] if path.count("/") > 3 else "brands"  # noqa: PLR2004 - /v1/brands/{brand}/TAG


def _path_parameters(operation: AnyOperation) -> list[Json]:
    names = re.findall(r"{(\w+)}", operation.path)
    return [{"name": name, "in": "path", "required": True, **_PARAMETERS[name]} for name in names]


def _query_parameters(operation: AnyOperation) -> list[Json]:
    properties = operation.query.model_json_schema(ref_template=_REFERENCE)
    definitions = properties.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            **_described(_present(schema, definitions)),
        }
        for name, schema in properties.get("properties", {}).items()
    ]


def _present(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """Return the schema of a parameter that is there: an absent one is simply not sent, so null is
    none of its values.
    """
    choices = schema.get("anyOf")
    one = (
        next((choice for choice in choices if choice != {"type": "null"}), {})
        if isinstance(choices, list)
        else schema
    )
    merged = {
        **one,
        **{
            name: value
            for name, value in schema.items()
            if name not in ("anyOf", "title", "default")
        },
    }
    reference = merged.pop("$ref", None)
    named = definitions[str(reference).rpartition("/")[2]] if reference else {}
    return {name: value for name, value in {**named, **merged}.items() if name != "title"}


def _described(schema: Json) -> Json:
    description = schema.pop("description", None)
    return {"schema": schema} | ({"description": description} if description else {})


def _field_parameters(operation: AnyOperation) -> list[Json]:
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in operation.fields.items()
    ]


def _body(operation: AnyOperation) -> Json:
    if operation.body_media:
        # bytes as they are: 3.1 says so by no schema
        content: Json = {media: {} for media in operation.body_media}
        return {
            "required": True,
            "content": content,
            "description": f"At most {operation.body_bytes} bytes.",
        }
    needed = any(field.is_required() for field in operation.body.model_fields.values())
    limit = (
        "" if operation.body_bytes == JSON_BODY_BYTES else f"At most {operation.body_bytes} bytes."
    )
    content = {
        "application/json": {"schema": {"$ref": _REFERENCE.format(model=_name(operation.body))}}
    }
    return {"required": needed, "content": content} | ({"description": limit} if limit else {})


def _answer(operation: AnyOperation, status: int, model: type[Model] | None) -> Json:
    described: Json = {"description": (model.__doc__ or "").split("\n")[0] if model else "Done."}
    if model is not None:
        described["content"] = {
            "application/json": {"schema": {"$ref": _REFERENCE.format(model=_name(model))}},
            **{media: {"schema": {"type": "string"}} for media in operation.media},
        }
    if operation.answer_fields:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in operation.answer_fields.items()
        }
    return described


def _problem(status: int) -> Json:
    # refused on the wire, before there is a request to answer
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return {"description": _PROBLEMS[status]}
    described: Json = {
        "description": _PROBLEMS[status],
        "content": {
            "application/problem+json": {
                "schema": {"$ref": _REFERENCE.format(model=_name(Problem))}
            }
        },
    }
    fields = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
    if status in fields:
        text = (
            f"seconds until the next try, such as {RETRY_AFTER_SECONDS}"
            if fields[status] == "Retry-After"
            else "the Bearer challenge"
        )
        described["headers"] = {fields[status]: {"description": text, "schema": {"type": "string"}}}
    return described
