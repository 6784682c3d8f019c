"""The way into the API: who calls, whether they may and how often, what they say; then the
operation; then its answer or a problem.

1. A missing, malformed, unknown or revoked key gets one and the same 401 (catalogue L8), before
   anything else of the request is looked at.
2. Then the key is counted, over all nodes (Q10): beyond the limit 429, with the seconds until the
   next try.
3. Then its right: the operation's scope, and the brand of the path. A brand that does not exist is
   403 too, but for the installation's key.
4. Errors of what the caller says are problem documents (RFC 9457) that name the place; the caller
   is an operator, so they get its text too.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.admin.api.call import AnyOperation, Call, Model, Sendable
from app.admin.api.reading import (
    BadRequest,
    ClientGone,
    body_pieces,
    check_media,
    read_json,
    read_query,
)
from app.core.api_key import ApiKey
from app.core.brands import Brands
from app.core.errors import AddressInvalid, InvalidInput
from app.core.model import BrandId
from app.http.answers import answer
from app.http.errors import problem, problem_of_status
from app.usecases.api_keys import ApiKeys
from app.usecases.call_limit import CallLimit

_JSON = ("application/json",)
_CHALLENGE = 'Bearer realm="signoff"'


class AddressConvertor(Convertor[str]):
    """An address in a path: a slash may stand in its local part (it comes decoded), and none behind
    the @, where other names begin.
    """

    regex = "(?s:.*@)?[^/]*"

    def convert(self, value: str) -> str:
        """Return the text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the text as it is."""
        return value


register_url_convertor("address", AddressConvertor())


class Authentication:
    """What every path of the API shares."""

    def __init__(self, *, brands: Brands, api_keys: ApiKeys, limit: CallLimit) -> None:
        self._brands = brands
        self._api_keys = api_keys
        self._limit = limit

    def routes(self, operations: Sequence[AnyOperation]) -> list[Route]:
        """Return one route a path, which knows all its methods: so 405 tells the true ones
        (catalogue E13).
        """
        paths = dict.fromkeys(operation.path for operation in operations)
        routes = []
        for path in paths:
            own = {
                operation.method: operation for operation in operations if operation.path == path
            }
            route = path.replace("{address}", "{address:address}")
            routes.append(Route(route, _Path(self, own), methods=[*own, "OPTIONS"]))
        return routes

    async def answer(self, operation: AnyOperation, scope: Scope, receive: Receive) -> Sendable:
        """Return the answer to one request. Raises ClientGone when there is nobody to get it."""
        fields = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        key = await self._api_keys.recognise(_bearer(fields.get("authorization", "")))
        if key is None:
            return problem_of_status(401, WWW_Authenticate=_CHALLENGE)
        pause = await self._limit.pause(key.id)
        if pause:
            return problem_of_status(429, Retry_After=str(pause))
        if operation.scope not in key.scopes:
            return problem_of_status(403, {"detail": f"The key lacks the scope {operation.scope}."})
        try:
            return await self._answer(operation, key, fields, scope, receive)
        except BadRequest as exc:
            faults = [{"place": fault.place, "message": fault.message} for fault in exc.faults]
            return problem_of_status(
                exc.status,
                {"detail": exc.detail} | ({"errors": faults} if faults else {}),
                **exc.fields,
            )
        except InvalidInput as exc:
            return problem(exc, {"detail": str(exc)})

    async def _answer(
        self,
        operation: AnyOperation,
        key: ApiKey,
        fields: dict[str, str],
        scope: Scope,
        receive: Receive,
    ) -> Sendable:
        def pieces() -> AsyncIterator[bytes]:
            return body_pieces(receive, most=operation.body_bytes)

        # a route without parameters is found by its path alone
        path = dict(scope.get("path_params", {}))
        call = Call(
            key=key,
            brands=self._brands,
            path=path,
            fields=fields,
            head=scope["method"] == "HEAD",
            pieces=pieces,
        )
        if "brand" in path:
            if not key.covers(BrandId(path["brand"])):
                return problem_of_status(403, {"detail": "The key is of another brand."})
            call = replace(call, of_brand=self._brands.by_id(BrandId(path["brand"])))
        if "address" in path:
            call = replace(call, path={**path, "address": _address(scope)})
        query = read_query(scope["query_string"], operation.query)
        body = await self._body(operation, fields, pieces)
        return await operation.endpoint(call, query, body)

    async def _body(
        self,
        operation: AnyOperation,
        fields: dict[str, str],
        pieces: Callable[[], AsyncIterator[bytes]],
    ) -> Model:
        model: type[Model] = operation.body
        if operation.body_media:
            check_media(fields, operation.body_media)
            return model()
        whole = b"".join([piece async for piece in pieces()])
        if not operation.takes_body and not whole:
            return model()
        if whole:
            check_media(fields, _JSON)
        return read_json(whole, model)


class _Path:
    """One path of the API, with its methods."""

    def __init__(self, entry: Authentication, operations: dict[str, AnyOperation]) -> None:
        self._entry = entry
        self._operations = operations
        self._allow = ", ".join(
            sorted({*operations, "OPTIONS", *({"HEAD"} if "GET" in operations else ())})
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await answer(204, "text/plain", b"", Allow=self._allow)(scope, receive, send)
            return
        operation = self._operations["GET" if scope["method"] == "HEAD" else scope["method"]]
        try:
            answered = await self._entry.answer(operation, scope, receive)
            await answered(scope, receive, send)
        except ClientGone:
            return


def _bearer(field: str) -> str:
    """Return the key of an Authorization field (RFC 6750 2.1); empty for another scheme."""
    scheme, _, text = field.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _address(scope: Scope) -> str:
    """Return the address in the path, from the path as it was sent: there alone a slash in a local
    part differs from one between names.
    """
    segments = [
        segment for segment in scope["raw_path"].partition(b"/v1/brands/")[2].split(b"/") if segment
    ]
    decoded = [unquote_to_bytes(segment) for segment in segments]
    names = scope["path"].count("/") - scope["path_params"]["address"].count("/")
    if len(segments) < 3 or len(segments) + 2 != names:  # noqa: PLR2004 - brand, `recipients`, address
        raise HTTPException(404)
    try:
        return decoded[2].decode()
    except UnicodeDecodeError as exc:
        raise AddressInvalid("the address is not UTF-8") from exc
