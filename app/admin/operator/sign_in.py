"""The way in and out: the form that takes an API key, and the button that ends the session."""

from starlette.types import Receive, Scope, Send

from app.admin.operator.handler import trouble_of
from app.admin.operator.login import Login, without_session
from app.admin.operator.render import HOME, SIGN_IN, OperatorRenderer, redirect
from app.core.errors import SignoffError
from app.http.answers import Answer
from app.http.forms import Refusal, read_form


class SignIn:
    """Answers `/operator/sign-in`. The form needs no text of a session, for who sends it brings the
    key with it.
    """

    def __init__(self, login: Login, renderer: OperatorRenderer) -> None:
        self._login = login
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            await self._page(200, "")(scope, receive, send)
            return
        form = await read_form(scope, receive, own_origin="")
        if form is Refusal.GONE:
            return
        answer = (
            self._page(400, "The form could not be read.")
            if isinstance(form, Refusal)
            else await self._enter(form.one("key"), scope)
        )
        await answer(scope, receive, send)

    async def _enter(self, text: str, scope: Scope) -> Answer:
        try:
            operator = await self._login.sign_in(text)
        except SignoffError as exc:
            return trouble_of(self._renderer, exc, None)
        if operator is None:
            return self._page(
                401, "This is no valid API key.", WWW_Authenticate='Bearer realm="signoff"'
            )
        return self._login.with_session(redirect(HOME), operator, scope)

    def _page(self, status: int, note: str, **fields: str) -> Answer:
        return self._renderer.page(
            "sign-in", {"operator": None, "brand": None, "note": note}, status=status, **fields
        )


class SignOut:
    """Answers `/operator/sign-out`. A foreign form could do no more than that, and is refused all
    the same.
    """

    def __init__(self, login: Login, renderer: OperatorRenderer) -> None:
        self._login = login
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        form = await read_form(scope, receive, own_origin="")
        if form is Refusal.GONE:
            return
        answer = redirect(HOME) if isinstance(form, Refusal) else await self._leave(scope)
        await answer(scope, receive, send)

    async def _leave(self, scope: Scope) -> Answer:
        try:
            await self._login.sign_out(scope)
        except SignoffError as exc:  # the cookie goes all the same
            return without_session(trouble_of(self._renderer, exc, None), scope)
        return without_session(redirect(SIGN_IN), scope)
