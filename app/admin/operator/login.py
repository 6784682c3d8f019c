"""Who comes in: an API key shown once in a form, then the session's cookie (catalogue L8).

The cookie is HttpOnly and SameSite=Strict and names only pages of the operator. It is Secure
wherever the page came over TLS; on the bare loopback, where this listener is by default, some
browsers would not keep such a one.
"""

from dataclasses import dataclass, replace

from starlette.types import Scope

from app.admin.operator.render import HOME
from app.core.api_key import ApiKey, KeyScope
from app.core.brands import Brands
from app.core.errors import InvalidInput
from app.core.model import Brand
from app.core.operator_session import LONGEST_MS, OperatorSession, Sessions
from app.http.answers import Answer
from app.observe.log import LogEvent, Logger
from app.usecases.api_keys import ApiKeys
from app.usecases.call_limit import CallLimit
from app.usecases.ports import Clock, EndedSessions

COOKIE = "signoff_operator"
# octets of all cookies of a request; other pages of the same host may have set some
MAX_COOKIES = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who is signed in: the key, its session, the token of its forms, and the brands it may see."""

    key: ApiKey
    session: OperatorSession
    form_token: str
    brands: tuple[Brand, ...]

    def may(self, scope: KeyScope) -> bool:
        """Tell whether the key may do what needs this scope."""
        return scope in self.key.scopes


class Login:
    """Signs operators in and out, and tells whose session a request belongs to."""

    def __init__(  # noqa: PLR0913 - what a login is checked against
        self,
        *,
        api_keys: ApiKeys,
        sessions: Sessions,
        ended: EndedSessions,
        limit: CallLimit,
        brands: Brands,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._api_keys = api_keys
        self._ended = ended
        self._sessions = sessions
        self._limit = limit
        self._brands = brands
        self._clock = clock
        self._log = log

    async def sign_in(self, text: str) -> Operator | None:
        """Begin a session for who shows a good key, else return None. Raises StoreUnavailable."""
        key = await self._api_keys.recognise(text.strip())
        if key is None:
            self._log.warning(LogEvent.OPERATOR_REFUSED)
            return None
        self._log.info(LogEvent.OPERATOR_SIGNED_IN, key=key.id)
        now = self._clock()
        return self._operator(key, OperatorSession(key_id=key.id, since_ms=now, seen_ms=now))

    async def admit(self, scope: Scope) -> Operator | None:
        """Return whose session the request's cookie is; None when there is none, or it is over.
        Raises StoreUnavailable.
        """
        text = _cookie(scope)
        try:
            key = await self._api_keys.good(self._sessions.key_id(text))
            session = self._sessions.open(text, key) if key else None
        except InvalidInput:
            return None
        now = self._clock()
        if (
            key is None
            or session is None
            or session.is_over(now)
            or await self._ended.has_ended(session.name)
        ):
            return None
        return self._operator(key, session._replace(seen_ms=now))

    async def sign_out(self, scope: Scope) -> None:
        """End the request's session for good, in every browser that has its cookie. Raises
        StoreUnavailable when that cannot be kept.
        """
        operator = await self.admit(scope)
        if operator is not None:
            await self._ended.end(operator.session.name, kept_ms=LONGEST_MS)
            self._log.info(LogEvent.OPERATOR_SIGNED_OUT, key=operator.key.id)

    def _operator(self, key: ApiKey, session: OperatorSession) -> Operator:
        seen = tuple(brand for brand in self._brands if key.covers(brand.id))
        return Operator(
            key=key,
            session=session,
            form_token=self._sessions.form_token(session, key),
            brands=seen,
        )

    async def pause(self, operator: Operator) -> int:
        """Count one request as one of the key's; return 0, or after how many seconds to come again
        (catalogue Q10).
        """
        return await self._limit.pause(operator.key.id)

    def is_own_form(self, operator: Operator, text: str) -> bool:
        """Tell whether a form is of a page that this session was shown (catalogue L7)."""
        try:
            return self._sessions.is_form_token(text, operator.session, operator.key)
        except InvalidInput:
            return False

    def with_session(self, answer: Answer, operator: Operator, scope: Scope) -> Answer:
        """Return the answer with the session's cookie, which lasts again from now."""
        return _with_cookie(
            answer, self._sessions.sign(operator.session, operator.key), LONGEST_MS // 1000, scope
        )


def without_session(answer: Answer, scope: Scope) -> Answer:
    """Return the answer that takes the cookie away."""
    return _with_cookie(answer, "", 0, scope)


def _with_cookie(answer: Answer, value: str, seconds: int, scope: Scope) -> Answer:
    secure = "; Secure" if _is_private(scope) else ""
    cookie = f"{COOKIE}={value}; Path={HOME}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return replace(answer, headers=(*answer.headers, (b"set-cookie", cookie.encode("ascii"))))


def _is_private(scope: Scope) -> bool:
    """Tell whether the browser speaks TLS, to us or to a proxy that says so. Who lies about it has
    only their own cookie lost.
    """
    return (
        scope["scheme"] == "https" or _field(scope, b"x-forwarded-proto").strip().lower() == "https"
    )


def _cookie(scope: Scope) -> str:
    """Return the value of our cookie, of which no character needs quoting; nothing of the others is
    read (RFC 6265 4.2.1).
    """
    cookies = _field(scope, b"cookie")
    if len(cookies) > MAX_COOKIES:
        return ""
    pairs = (pair.strip().partition("=") for pair in cookies.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def _field(scope: Scope, wanted: bytes) -> str:
    return "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == wanted)
