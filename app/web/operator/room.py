"""One address of the operator's page: who may come in, which forms are taken, and what is shown when something cannot be done.

A room gives two functions: one that shows, for GET, and one that acts, for a form of our own page. Before either, in this order: the
session, the key's limit and its right to read, the brand of the path, and for a form its origin, its size, and the session's text in it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from app.core.api_key import KeyScope
from app.core.errors import InvalidInput, SignoffError
from app.core.model import Brand
from app.web.answers import Answer
from app.web.errors import HTTP_STATUS, RETRY_AFTER_SECONDS
from app.web.forms import Fields, Refusal, read_form
from app.web.operator.door import Door, Guest
from app.web.operator.frame import SIGN_IN, OperatorFrame, redirect

FORM_TOKEN = "form"  # noqa: S105 - the name of a field


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request by somebody who may make it. `of_brand` is None where the path names none."""

    guest: Guest
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
        return self.guest.may(KeyScope.WRITE)


Show = Callable[[Visit], Awaitable[Answer]]
Act = Callable[[Visit, Fields], Awaitable[Answer]]

_NO_BRAND = 404, "There is no such brand", "Or the key with which you signed in is of another one."
_REFUSALS = {
    Refusal.FOREIGN: (403, "This form is not of this page", "Another site sent it. Nothing was done."),
    Refusal.TOO_LARGE: (413, "This form is too large", "Nothing was done."),
    Refusal.MALFORMED: (400, "This form cannot be read", "Nothing was done."),
}


class Room:
    """Answers GET, HEAD and POST on one path."""

    def __init__(self, door: Door, frame: OperatorFrame, *, show: Show, act: Act | None = None) -> None:
        self._door = door
        self._frame = frame
        self._show = show
        self._act = act

    @property
    def methods(self) -> list[str]:
        """Return what the room's route takes."""
        return ["GET", "POST"] if self._act else ["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        form = await read_form(scope, receive, own_origin="") if scope["method"] == "POST" else None
        if form is Refusal.GONE:
            return
        try:
            guest = await self._door.admit(scope)
            answer = self._door.with_session(await self._admitted(scope, guest, form), guest, scope) if guest else redirect(SIGN_IN)
        except SignoffError as exc:
            answer = trouble_of(self._frame, exc, None)
        await answer(scope, receive, send)

    async def _admitted(self, scope: Scope, guest: Guest, form: Fields | Refusal | None) -> Answer:
        pause = await self._door.pause(guest)
        if pause:
            return trouble(self._frame, 429, "Too many requests with this key", "Wait a moment.", guest, Retry_After=str(pause))
        if not guest.may(KeyScope.READ):
            return trouble(self._frame, 403, "This key may not read", "Sign in with one that has the scope read.", guest)
        named = scope["path_params"].get("brand") if "path_params" in scope else None
        brand = next((brand for brand in guest.brands if brand.id == named), None)
        if named is not None and brand is None:
            return trouble(self._frame, *_NO_BRAND, guest)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        visit = Visit(guest=guest, query=query, of_brand=brand)
        try:
            return await self._answer(visit, form)
        except SignoffError as exc:
            return trouble_of(self._frame, exc, guest)

    async def _answer(self, visit: Visit, form: Fields | Refusal | None) -> Answer:
        if form is None or self._act is None:
            return await self._show(visit)
        if isinstance(form, Refusal):
            return trouble(self._frame, *_REFUSALS[form], visit.guest)
        if not self._door.is_own_form(visit.guest, form.one(FORM_TOKEN)):
            return trouble(self._frame, 403, "This form is of an earlier session", "Nothing was done. Open the page again.", visit.guest)
        return await self._act(visit, form)


def trouble(frame: OperatorFrame, status: int, title: str, text: str, guest: Guest | None, **fields: str) -> Answer:
    """Return a page that says why not."""
    return frame.page("trouble", {"guest": guest, "brand": None, "title": title, "detail": text}, status=status, **fields)


def trouble_of(frame: OperatorFrame, error: SignoffError, guest: Guest | None) -> Answer:
    """Return the page of an error. Who is in is an operator, who gets the text of what they said wrong."""
    row = HTTP_STATUS[type(error)]
    text = str(error) if isinstance(error, InvalidInput) and guest else ""
    again = {"Retry_After": str(RETRY_AFTER_SECONDS)} if error.temporary else {}
    return trouble(frame, row.status, row.title, text, guest, **again)
