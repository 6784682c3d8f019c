"""What a request says, checked: query and JSON body against their models, every fault by its place,
and never the faulty value itself.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_origin
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.types import Receive

from app.admin.api.call import Model

M = TypeVar("M", bound=Model)

BYTES = "application/octet-stream"

_MOST_PARAMETERS = 200
_MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One thing that is wrong, and where."""

    place: str
    message: str


class BadRequest(Exception):
    """A request that cannot be taken, with the status of its answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[FieldFault] = (),
        *,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.fields = dict(fields or {})


class ClientGone(Exception):
    """Nobody is there any more to be answered."""


def read_query(query: bytes, model: type[M]) -> M:
    """Return the parameters of a query. A parameter may stand more than once only where the model
    wants a list. Raises BadRequest.
    """
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as exc:  # UnicodeDecodeError is one
        raise BadRequest(400, "The query is not UTF-8, or has too many parameters.") from exc
    found: dict[str, str | list[str]] = {}
    for name, value in pairs:
        known = model.model_fields.get(name)
        if known is not None and get_origin(known.annotation) in (list, tuple):
            found.setdefault(name, [])
            found[name] = [*found[name], value]
        elif name in found:
            raise BadRequest(
                422,
                "The query is not valid.",
                [FieldFault(f"query.{name}", "given more than once")],
            )
        else:
            found[name] = value
    try:
        return model.model_validate(found, strict=False)
    except ValidationError as exc:
        raise BadRequest(422, "The query is not valid.", _faults("query", exc)) from exc


def read_json(body: bytes, model: type[M]) -> M:
    """Return the content of a JSON body. An empty one is an empty object. Raises BadRequest."""
    try:
        return model.model_validate_json(body.strip() or b"{}")
    except ValidationError as exc:
        if any(
            error["type"] == "json_invalid"
            for error in exc.errors(include_url=False, include_input=False)
        ):
            raise BadRequest(400, "The body is not JSON.") from exc
        raise BadRequest(422, "The body is not valid.", _faults("body", exc)) from exc


def check_media(fields: Mapping[str, str], taken: Sequence[str]) -> None:
    """Raise BadRequest 415 unless the body says that it is of one of these media types; one that
    says nothing is bytes (RFC 9110 8.3).
    """
    is_there = fields.get("content-length", "0") != "0" or "transfer-encoding" in fields
    said = fields.get("content-type", "").partition(";")[0].strip().lower() or (
        BYTES if is_there else ""
    )
    if said not in taken:
        raise BadRequest(
            415, f"The body must be {' or '.join(taken)}.", fields={"Accept_Post": ", ".join(taken)}
        )
    if fields.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        # RFC 9110 15.5.16
        raise BadRequest(
            415, "The body must not be compressed.", fields={"Accept_Encoding": "identity"}
        )


async def body_pieces(receive: Receive, *, most: int) -> AsyncIterator[bytes]:
    """Yield the body as it comes. Raises BadRequest 413 when it is longer than `most` bytes,
    ClientGone when it breaks off.
    """
    seen, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        seen += len(piece)
        if seen > most:
            raise BadRequest(413, f"The body is longer than {most} bytes.")
        if piece:
            yield piece


def _faults(where: str, error: ValidationError) -> list[FieldFault]:
    found = error.errors(include_url=False, include_input=False, include_context=False)[
        :_MOST_FAULTS
    ]
    return [
        FieldFault(
            ".".join([where, *(str(part) for part in one["loc"])]),
            one["msg"].removeprefix("Value error, "),
        )
        for one in found
    ]
