"""One address of the operator's page: who may come in, which forms are taken, and what is shown
when something cannot be done.

A handler is made of two functions: one shows the page, for GET; one acts on a form of our own page,
for POST. Before either come, in this order: the session, the key's limit and its right to read, the
brand of the path, and for a form its origin, its size, and the session's text in it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from app.admin.operator.login import Login, Operator
from app.admin.operator.render import SIGN_IN, OperatorRenderer, redirect
from app.core.api_key import KeyScope
from app.core.errors import InvalidInput, SignoffError
from app.core.model import Brand
from app.http.answers import Answer
from app.http.errors import HTTP_STATUS, RETRY_AFTER_SECONDS
from app.http.forms import Fields, Refusal, read_form

FORM_TOKEN = "form"  # noqa: S105 - the name of a field


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """One request by somebody who may make it. `of_brand` is None where the path names none."""

    operator: Operator
    query: Mapping[str, str]
    of_brand: Brand | None

    @property
    def brand(self) -> Brand:
        """Return the brand that the path names."""
        if self.of_brand is None:  # a defect of the table of routes
            raise LookupError("this path names no brand")
        return self.of_brand

    @property
    def may_write(self) -> bool:
        """Tell whether the key may change anything."""
        return self.operator.may(KeyScope.WRITE)


Show = Callable[[OperatorRequest], Awaitable[Answer]]
Act = Callable[[OperatorRequest, Fields], Awaitable[Answer]]

_NO_BRAND = 404, "There is no such brand", "Or the key with which you signed in is of another one."
_REFUSALS = {
    Refusal.FOREIGN: (
        403,
        "This form is not of this page",
        "Another site sent it. Nothing was done.",
    ),
    Refusal.TOO_LARGE: (413, "This form is too large", "Nothing was done."),
    Refusal.MALFORMED: (400, "This form cannot be read", "Nothing was done."),
}


class Handler:
    """Answers GET, HEAD and POST on one path."""

    def __init__(
        self, login: Login, renderer: OperatorRenderer, *, show: Show, act: Act | None = None
    ) -> None:
        self._login = login
        self._renderer = renderer
        self._show = show
        self._act = act

    @property
    def methods(self) -> list[str]:
        """Return the methods of the route."""
        return ["GET", "POST"] if self._act else ["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        form = await read_form(scope, receive, own_origin="") if scope["method"] == "POST" else None
        if form is Refusal.GONE:
            return
        try:
            operator = await self._login.admit(scope)
            answer = (
                self._login.with_session(
                    await self._admitted(scope, operator, form), operator, scope
                )
                if operator
                else redirect(SIGN_IN)
            )
        except SignoffError as exc:
            answer = trouble_of(self._renderer, exc, None)
        await answer(scope, receive, send)

    async def _admitted(
        self, scope: Scope, operator: Operator, form: Fields | Refusal | None
    ) -> Answer:
        pause = await self._login.pause(operator)
        if pause:
            return trouble(
                self._renderer,
                429,
                "Too many requests with this key",
                "Wait a moment.",
                operator,
                Retry_After=str(pause),
            )
        if not operator.may(KeyScope.READ):
            return trouble(
                self._renderer,
                403,
                "This key may not read",
                "Sign in with one that has the scope read.",
                operator,
            )
        named = scope["path_params"].get("brand") if "path_params" in scope else None
        brand = next((brand for brand in operator.brands if brand.id == named), None)
        if named is not None and brand is None:
            return trouble(self._renderer, *_NO_BRAND, operator)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        visit = OperatorRequest(operator=operator, query=query, of_brand=brand)
        try:
            return await self._answer(visit, form)
        except SignoffError as exc:
            return trouble_of(self._renderer, exc, operator)

    async def _answer(self, visit: OperatorRequest, form: Fields | Refusal | None) -> Answer:
        if form is None or self._act is None:
            return await self._show(visit)
        if isinstance(form, Refusal):
            return trouble(self._renderer, *_REFUSALS[form], visit.operator)
        if not self._login.is_own_form(visit.operator, form.one(FORM_TOKEN)):
            return trouble(
                self._renderer,
                403,
                "This form is of an earlier session",
                "Nothing was done. Open the page again.",
                visit.operator,
            )
        return await self._act(visit, form)


def trouble(
    renderer: OperatorRenderer,
    status: int,
    title: str,
    text: str,
    operator: Operator | None,
    **fields: str,
) -> Answer:
    """Return a page that says why not."""
    return renderer.page(
        "trouble",
        {"operator": operator, "brand": None, "title": title, "detail": text},
        status=status,
        **fields,
    )


def trouble_of(
    renderer: OperatorRenderer, error: SignoffError, operator: Operator | None
) -> Answer:
    """Return the page of an error. Who is in is an operator, who gets the text of what they said
    wrong.
    """
    row = HTTP_STATUS[type(error)]
    text = str(error) if isinstance(error, InvalidInput) and operator else ""
    again = {"Retry_After": str(RETRY_AFTER_SECONDS)} if error.temporary else {}
    return trouble(renderer, row.status, row.title, text, operator, **again)
